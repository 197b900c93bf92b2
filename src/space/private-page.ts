/**
 * Private pages: frames that belong to one space, and the zero page that they begin as.
 *
 *   entry   none ──read──► zero page, SPECIAL ──write──┐
 *             │                                        ▼
 *             └──write─────────────────────────────► own frame, EXCLUSIVE
 *           object's page, read-only ──write──► copy ──┘
 *
 * The frame is linked by the link protocol (paging/link.ts), so that a death at any point leaves it in somebody's name: the
 * dead thread's, or, once the entry names it, the space's.
 *
 * A copy of an object's page stands for a page of the object: when that is cut off, copies go too (Linux:
 * unmap_mapping_range() with even_cows). So it is linked like the object's pages are (object-page.ts): the sequence of the
 * object is read before and after, and if it has moved the copy is taken out again.
 *
 * Invariants
 *  1. A frame behind an entry is the space's own if its Frame is FLOATING or OWNED and names the space. Its entry has
 *     EXCLUSIVE while it is present. Frames of runs have no Frame of their own: theirs says TAIL, or is left over.
 */

import { FLOATING, Frame, kindOf, OWNED } from '../frames/frame.ts'
import type { Physical } from '../frames/access.ts'
import { flagsOf, frameAt } from '../frames/zone.ts'
import { linkFrame } from '../paging/link.ts'
import { ACCESSED, DIRTY, EXCLUSIVE, pfnOf, PRESENT, pteOf, SPECIAL, WRITE } from '../paging/pte.ts'
import { PAGE_SIZE } from '../words/constants.ts'
import type { Area } from './area.ts'
import { PROT_WRITE } from './constants.ts'
import { AGAIN, BEYOND, DONE } from './outcome.ts'
import type { SpaceParts } from './parts.ts'

/** True if the frame behind an entry is a private page of the space. */
export function isPrivateFrame({ cpu, geometry }: Physical, pfn: number, spaceAt: number): boolean {
  const kind = kindOf(flagsOf({ cpu, geometry }, pfn))
  return (
    (kind === OWNED || kind === FLOATING) && cpu.plainLoad(frameAt(geometry, pfn) + Frame.object) === spaceAt
  )
}

/** Read, where there is nothing: the frame of zeroes that all share. */
export function zeroPage({ cpu, kernel }: SpaceParts, at: number): number {
  const pte = pteOf(kernel.zeroFrame, PRESENT | ACCESSED | SPECIAL)
  return cpu.compareExchange(at, 0, pte) === 0 ? DONE : AGAIN
}

/** A zeroed frame in place of `old`, which is none or the zero page. */
export function zeroedPage(space: SpaceParts, area: Area, vpn: number, at: number, old: number): number {
  if (area.anonId === 0) space.areas.ensureAnonId(area)
  const pfn = space.frames.allocFrame()
  return pfn < 0 ? pfn : linkPrivate(space, area, vpn, at, old, pfn)
}

/** Write, or a window, where a page that is not the space's own shows: zero page or object's page. */
export function copyOnWrite(space: SpaceParts, area: Area, vpn: number, at: number, pte: number): number {
  const result =
    (pte & SPECIAL) === 0
      ? copyOfObjectPage(space, area, vpn, at, pte)
      : zeroedPage(space, area, vpn, at, pte)
  // The thread itself may have translated the page that was there. Also if its copy came too late, and is out again: a
  // truncation that comes to the empty entry then does not shoot us.
  space.mmu.forget(vpn * PAGE_SIZE)
  return result
}

/** A copy of the object's page in place of `old`, which is none or that page. */
export function copyOfObjectPage(
  space: SpaceParts,
  area: Area,
  vpn: number,
  at: number,
  old: number,
): number {
  const { frames } = space
  if (area.anonId === 0) space.areas.ensureAnonId(area)
  const pfn = frames.allocFrame(true)
  if (pfn < 0) return pfn
  // Inside the kernel frames that are taken from the object stay as they are: what is copied is the object's page.
  frames.enterKernel()
  try {
    return copyInside(space, area, vpn, at, old, pfn)
  } finally {
    frames.leaveKernel()
  }
}

function copyInside(
  space: SpaceParts,
  area: Area,
  vpn: number,
  at: number,
  old: number,
  pfn: number,
): number {
  const { cpu, frames, objects } = space
  const pageIndex = area.offset + (vpn - area.start)
  const sequence = objects.sequence(area.object)
  const source = sourceOf(space, area.object, pageIndex, old)
  if (source < 0) {
    frames.freeFrame(pfn)
    return source === NO_PAGE ? BEYOND : source
  }
  cpu.copy(pfn * PAGE_SIZE, source * PAGE_SIZE, PAGE_SIZE)
  const result = linkPrivate(space, area, vpn, at, old, pfn)
  // Pairs with the store of the sequence in a truncation: it sees our entry, or we see that it was there.
  if (result !== DONE || objects.sequence(area.object) === sequence) return result
  if (cpu.compareExchange(at, bitsFor(area, pfn), 0) === bitsFor(area, pfn)) frames.freeFrame(pfn)
  return AGAIN
}

const NO_PAGE = -1e9

/** The frame to copy, NO_PAGE behind the object's end, or -ENOMEM. */
function sourceOf({ objects }: SpaceParts, objectAt: number, pageIndex: number, old: number): number {
  if (pageIndex >= objects.pages(objectAt)) return NO_PAGE
  return old === 0 ? objects.pageAt(objectAt, pageIndex, true) : pfnOf(old)
}

function bitsFor(area: Area, pfn: number): number {
  const mode = (area.prot & PROT_WRITE) === 0 ? 0 : WRITE | DIRTY
  return pteOf(pfn, PRESENT | ACCESSED | EXCLUSIVE | mode)
}

/** Links a frame of this thread's, FLOATING, in place of `old`. AGAIN: the entry has changed, and the frame is freed. */
function linkPrivate(
  space: SpaceParts,
  area: Area,
  vpn: number,
  at: number,
  old: number,
  pfn: number,
): number {
  return linkFrame(space.frames, pfn, at, old, bitsFor(area, pfn), space.at, vpn) ? DONE : AGAIN
}
