/**
 * The zone: all frames of a memory, in chunks of 4 MiB, and the lock for changing who has them.
 *
 *   Zone   0       32     33           34     35 ... 44   45 ... 54   64
 *        ┌──────┬┬──────┬────────────┬──────┬───────────┬───────────┬┬────────────┐
 *        │ lock ││ free │ freeChunks │ peak │ heads     │ blocks    ││ generation │   384 bytes
 *        └──────┴┴──────┴────────────┴──────┴───────────┴───────────┴┴────────────┘
 *                 frames  chunks       most   first free block and number of blocks, of each order 0 ... 9
 *
 *   lock         who holds it
 *   0            nobody
 *   tid          that thread. If it dies, the reaper takes the lock over and rebuilds everything else (repair.ts)
 *
 *   chunk map    one word a chunk                                    bit 8: VIRGIN, as in Frame.flags
 *   FREE         free as a whole: the free list of order 10. Only the flags of its first Frame may be anything
 *   SPLIT        its Frames say: extents from its first frame to its end (frame.ts)
 *   INSIDE       it belongs as a whole to a run that begins in an earlier chunk. All its Frames are TAIL
 *   RESERVED     the kernel's, as a whole
 *
 * A free chunk that was never touched is word 0 of the map, so creating a memory writes the words above, the chunks that
 * are not whole (the one where the reserved frames end, and the last), and nothing else: no page of the frame table is
 * touched that need not be.
 *
 * Invariants
 *  1. Truth: chunk map and frame table. Everything in Zone is an index over it, written by the holder of the lock only.
 *     (Except `generation`, which is counted up by anybody.)
 *  2. Between any two instructions of the holder the truth is whole. INSIDE and REST that no run's count reaches are free.
 *
 * Lock order: the zone lock is a leaf. With it held nothing is called back, waited for, or filled.
 */

import { i32, layout, newLine, words } from '../words/layout.ts'
import { Frame, VIRGIN } from './frame.ts'
import type { Access, FrameGeometry, Physical } from './access.ts'

export const MAX_ORDER = 10
export const CHUNK_SHIFT = MAX_ORDER
export const CHUNK_FRAMES = 1 << CHUNK_SHIFT

export const Zone = layout('Zone', 384, {
  lock: i32,
  _counts: newLine,
  free: i32,
  freeChunks: i32,
  peak: i32,
  heads: words(MAX_ORDER),
  blocks: words(MAX_ORDER),
  _generation: newLine,
  generation: i32,
})

export const CHUNK_FREE = 0
export const CHUNK_SPLIT = 1
export const CHUNK_INSIDE = 2
export const CHUNK_RESERVED = 3
/** In the chunk map the bit is turned round, so that 0 is free and virgin. */
export const CHUNK_USED = VIRGIN
const CHUNK_MASK = 0xff

const { lock } = Zone

/** Locks the zone. */
export function lockZone({ cpu, geometry, thread }: Access): void {
  const at = geometry.zoneAt + lock
  for (;;) {
    // Acquire: pairs with the store in unlockZone().
    const seen = cpu.compareExchange(at, 0, thread.tid)
    if (seen === 0) return
    thread.awaitChange(at, seen)
  }
}

export function unlockZone({ cpu, geometry }: Physical): void {
  // Release: pairs with the compareExchange in lockZone().
  cpu.store(geometry.zoneAt + lock, 0)
}

/** Word index of a frame's Frame. */
export function frameAt(geometry: FrameGeometry, pfn: number): number {
  return geometry.tableAt + pfn * Frame.sizeof
}

/** Loaded and stored with order: a reaper looks at frames that living threads have in hand, without the zone lock. */
export function flagsOf({ cpu, geometry }: Physical, pfn: number): number {
  return cpu.load(frameAt(geometry, pfn) + Frame.flags)
}

export function setFlags({ cpu, geometry }: Physical, pfn: number, flags: number): void {
  cpu.store(frameAt(geometry, pfn) + Frame.flags, flags)
}

export function chunkOf(pfn: number): number {
  return pfn >>> CHUNK_SHIFT
}

export function chunkCount(geometry: Pick<FrameGeometry, 'frameCount'>): number {
  return (geometry.frameCount + CHUNK_FRAMES - 1) >>> CHUNK_SHIFT
}

/** The first frame of a chunk that can be allocated. */
export function firstOf(geometry: FrameGeometry, chunk: number): number {
  return Math.max(chunk << CHUNK_SHIFT, geometry.reservedFrames)
}

/** The frame behind the last one of a chunk. */
export function endOf(geometry: FrameGeometry, chunk: number): number {
  return Math.min((chunk + 1) << CHUNK_SHIFT, geometry.frameCount)
}

/** The state of a chunk: CHUNK_FREE, CHUNK_SPLIT, CHUNK_INSIDE or CHUNK_RESERVED. */
export function chunkState({ cpu, geometry }: Physical, chunk: number): number {
  return cpu.plainLoad(geometry.chunkMapAt + chunk) & CHUNK_MASK
}

/** VIRGIN if no frame of a chunk (FREE or INSIDE) was ever handed out, else 0. */
export function chunkVirgin({ cpu, geometry }: Physical, chunk: number): number {
  return (cpu.plainLoad(geometry.chunkMapAt + chunk) & CHUNK_USED) ^ VIRGIN
}

export function setChunk({ cpu, geometry }: Physical, chunk: number, state: number, virgin: number): void {
  cpu.plainStore(geometry.chunkMapAt + chunk, state | (virgin ^ VIRGIN))
}

/** Adds to one of the zone's counts. The zone lock is held. */
export function countLocked({ cpu, geometry }: Physical, field: number, by: number): number {
  const at = geometry.zoneAt + field
  const now = cpu.plainLoad(at) + by
  cpu.plainStore(at, now)
  return now
}
