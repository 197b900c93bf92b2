/**
 * Teardown: everything that the space of a dead process held returns.
 *
 *   teardownSpace   areas          each under its object's lock; the last reference destroys the object     vma-cells.ts
 *                   root word      0: who looks from now on finds no table
 *                   frames         all that are OWNED by the space: tables, private pages, descriptors      retired
 *   releasePins     pin records    its worker has ended for good: no view of it is left                     paging/pins.ts
 *                   frames         those that were pinned
 *
 * Each step looks at the truth only: cells of areas, the frame table. So it may be repeated, and be broken off: in the
 * supervisor a lock that is held by another throws MustNotBlock, and all is called again.
 *
 * Nothing is walked: tables may be torn in no way that matters, for the frames say whose they are. A page in the middle of
 * being linked was FLOATING, and was owned for the space by linkRepair before this (paging); what a dead truncation was
 * taking has been taken by the reaper (limbo.ts).
 *
 * Foreign readers of tables are inside the kernel, so frames are retired, not freed.
 */

import { Frame, kindOf, OWNED } from '../frames/frame.ts'
import type { Frames } from '../frames/frames.ts'
import { visitChunk } from '../frames/truth.ts'
import { CHUNK_SPLIT, chunkCount, chunkState, frameAt, lockZone, unlockZone } from '../frames/zone.ts'
import { TlbState } from '../paging/presence.ts'
import type { Kernel } from './kernel.ts'
import { SpaceState } from './space-state.ts'
import { dropAreas } from './vma-cells.ts'

/** Returns what the space held, but for frames that something pins. May be repeated. Throws MustNotBlock: call again. */
export function teardownSpace(kernel: Kernel, spaceAt: number): void {
  const { cpu } = kernel.attachment
  dropAreas(kernel, spaceAt)
  cpu.store(spaceAt + SpaceState.root, 0)
  // The thread is dead: it translates nothing any more, whatever it said last.
  cpu.store(spaceAt + SpaceState.tlb + TlbState.online, 0)
  retireFrames(kernel, spaceAt)
}

/** The second step, when no view of the process can be in use: unpins what it had pinned, and returns that too. */
export function releasePins(kernel: Kernel, spaceAt: number): void {
  kernel.pins.releaseAll(spaceAt)
  retireFrames(kernel, spaceAt)
}

function retireFrames({ attachment, pins }: Kernel, spaceAt: number): void {
  const { frames } = attachment
  const pinned = pins.snapshot()
  for (const pfn of framesOwnedBy(frames, spaceAt)) {
    if (!pinned.covers(pfn)) frames.retireFrame(pfn)
  }
  frames.drainRetired()
}

/** Every frame that is OWNED by an object. Chunk by chunk, so that the others do not wait for the whole table to be read. */
export function framesOwnedBy(frames: Frames, objectAt: number): number[] {
  const { cpu, geometry } = frames
  const found: number[] = []
  for (let chunk = 0; chunk < chunkCount(geometry); chunk++) {
    // A chunk where the object has frames stays SPLIT until they are freed, so it need not be locked to be passed over.
    if (chunkState(frames, chunk) !== CHUNK_SPLIT) continue
    lockZone(frames)
    visitChunk(frames, chunk, (pfn, flags) => {
      if (kindOf(flags) === OWNED && cpu.plainLoad(frameAt(geometry, pfn) + Frame.object) === objectAt) {
        found.push(pfn)
      }
    })
    unlockZone(frames)
  }
  return found
}
