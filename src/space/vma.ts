/**
 * Areas (Linux: VMAs, virtual memory areas): a cell for each, which is the truth. Whoever is not the mutator of its space
 * finds areas by walking the cells; the mutator has a tree over them (vma-tree.ts).
 *
 *   Vma   0        1            2        3        4 5     6 7     8       9      10        11       12 13    14
 *       ┌────────┬────────────┬────────┬────────┬───────┬───────┬───────┬──────┬─────────┬────────┬────────┬──────┐
 *       │ status │ generation │ space  │ anonId │ start │ end   │ flags │ prot │ mayProt │ object │ offset │ file │
 *       └────────┴────────────┴────────┴────────┴───────┴───────┴───────┴──────┴─────────┴────────┴────────┴──────┘
 *
 *   space    word index of the SpaceState (= process slot) that it belongs to
 *   start    first page (vpn); end: the page behind the last; both below 2^36, low 30 bits first
 *   flags    VM_SHARED ...
 *   prot     PROT_READ | PROT_WRITE | PROT_EXEC as it is; mayProt: what mprotect may give (VM_MAYREAD ...)
 *   object   word index of the ShmObject that is mapped, or 0: anonymous and private
 *   offset   page of the object at start; of an anonymous private area: its vpn when it was made (Linux: vm_pgoff)
 *   file     which opening of the object was mapped, a number of the process's; 0: it has no descriptor (Linux: vm_file)
 *   anonId   0 until a private page exists, then the id that decides whether neighbours can merge (Linux: anon_vma)
 *
 * Invariants
 *  1. A live area with an object is one reference on it, counted under the object's lock (storage).
 *  2. start, end, offset and status of an area with an object change under the lock of the object; of any area, while
 *     `sequence` of the space is odd.
 *  3. Areas of a space do not overlap, and none is empty.
 */

import { i32, layout } from '../words/layout.ts'

export const Vma = layout('Vma', 64, {
  status: i32,
  generation: i32,
  space: i32,
  anonId: i32,
  startLow: i32,
  startHigh: i32,
  endLow: i32,
  endHigh: i32,
  flags: i32,
  prot: i32,
  mayProt: i32,
  object: i32,
  offsetLow: i32,
  offsetHigh: i32,
  file: i32,
  _spare: i32,
})

/** Flags of an area. All decide whether neighbours can merge. VM_SHARED is Linux's VM_MAYSHARE: the `s` of maps. */
export const VM_SHARED = 1
export const VM_NORESERVE = 2
export const VM_GROWSDOWN = 4
export const VM_LOCKED = 8
/** Private and writable, now or once: its pages count against what may be promised (Linux: VM_ACCOUNT). */
export const VM_ACCOUNT = 16
/** MAP_STACK. */
export const VM_NOHUGEPAGE = 32
