/**
 * The frame table: one Frame for each 4 KiB page frame of physical memory, indexed by page frame number.
 *
 *   word   0       1          2          3      4       5        6       7
 *        ┌───────┬──────────┬──────────┬──────┬───────┬────────┬───────┬───────┐
 *        │ flags │ refcount │ mapcount │ link │ owner │ object │ index │ count │   32 bytes
 *        └───────┴──────────┴──────────┴──────┴───────┴────────┴───────┴───────┘
 *
 *   flags  bit 31 ... 16   15 ... 9   8        7 ... 4   3 ... 0
 *              slack, slot            VIRGIN   order     kind
 *
 *   kind       what begins at this frame             extent      owner          who may change it
 *   TAIL       nothing: it lies inside an extent                                the holder of the zone lock
 *   FREE       a block of the buddy allocator        2^order                    the holder of the zone lock
 *   REST       where a run goes on in a new chunk    count                      the holder of the zone lock
 *   FLOATING   allocated, not linked to anything     count       allocated it   its owner; after death the reaper
 *   MAGAZINE   lies in a thread's magazine           1           that thread    its owner and the holder of the zone lock,
 *                                                                               by compareExchange (magazine.ts)
 *   RETIRED    unlinked, perhaps still being walked  count       retired it     its owner; after death the reaper
 *   OWNED      linked: belongs to `object`           count                      who holds the object
 *   SLAB       cells of one kind; object = cache + 1 count                      nobody, ever (slab.ts)
 *
 *   refcount, mapcount, object, index    of an OWNED frame: its holder's, 0 when it is handed out. index and link of a
 *              FREE one: the neighbours in its free list. object of a free one in debug mode: who freed it (poison.ts)
 *   count      frames of the extent; a run may go on over the end of its chunk, where TAIL chunks and a REST follow
 *   VIRGIN     no frame of the extent was ever handed out: all zero
 *   slack      debug mode: bytes of red zone at the end of a run
 *   slot       of a MAGAZINE frame: its thread's, so that one compareExchange can tell whose it still is
 *
 * Together with the chunk map (zone.ts) this is the truth. Free lists and magazines are an index over it.
 *
 * Invariants
 *  1. Extents do not overlap, and leave no gap: in a SPLIT chunk, the frame behind an extent begins the next one.
 *  2. A frame inside an extent is TAIL, whenever the zone lock is free or its holder alive and not at work on it.
 *  3. A store to `flags` that makes, ends or resizes an extent is the commit: what it needs (owner, count, the flags of
 *     what begins behind it) was stored before. So the truth is whole between any two instructions.
 *  4. Without the zone lock, flags changes between the kinds below FREE and REST in the table only, never in extent.
 *
 * In memories of 4 GiB the table takes 32 MiB and most of it is never touched: a chunk that is free as a whole, or lies
 * inside a run, has no valid Frames but the one its state asks for.
 */

import { i32, layout } from '../words/layout.ts'

export const Frame = layout('Frame', 32, {
  flags: i32,
  refcount: i32,
  mapcount: i32,
  link: i32,
  owner: i32,
  object: i32,
  index: i32,
  count: i32,
})

export const TAIL = 0
export const FREE = 1
export const FLOATING = 2
export const OWNED = 3
export const MAGAZINE = 4
export const SLAB = 5
export const RETIRED = 6
export const REST = 7

export const KIND_NAMES = [
  'TAIL',
  'FREE',
  'FLOATING',
  'OWNED',
  'MAGAZINE',
  'SLAB',
  'RETIRED',
  'REST',
] as const

export const VIRGIN = 0x100

const KIND_MASK = 0xf
const ORDER_SHIFT = 4
const SLOT_SHIFT = 16
const SLACK_SHIFT = 16

/** kind and order. */
const BLOCK_MASK = 0xff

export function kindOf(flags: number): number {
  return flags & KIND_MASK
}

export function orderOf(flags: number): number {
  return (flags >>> ORDER_SHIFT) & 0xf
}

/** Bytes of red zone at the end of a run; 0 unless the memory is in debug mode. */
export function slackOf(flags: number): number {
  return flags >>> SLACK_SHIFT
}

/** flags of a free block of 2^order frames. */
export function blockFlags(order: number, virgin: number): number {
  return FREE | (order << ORDER_SHIFT) | virgin
}

/** True for the flags of a free block of this order. */
export function isFreeBlock(flags: number, order: number): boolean {
  return (flags & BLOCK_MASK) === (FREE | (order << ORDER_SHIFT))
}

/** flags of a run. */
export function runFlags(kind: number, slackBytes: number, virgin: number): number {
  return kind | (slackBytes << SLACK_SHIFT) | virgin
}

/** flags of a frame in the magazine of a slot's thread. */
export function magazineFlags(slotIndex: number, virgin: number): number {
  return MAGAZINE | (slotIndex << SLOT_SHIFT) | virgin
}

/** The slot whose thread has a MAGAZINE frame. */
export function magazineSlotOf(flags: number): number {
  return flags >>> SLOT_SHIFT
}

/** The same run or frame in another state. It is no longer VIRGIN. */
export function withKind(flags: number, kind: number): number {
  return (flags & ~(KIND_MASK | VIRGIN)) | kind
}
