/**
 * The link protocol: how a frame gets into an entry (of a page table or of an object's index), and what a death leaves.
 *
 *   linker                                            a death before the next line leaves
 *   pfn = allocFrame()        FLOATING                a FLOATING frame of the dead: the reaper frees it
 *   object, index, link       notes in its Frame      the same: the entry that `link` names does not name the frame
 *   entry: old -> pfn         compareExchange         FLOATING and linked: repairLinks() makes it OWNED, in the dead's name
 *   own(pfn, object)          OWNED                   what its object says
 *
 * Whoever loses the compareExchange frees its frame and looks again: many may link into one table. So "OWNED and not
 * linked" never exists, save in limbo; and "linked and FLOATING" ends by itself, or by the reaper: whoever wants to take
 * the frame of an entry out meanwhile waits for it (batch.ts).
 *
 * Frame.link of an OWNED frame means nothing here. A frame is handed out with link 0; between that and the store of a free
 * it may be stale, so repairLinks() believes it only if the entry lies in a table of the frame's own object, or in the
 * object itself (its root word).
 */

import { FLOATING, Frame, kindOf, OWNED } from '../frames/frame.ts'
import type { Frames } from '../frames/frames.ts'
import { flagsOf, frameAt } from '../frames/zone.ts'
import type { Attachment } from '../memory/attachment.ts'
import { PAGE_WORDS } from '../words/constants.ts'
import { hasFrame, pfnOf } from './pte.ts'

/** Words from an object to its root word, at most: half a frame. */
const OBJECT_WORDS = 512

/**
 * Puts a frame that this thread has just allocated into an entry that holds `old`: OWNED by `owner` from then on. False
 * if the entry holds something else by now; then the frame is free again.
 */
export function linkFrame(
  frames: Frames,
  pfn: number,
  entryAt: number,
  old: number,
  pte: number,
  owner: number,
  index: number,
): boolean {
  const { cpu, geometry } = frames
  const frame = frameAt(geometry, pfn)
  cpu.plainStore(frame + Frame.object, owner)
  cpu.plainStore(frame + Frame.index, index | 0) // the low 32 bits of a page number
  cpu.plainStore(frame + Frame.link, entryAt)
  // Release: pairs with the loads of whoever follows the entry. The frame's contents have arrived.
  if (cpu.compareExchange(entryAt, old, pte) !== old) {
    frames.freeFrame(pfn)
    return false
  }
  frames.own(pfn, owner)
  return true
}

/** After a death, before Frames.repair(): what the dead had linked and not yet owned becomes its object's. May be repeated. */
export function repairLinks(frames: Frames, dead: number): void {
  const { cpu, geometry } = frames
  for (const pfn of frames.floatingOf(dead)) {
    const frame = frameAt(geometry, pfn)
    const entryAt = cpu.plainLoad(frame + Frame.link)
    const owner = cpu.plainLoad(frame + Frame.object)
    if (!isEntryOf(frames, entryAt, owner)) continue
    const entry = cpu.load(entryAt)
    if (hasFrame(entry) && pfnOf(entry) === pfn) frames.ownFor(pfn, owner)
  }
}

/** The same for an attachment's frames, among the reaper's steps. */
export function linkRepair(attachment: Attachment, dead: number): void {
  repairLinks(attachment.frames, dead)
}

function isEntryOf(frames: Frames, entryAt: number, owner: number): boolean {
  if (entryAt <= 0 || owner <= 0) return false
  if (entryAt >= owner && entryAt < owner + OBJECT_WORDS) return true
  const { cpu, geometry } = frames
  const table = Math.floor(entryAt / PAGE_WORDS)
  if (table < geometry.reservedFrames || table >= geometry.frameCount) return false
  const kind = kindOf(flagsOf(frames, table))
  if (cpu.plainLoad(frameAt(geometry, table) + Frame.object) !== owner) return false
  // A table that another linker has just linked may still be FLOATING.
  return kind === OWNED || kind === FLOATING
}
