/**
 * SpaceState: what stands in a process slot about its address space.
 *
 *   word  0  TlbState          gen, ack, online, tid                        paging (presence.ts)
 *        32  root              the page table's root word                   its mutator
 *            sequence          odd while areas are being changed            its mutator
 *            areaCount         areas (Linux: map_count)                     its mutator
 *            minorFaults       faults that needed no I/O, wrapping          the process
 *            majorFaults       those that did                               the process
 *            areaId            the last anonId given out (areas.ts)         the process
 *            mmapBase          page number below which mmap looks first     whoever makes the space
 *            layout            0 lp64, 1 ilp32                              whoever makes the space
 *
 * The mutator of a space is one thread: its process; the parent while the child is EMBRYO; after its death the reaper.
 * The areas themselves are cells (vma.ts); the tree over them is the mutator's own, in JavaScript (vma-tree.ts).
 */

import { TlbState } from '../paging/presence.ts'
import { i32, layout, newLine, words } from '../words/layout.ts'

export const SpaceState = layout('SpaceState', 256, {
  tlb: words(TlbState.sizeof),
  root: i32,
  sequence: i32,
  areaCount: i32,
  minorFaults: i32,
  majorFaults: i32,
  areaId: i32,
  mmapBaseLow: i32,
  mmapBaseHigh: i32,
  layout: i32,
  _end: newLine,
})
