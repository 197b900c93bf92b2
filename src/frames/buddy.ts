/**
 * The buddy allocator: free blocks of 2^k frames, aligned to their size, for k = 0 ... 10.
 *
 *   order 3  ┌───────────────────────────────┐        a block splits into two buddies, and two free buddies merge:
 *   order 2  │ FREE 2        │ FREE 2        │        the buddy of the block at pfn is at pfn ^ 2^order
 *   order 1  │ FREE 1│ FREE 1│               │
 *   order 0  │ 0 │ 0 │       │               │
 *            └───┴───┴───────┴───────────────┘
 *
 * As in Linux's mm/page_alloc.c (__free_one_page, expand), with one difference: blocks of order 10 are whole chunks and
 * live in the chunk map, not in a list.
 *
 * All functions want the zone lock. Each leaves the truth (frame.ts) whole between any two stores:
 *
 *   split   flags of the right half (inside the block, so it counts for nothing) ─► flags of the left half: COMMIT
 *   merge   flags of the left half, order + 1: COMMIT (the right half lies inside now) ─► flags of the right half = TAIL
 *
 * Lists and counts are stored around that in any order: whoever takes the lock over from a dead thread builds them anew.
 *
 * Invariants
 *  1. A free block of order 0 ... 9 is in the list of its order; one of order 10 is a CHUNK_FREE.
 *  2. Two buddies are never both free (repair.ts merges what a dead thread had freed and not merged).
 *  3. A block is VIRGIN only if all of it is.
 */

import { blockFlags, FREE, Frame, isFreeBlock, kindOf, orderOf, TAIL, VIRGIN } from './frame.ts'
import type { Access, Physical } from './access.ts'
import {
  CHUNK_FREE,
  CHUNK_SHIFT,
  CHUNK_SPLIT,
  chunkCount,
  chunkOf,
  chunkState,
  chunkVirgin,
  countLocked,
  flagsOf,
  frameAt,
  MAX_ORDER,
  setChunk,
  setFlags,
  Zone,
} from './zone.ts'

const { link: next, index: previous, owner, count } = Frame
const { heads, blocks, free, freeChunks, peak } = Zone

/** Takes a block of 2^order frames and gives it to this thread with these flags and its own VIRGIN. 0 if there is none. */
export function takeAlignedLocked(access: Access, order: number, flags: number): number {
  const pfn = takeBlockLocked(access, order)
  if (pfn === 0) return 0
  assignLocked(access, pfn, 2 ** order, flags | (flagsOf(access, pfn) & VIRGIN))
  countTakenLocked(access, 2 ** order)
  return pfn
}

/** The commit of an allocation: the unlinked free block at pfn becomes an extent of `frames` that this thread owns. */
export function assignLocked(access: Access, pfn: number, frames: number, flags: number): void {
  const { cpu, geometry, thread } = access
  const frame = frameAt(geometry, pfn)
  cpu.plainStore(frame + count, frames)
  cpu.plainStore(frame + owner, thread.tid)
  setFlags(access, pfn, flags)
}

/** Counts frames that have left the allocator. */
export function countTakenLocked(physical: Physical, frames: number): void {
  const { cpu, geometry } = physical
  const used = geometry.frameCount - geometry.reservedFrames - countLocked(physical, free, -frames)
  if (used > cpu.plainLoad(geometry.zoneAt + peak)) cpu.plainStore(geometry.zoneAt + peak, used)
}

/** Takes a free block of an order out of the lists, splitting a larger one if it must. 0 if there is none. */
function takeBlockLocked(physical: Physical, order: number): number {
  const { cpu, geometry } = physical
  for (let found = order; found < MAX_ORDER; found++) {
    const pfn = cpu.plainLoad(geometry.zoneAt + heads + found)
    if (pfn === 0) continue
    unlinkLocked(physical, pfn, found)
    return splitDownLocked(physical, pfn, found, order)
  }
  const chunk = findFreeChunkLocked(physical)
  if (chunk < 0) return 0
  unlinkLocked(physical, chunk << CHUNK_SHIFT, MAX_ORDER)
  return splitDownLocked(physical, chunk << CHUNK_SHIFT, MAX_ORDER, order)
}

function splitDownLocked(physical: Physical, pfn: number, from: number, to: number): number {
  for (let order = from; order > to; order--) {
    linkLocked(physical, splitLocked(physical, pfn, order), order - 1)
  }
  return pfn
}

