/**
 * Page-table entries: two words each. `pte` says where the page is and is changed by compareExchange only; `aux` is
 * software's own and only ever a hint.
 *
 *   a table: one frame      word 0 ... 511        512 ... 1023
 *                          ┌─────────────────────┬─────────────────────┐
 *                          │ pte of 512 entries  │ aux of 512 entries  │
 *                          └─────────────────────┴─────────────────────┘
 *
 *   pte, present   31 ... 8   7        6         5       4       3          2      1       0
 *                  pfn        (huge)   SPECIAL   EXCL    DIRTY   ACCESSED   EXEC   WRITE   PRESENT = 1
 *        swapped   31 ... 8   7 ... 3          2       1       0
 *                  offset     area             EXCL    1       PRESENT = 0
 *        marker    31 ... 8   7 ... 2                  1       0
 *                  payload    kind                     0       PRESENT = 0;  0 as a whole: none
 *          HIDDEN  pfn        1      the page is there, and its area is PROT_NONE. It may be the zero page
 *          TAKEN   pfn        2      a thread is taking the frame away, and holds the lock of its object: soon none
 *
 *   in a table above the lowest: pfn of the next table, and PRESENT
 *
 * There is no bit for reading: what is PRESENT can be read, and PROT_NONE is a matter of the area. WRITE clear in a
 * writable area means copy-on-write, or that the first store is to be noticed. ACCESSED is set when a translation is
 * taken, DIRTY when one is taken for writing: so a store needs to set nothing.
 *
 * See: Intel SDM volume 3, 4.5; include/linux/pgtable.h.
 */

export const PRESENT = 1
export const WRITE = 2
export const EXEC = 4
export const ACCESSED = 8
export const DIRTY = 0x10
export const EXCLUSIVE = 0x20
export const SPECIAL = 0x40

/** Kinds of markers. */
export const HIDDEN = 0x4
export const TAKEN = 0x8

/** Entries of a table. */
export const TABLE_ENTRIES = 512

/** So an entry can name 2^24 frames: 64 GiB of them. */
const PFN_SHIFT = 8

export function pteOf(pfn: number, bits: number): number {
  return (pfn << PFN_SHIFT) | bits
}

export function pfnOf(pte: number): number {
  return pte >>> PFN_SHIFT
}

/** The marker of a kind that carries a frame. */
export function markerOf(pfn: number, kind: number): number {
  return (pfn << PFN_SHIFT) | kind
}

/** True for a marker of that kind. */
export function isMarker(pte: number, kind: number): boolean {
  return (pte & 0xff) === kind
}

/** True if the entry holds a frame, whether it may be used at the moment or not. */
export function hasFrame(pte: number): boolean {
  return isPresent(pte) || isMarker(pte, HIDDEN) || isMarker(pte, TAKEN)
}

export function isPresent(pte: number): boolean {
  return (pte & PRESENT) !== 0
}
