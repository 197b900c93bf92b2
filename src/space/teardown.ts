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

import { framesOwnedBy } from '../frames/owned.ts'
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
