/**
 * The reverse map of objects: when pages are cut off an object, whoever maps them is found, and their entries are emptied.
 *
 *   object ◄── Vma.object of each cell ──► space, start, offset ──► its table: entries of pages >= firstPage
 *
 *   entry says                  becomes
 *   the object's frame          none. The object holds the frame, not the entry
 *   a private copy of it        TAKEN, none: the frame goes into the truncation's batch. (Linux: even_cows)
 *   TAKEN                       left alone: its taker died, and the reaper finishes it
 *
 * Runs with the object's lock held, which keeps the areas of the object as they are (vma.ts, invariant 2) and every table
 * that covers one linked. Whoever links entries meanwhile looks at the sequence after it, which has moved by now
 * (object-page.ts). The space's own thread needs no other treatment than the rest: it acknowledges at its next access.
 *
 * A death in here leaves a batch that was not closed: if there is a frame in it, the reaper shoots every process (limbo.ts).
 * The entries not yet come to are the concern of who repairs the object: it cuts once more, and shoots every process too,
 * for entries that are empty by then do not say who had translated them (redoLocked).
 */

import type { Volley } from '../paging/limbo.ts'
import { processIndexOf } from '../paging/processes.ts'
import { hasFrame, isMarker, pfnOf, TAKEN } from '../paging/pte.ts'
import { PageTable } from '../paging/table.ts'
import { isPrivateFrame } from './private-page.ts'
import { SpaceState } from './space-state.ts'
import type { Kernel } from './kernel.ts'
import { mappingsOf, type AreaInfo } from './vma-cells.ts'

/** Empties the entries of all pages of an object from `firstPage` on, in every space. Its lock is held. */
export function unmapObject(kernel: Kernel, objectAt: number, firstPage: number, volley: Volley): void {
  const { frames } = kernel.attachment
  frames.enterKernel()
  try {
    for (const area of mappingsOf(kernel, objectAt)) unmapArea(kernel, area, firstPage, volley)
  } finally {
    frames.leaveKernel()
  }
}

function unmapArea(kernel: Kernel, area: AreaInfo, firstPage: number, volley: Volley): void {
  const { start, end, offset, space: spaceAt } = area
  const from = Math.max(start, start + firstPage - offset)
  if (from >= end) return
  const { attachment, layout, processes } = kernel
  const table = new PageTable(attachment.frames, layout, spaceAt + SpaceState.root, spaceAt)
  let emptied = 0
  table.visit(from, end, (entryAt) => {
    if (unmapEntry(kernel, spaceAt, entryAt, volley)) emptied++
  })
  if (emptied > 0) volley.shoot(processIndexOf(processes, spaceAt))
}

/** Empties one entry. True if it held a page. */
export function unmapEntry(kernel: Kernel, spaceAt: number, entryAt: number, volley: Volley): boolean {
  const { cpu, frames } = kernel.attachment
  for (;;) {
    // Acquire: pairs with the compareExchange of whoever has linked the page.
    const seen = cpu.load(entryAt)
    if (!hasFrame(seen) || isMarker(seen, TAKEN)) return false
    const isEmptied = isPrivateFrame(frames, pfnOf(seen), spaceAt)
      ? volley.take(entryAt, seen)
      : cpu.compareExchange(entryAt, seen, 0) === seen
    if (isEmptied) return true
  }
}
