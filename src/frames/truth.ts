/**
 * Reading the truth: the extents that chunk map and frame table describe, in the order of their addresses.
 *
 *   chunk     0 RESERVED      1 SPLIT                            2 INSIDE          3 SPLIT
 *           ┌───────────────┬──────┬──────┬────────────────────┬─────────────────┬──────────┬──────┬───────┐
 *           │ kernel        │ FREE │ SLAB │ OWNED  count 2000  │                 │ REST 116 │ FREE │ FREE  │
 *           └───────────────┴──────┴──────┴────────────────────┴─────────────────┴──────────┴──────┴───────┘
 *   visited:                  x      x      x  164 in this chunk                   x          x      x
 *
 * Wants the zone lock, or that nobody else is alive. Everything that counts, searches or repairs reads this way and no
 * other, so it finds what a dead thread left behind in whatever state its lists are.
 */

import { FREE, Frame, kindOf, orderOf, blockFlags } from './frame.ts'
import type { Physical } from './access.ts'
import {
  CHUNK_FREE,
  CHUNK_FRAMES,
  CHUNK_SHIFT,
  CHUNK_SPLIT,
  chunkOf,
  chunkState,
  chunkVirgin,
  endOf,
  firstOf,
  flagsOf,
  frameAt,
  MAX_ORDER,
} from './zone.ts'

/** Called with each extent: its first frame, its flags, and how many frames of it lie in this chunk. */
export type VisitExtent = (pfn: number, flags: number, frames: number) => void

/** Visits the extents of a chunk. One that is FREE is a block of order 10; INSIDE and RESERVED have none. */
export function visitChunk(physical: Physical, chunk: number, visit: VisitExtent): void {
  const state = chunkState(physical, chunk)
  if (state === CHUNK_FREE) {
    const flags = blockFlags(MAX_ORDER, chunkVirgin(physical, chunk))
    visit(chunk << CHUNK_SHIFT, flags, CHUNK_FRAMES)
  }
  if (state !== CHUNK_SPLIT) return
  const end = endOf(physical.geometry, chunk)
  for (let pfn = firstOf(physical.geometry, chunk); pfn < end;) {
    const flags = flagsOf(physical, pfn)
    const frames = Math.min(extentFrames(physical, pfn, flags), end - pfn)
    visit(pfn, flags, frames)
    pfn += frames
  }
}

/** Frames of the extent that begins at pfn: at least 1, for a walk must end even if the table is damaged. */
export function extentFrames({ cpu, geometry }: Physical, pfn: number, flags: number): number {
  if (kindOf(flags) === FREE) return 2 ** orderOf(flags)
  return Math.max(1, cpu.plainLoad(frameAt(geometry, pfn) + Frame.count))
}

/**
 * Visits the parts of a run, one for each chunk it touches, with the flags or the map's word that describe the part:
 * only VIRGIN is valid in them. The run is this thread's, so no lock is needed.
 */
export function visitRun(physical: Physical, pfn: number, visit: VisitExtent): void {
  const end = pfn + extentFrames(physical, pfn, flagsOf(physical, pfn))
  for (let first = pfn; first < end;) {
    const chunk = chunkOf(first)
    const next = Math.min(end, endOf(physical.geometry, chunk))
    const isWhole = first !== pfn && next - first === CHUNK_FRAMES
    visit(first, isWhole ? chunkVirgin(physical, chunk) : flagsOf(physical, first), next - first)
    first = next
  }
}