/** Splits an unlinked free block in two and returns the right half. Both are unlinked. */
export function splitLocked(physical: Physical, pfn: number, order: number): number {
  const virgin = flagsOf(physical, pfn) & VIRGIN
  const half = blockFlags(order - 1, virgin)
  const right = pfn + 2 ** (order - 1)
  setFlags(physical, right, half)
  setFlags(physical, pfn, half)
  return right
}

/** A chunk that is free as a whole: one that was touched before, if possible, else the first. -1 if there is none. */
function findFreeChunkLocked(physical: Physical): number {
  const { cpu, geometry } = physical
  if (cpu.plainLoad(geometry.zoneAt + freeChunks) === 0) return -1
  let virgin = -1
  for (let chunk = 0; chunk < chunkCount(geometry); chunk++) {
    if (chunkState(physical, chunk) !== CHUNK_FREE) continue
    if (chunkVirgin(physical, chunk) === 0) return chunk
    if (virgin < 0) virgin = chunk
  }
  return virgin
}

/** Frees the block at pfn, whose extent is exactly 2^order frames, and merges it with its buddies. */
export function freeBlockLocked(physical: Physical, pfn: number, order: number, virgin: number): void {
  setFlags(physical, pfn, blockFlags(order, virgin)) // the commit
  countLocked(physical, free, 2 ** order)
  mergeLocked(physical, pfn, order)
}

/** Merges a free block that is in no list with its free buddies, as far as it goes, and links what comes out. */
export function mergeLocked(physical: Physical, pfn: number, order: number): void {
  const { frameCount } = physical.geometry
  let left = pfn
  let k = order
  for (; k < MAX_ORDER; k++) {
    const buddy = left ^ (1 << k)
    // Not read beyond the table. A block of the same order that begins inside the memory also ends inside.
    if (buddy >= frameCount || !isFreeBlock(flagsOf(physical, buddy), k)) break
    unlinkLocked(physical, buddy, k)
    const virgin = flagsOf(physical, left) & flagsOf(physical, buddy) & VIRGIN
    const right = Math.max(left, buddy)
    left = Math.min(left, buddy)
    setFlags(physical, left, blockFlags(k + 1, virgin))
    setFlags(physical, right, TAIL)
  }
  linkLocked(physical, left, k)
}

/** Puts a free block into its list; a whole chunk into the chunk map. */
export function linkLocked(physical: Physical, pfn: number, order: number): void {
  const { cpu, geometry } = physical
  if (order === MAX_ORDER) {
    setChunk(physical, chunkOf(pfn), CHUNK_FREE, flagsOf(physical, pfn) & VIRGIN)
    countLocked(physical, freeChunks, 1)
    return
  }
  const head = geometry.zoneAt + heads + order
  const first = cpu.plainLoad(head)
  cpu.plainStore(frameAt(geometry, pfn) + next, first)
  cpu.plainStore(frameAt(geometry, pfn) + previous, 0)
  if (first !== 0) cpu.plainStore(frameAt(geometry, first) + previous, pfn)
  cpu.plainStore(head, pfn)
  countLocked(physical, blocks + order, 1)
}

/** Takes a free block out of its list; a whole chunk becomes SPLIT, with one free block in it. */
export function unlinkLocked(physical: Physical, pfn: number, order: number): void {
  const { cpu, geometry } = physical
  if (order === MAX_ORDER) {
    const chunk = chunkOf(pfn)
    setFlags(physical, pfn, blockFlags(MAX_ORDER, chunkVirgin(physical, chunk)))
    setChunk(physical, chunk, CHUNK_SPLIT, 0)
    countLocked(physical, freeChunks, -1)
    return
  }
  const after = cpu.plainLoad(frameAt(geometry, pfn) + next)
  const before = cpu.plainLoad(frameAt(geometry, pfn) + previous)
  if (before === 0) cpu.plainStore(geometry.zoneAt + heads + order, after)
  else cpu.plainStore(frameAt(geometry, before) + next, after)
  if (after !== 0) cpu.plainStore(frameAt(geometry, after) + previous, before)
  countLocked(physical, blocks + order, -1)
}

/** The order of the free block that frame `pfn` lies in, or -1. Its chunk is SPLIT. */
export function freeOrderAround(physical: Physical, pfn: number): number {
  for (let order = 0; order <= MAX_ORDER; order++) {
    const flags = flagsOf(physical, pfn & -(1 << order))
    if (kindOf(flags) === TAIL) continue
    return kindOf(flags) === FREE && orderOf(flags) >= order ? orderOf(flags) : -1
  }
  return -1
}
