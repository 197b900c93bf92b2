/**
 * ShmObject: memory that can be mapped into several address spaces: what shm_open makes, and MAP_SHARED | MAP_ANONYMOUS.
 *
 *   a cell   0      4      8       9      10     11      12      13      14          16
 *          ┌──────┬──────┬───────┬──────┬──────┬───────┬───────┬───────┬─ ... ─────┬──────
 *          │ (4)  │ lock │ flags │ refs │ mode │ inode │ ctime │ mtime │ nameBytes │
 *          └──────┴──────┴───────┴──────┴──────┴───────┴───────┴───────┴───────────┴──────
 *            32      33         34     35    36      37        38        39        40         64
 *          ┌───────┬──────────┬──────┬─────┬─────────┬─────────┬─────────┬─────────┬─────────┬──────
 *          │ pages │ sequence │ root │ run │ sizeLow │ sizeHigh│ cutting │ nextLow │ nextHigh│ name
 *          └───────┴──────────┴──────┴─────┴─────────┴─────────┴─────────┴─────────┴─────────┴──────
 *
 *   lock       RawMutex. Guards everything here but `root`'s tree, where pages are inserted without it
 *   flags      NAMED, CONTIGUOUS, ANONYMOUS; RECOUNT: refs may be wrong, for a holder of the lock died
 *   refs       areas, descriptors and the name (1): the object lives while there are any
 *   pages      ceil(size / 4096): the one word about its size that faults read
 *   sequence   counted up after each change of pages, before anything is unmapped
 *   root       the root word of the page index: a PageTable whose page numbers are pages of the object
 *   run        CONTIGUOUS: the entry (pfn, PRESENT) of the first frame of all; 0: none yet
 *   size       bytes: low 30 bits, and the rest
 *   cutting    1 + next's pages while the size is being changed to `next` (bytes, as size): a redo log of one entry
 *   inode      a number that no other object has
 *   ctime ...  seconds since 1970
 *   name       without the slash, UTF-8
 *
 * Written by     the holder of `lock`; before the cell is published its maker. name, mode, inode: the maker only
 * Read by        everybody who has a reference, or is inside the kernel
 * A death        of the holder: the next one finds EOWNERDEAD, redoes `cutting` and counts refs anew (objects.ts)
 *
 * Invariants
 *  1. pages and size are stored before sequence is counted up, and that before an entry of the index is removed.
 *  2. Entries of the index are removed under the lock. They are inserted by anybody, by compareExchange from 0.
 *  3. An entry at or behind `pages` is a page of zeroes, that whoever inserted it has found too late to map. It is freed
 *     by the next change of size that does not reach it, or becomes a page like others by one that does.
 *
 * See: mm/shmem.c; shm_overview(7).
 */

import { objectHeader } from '../memory/kind.ts'
import { i32, layout, newLine, words } from '../words/layout.ts'
import { RawMutex } from '../sync/mutex.ts'

/** Bytes of the longest name (NAME_MAX). */
export const NAME_MAX = 255

export const ShmObject = layout('ShmObject', 512, {
  ...objectHeader,
  lock: words(RawMutex.sizeof),
  flags: i32,
  refs: i32,
  mode: i32,
  inode: i32,
  ctime: i32,
  mtime: i32,
  nameBytes: i32,
  _size: newLine,
  pages: i32,
  sequence: i32,
  root: i32,
  run: i32,
  sizeLow: i32,
  sizeHigh: i32,
  cutting: i32,
  nextLow: i32,
  nextHigh: i32,
  _name: newLine,
  name: words(64),
})

/** Flags of an object. */
export const NAMED = 1
export const CONTIGUOUS = 2
export const ANONYMOUS = 4
export const RECOUNT = 8

/** Pages that an object can have: 8 TiB, less a little. Linux: 2^63 bytes. */
export const MOST_PAGES = 0x7ffffffe

const LOW_BITS = 30

/** A size in two words: its low 30 bits, and the rest. */
export function lowOf(bytes: number): number {
  return bytes % 2 ** LOW_BITS
}

export function highOf(bytes: number): number {
  return Math.floor(bytes / 2 ** LOW_BITS)
}

export function joined(low: number, high: number): number {
  return high * 2 ** LOW_BITS + low
}
