/**
 * A new memory's frames: what is written at the start, which is next to nothing (zone.ts).
 */

import { log2Floor } from '../words/bits.ts'
import { linkLocked } from './buddy.ts'
import { blockFlags, VIRGIN } from './frame.ts'
import type { Physical } from './access.ts'
import {
  CHUNK_FRAMES,
  CHUNK_RESERVED,
  CHUNK_SHIFT,
  CHUNK_SPLIT,
  chunkCount,
  countLocked,
  endOf,
  firstOf,
  MAX_ORDER,
  setChunk,
  setFlags,
  Zone,
} from './zone.ts'

/** Prepares zeroed words. Nobody else has the memory yet, so no lock is taken. */
export function initFrames(physical: Physical): void {
  const { geometry } = physical
  countLocked(physical, Zone.free, geometry.frameCount - geometry.reservedFrames)
  for (let chunk = 0; chunk < chunkCount(geometry); chunk++) {
    const first = firstOf(geometry, chunk)
    const end = endOf(geometry, chunk)
    if (first >= end) setChunk(physical, chunk, CHUNK_RESERVED, 0)
    else if (end - first === CHUNK_FRAMES) countLocked(physical, Zone.freeChunks, 1)
    else splitPartialChunk(physical, chunk << CHUNK_SHIFT, first, end)
  }
}

/** The chunk where the reserved frames end, and the last one: what they have is linked as blocks of orders below 10. */
function splitPartialChunk(physical: Physical, start: number, first: number, end: number): void {
  setChunk(physical, start >>> CHUNK_SHIFT, CHUNK_SPLIT, 0)
  for (let pfn = first; pfn < end;) {
    const alignment = pfn === start ? MAX_ORDER : log2Floor(pfn & -pfn)
    const order = Math.min(alignment, log2Floor(end - pfn), MAX_ORDER - 1)
    setFlags(physical, pfn, blockFlags(order, VIRGIN))
    linkLocked(physical, pfn, order)
    pfn += 2 ** order
  }
}
