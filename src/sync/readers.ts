/**
 * Readers: who reads what now, said by each thread in a line of its own. So a thousand readers of one thing write no word
 * that another one reads; whoever wants to change the thing looks at all of their lines.
 *
 *   slot.readers   0         1       2     3       4     5             30    31
 *                ┌─────────┬───────┬─────┬───────┬─────┬───────┬─ ── ┬─────┬───────┐
 *                │ spilled │ chunk │ tag │ depth │ tag │ depth │     │ tag │ depth │     15 entries
 *                └─────────┴───┬───┴─────┴───────┴─────┴───────┴─ ── ┴─────┴───────┘
 *                              └──► chunk of 511 entries, laid out alike, for a thread that reads more at once
 *
 *   tag       what is read: a word index that belongs to it; 0 in a free entry
 *   depth     how many more times the thread reads it: its own business
 *   spilled   entries in use that are not at their home
 *
 *   ReaderSet, in the thing   0       1 ... 8
 *                           ┌───────┬───────────────────────┐
 *                           │ flags │ 256 bits, one a slot  │     bits 24 to 31 of flags: which of the eight words have any
 *                           └───────┴───────────────────────┘
 *
 * A tag has one home in each line, so looking at a thread takes two loads: its home entry, and whether anything spilled. A
 * thread is looked at only when its bit is set, which happens at its first read and is not taken back while it lives.
 *
 * Dekker: the reader stores its entry, then loads the word of the thing; who changes it writes that word, then loads the
 * entries. One of the two sees the other. storeLoad() is the reader's half, for entering and for leaving.
 *
 * Invariants
 *  1. A line is written by its thread only; after its death by the reaper.
 *  2. A thread's bit is set before its first entry, and `spilled` is raised before an entry away from home is written, and
 *     lowered after it is cleared. So whoever looks at a line from its bit on misses no entry.
 *  3. An entry's depth is 0 while its tag is 0.
 *
 * A death between any two lines leaves entries that forgetReads() clears. Whoever waited for them is woken by the kind
 * that the thing is of: it finds the dead's bit in the set (wasRegistered).
 *
 * See: Calciu et al., "NUMA-Aware Reader-Writer Locks" (PPoPP 2013); Dice and Kogan, "BRAVO" (USENIX ATC 2019); and the
 * hazard pointers of Michael (2004), which an entry with a tag is.
 */

import { slotIndexOf, slotOf, ThreadSlot, tidOfState } from '../threads/slot.ts'
import { i32, layout, words } from '../words/layout.ts'
import type { Lot } from './lot.ts'

export const ReaderLine = layout('ReaderLine', 128, { spilled: i32, chunk: i32, entries: words(30) })
export const ReaderSet = layout('ReaderSet', 36, { flags: i32, slots: words(8) })

const { spilled, chunk, entries } = ReaderLine
const { flags, slots } = ReaderSet
const DEPTH = 1
const ENTRY_WORDS = 2
const ENTRIES_IN_LINE = 15
const ENTRIES_IN_CHUNK = 511
const SUMMARY_SHIFT = 24

// ── the reader: its own line ──────────────────────────────────────────────────────────────────────────────────────

/** Where a thread's entry for a thing is, unless that is taken. `slot` is the thread's, `at` the thing's first word. */
export function homeEntry(slot: number, at: number): number {
  const hash = Math.imul(at, 0x9e3779b1) >>> 16
  return slot + ThreadSlot.readers + entries + ENTRY_WORDS * ((hash * ENTRIES_IN_LINE) >>> 16)
}

/**
 * Says once and for all that this thread reads the thing whose ReaderSet lies at `set`. Needed before its first entry;
 * costs two plain loads when it has been said.
 */
export function register(lot: Lot, set: number): void {
  const { cpu, thread } = lot
  const index = slotIndexOf(thread.tid)
  const word = index >>> 5
  const bit = 1 << (index & 31)
  const summary = 1 << (SUMMARY_SHIFT + word)
  // Plain: nobody but this thread sets its bit, and the one in `flags` is set by whoever set any in the word, later.
  if ((cpu.plainLoad(set + slots + word) & bit) !== 0 && (cpu.plainLoad(set + flags) & summary) !== 0) return
  cpu.plainStore(thread.at + ThreadSlot.reads, 1)
  cpu.or(set + slots + word, bit)
  cpu.or(set + flags, summary)
}

/** A free entry of this thread for a thing, to be published with a tag; 0 when memory is out. */
export function takeEntry(lot: Lot, at: number): number {
  const home = homeEntry(lot.thread.at, at)
  if (lot.cpu.plainLoad(home) === 0) return home
  const entry = freeEntry(lot)
  if (entry === 0) return 0
  const line = lot.thread.at + ThreadSlot.readers
  lot.cpu.store(line + spilled, lot.cpu.plainLoad(line + spilled) + 1)
  return entry
}

/** Publishes that this thread reads, then loads a word of the thing. */
export function publish(lot: Lot, entry: number, tag: number, word: number): number {
  return lot.cpu.storeLoad(entry, tag, word)
}

/** The same backwards: this thread reads it no more. Its entry for the thing `at` is free. */
export function retract(lot: Lot, entry: number, at: number, word: number): number {
  const seen = lot.cpu.storeLoad(entry, 0, word)
  if (entry !== homeEntry(lot.thread.at, at)) {
    const line = lot.thread.at + ThreadSlot.readers
    lot.cpu.store(line + spilled, lot.cpu.plainLoad(line + spilled) - 1)
  }
  return seen
}

/** This thread's entry for a thing, whose tags are `at` and `at` + 1, or 0. */
export function entryOf(lot: Lot, at: number): number {
  const { cpu, thread } = lot
  const home = homeEntry(thread.at, at)
  if (isTagOf(cpu.plainLoad(home), at)) return home
  if (cpu.plainLoad(thread.at + ThreadSlot.readers + spilled) === 0) return 0
  for (const entry of entriesOf(lot, thread.at)) if (isTagOf(cpu.plainLoad(entry), at)) return entry
  return 0
}

export function depthOf(lot: Lot, entry: number): number {
  return lot.cpu.plainLoad(entry + DEPTH)
}

/**
 * How many times this thread reads a thing. There may be two entries: one away from home, and one that a fast path has made
 * at home when that was free again.
 */
export function readsOfThread(lot: Lot, at: number): number {
  const { cpu, thread } = lot
  const home = homeEntry(thread.at, at)
  let count = isTagOf(cpu.plainLoad(home), at) ? cpu.plainLoad(home + DEPTH) + 1 : 0
  if (cpu.plainLoad(thread.at + ThreadSlot.readers + spilled) === 0) return count
  for (const entry of entriesOf(lot, thread.at)) {
    if (entry !== home && isTagOf(cpu.plainLoad(entry), at)) count += cpu.plainLoad(entry + DEPTH) + 1
  }
  return count
}

export function setDepth(lot: Lot, entry: number, depth: number): void {
  lot.cpu.plainStore(entry + DEPTH, depth)
}

// ── who wants to change it: everybody's lines ─────────────────────────────────────────────────────────────────────

/** Whether any thread has an entry with the tag, for the thing `at` whose ReaderSet lies at `set`. */
export function isRead(lot: Lot, set: number, at: number, tag: number): boolean {
  const { cpu, geometry } = lot
  const summary = cpu.load(set + flags) >>> SUMMARY_SHIFT
  // As registered(), without a generator: this is on the way of each write lock.
  for (let word = 0; summary >>> word !== 0; word++) {
    if (((summary >>> word) & 1) === 0) continue
    for (let bits = cpu.load(set + slots + word); bits !== 0; bits &= bits - 1) {
      if (reads(lot, geometry.slotsAt + slotOfBit(word, bits) * ThreadSlot.sizeof, at, tag)) return true
    }
  }
  return false
}

/** The threads that read the thing now, for messages. */
export function readersOf(lot: Lot, set: number, at: number, tag: number): number[] {
  const found: number[] = []
  for (const slot of registered(lot, set)) {
    if (!reads(lot, slot, at, tag)) continue
    const index = (slot - lot.geometry.slotsAt) / ThreadSlot.sizeof
    found.push(tidOfState(index, lot.cpu.load(slot + ThreadSlot.state)))
  }
  return found
}

/** Whether a thread has ever read the thing: after its death, somebody may wait for it to leave. */
export function wasRegistered(lot: Lot, set: number, tid: number): boolean {
  const index = slotIndexOf(tid)
  return (lot.cpu.load(set + slots + (index >>> 5)) & (1 << (index & 31))) !== 0
}

/** The reaper: the dead reads it no more, and whoever gets its slot has not begun to. */
export function unregister(lot: Lot, set: number, tid: number): void {
  const index = slotIndexOf(tid)
  lot.cpu.and(set + slots + (index >>> 5), ~(1 << (index & 31)))
}

/** The thing is taken apart: nobody reads it, or uses it in any other way, but an entry may have been left behind. */
export function dropReads(lot: Lot, set: number, at: number, tags: number): void {
  for (const slot of registered(lot, set)) {
    for (const entry of entriesOf(lot, slot)) {
      const tag = lot.cpu.load(entry)
      if (tag < at || tag >= at + tags) continue
      lot.cpu.store(entry + DEPTH, 0)
      lot.cpu.store(entry, 0)
    }
  }
}

/** Whether a dead thread has ever read anything. */
export function hasRead(lot: Lot, dead: number): boolean {
  return lot.cpu.load(slotOf(lot.geometry.slotsAt, dead) + ThreadSlot.reads) !== 0
}

/** The reaper: clears what a dead thread reads. To be followed by waking those who waited for it (see above). */
export function forgetReads(lot: Lot, dead: number): void {
  const { cpu } = lot
  const slot = slotOf(lot.geometry.slotsAt, dead)
  for (const entry of entriesOf(lot, slot)) {
    if (cpu.plainLoad(entry) === 0) continue // nobody else writes it
    cpu.store(entry, 0)
    cpu.store(entry + DEPTH, 0)
  }
  cpu.store(slot + ThreadSlot.readers + spilled, 0)
  cpu.store(slot + ThreadSlot.readers + chunk, 0) // its frame is freed soon
}

// ── below ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function isTagOf(tag: number, at: number): boolean {
  return tag === at || tag === at + 1
}

function reads(lot: Lot, slot: number, at: number, tag: number): boolean {
  const { cpu } = lot
  if (cpu.load(homeEntry(slot, at)) === tag) return true
  if (cpu.load(slot + ThreadSlot.readers + spilled) === 0) return false
  for (const entry of entriesOf(lot, slot)) if (cpu.load(entry) === tag) return true
  return false
}

function* registered(lot: Lot, set: number): Generator<number> {
  const summary = lot.cpu.load(set + flags) >>> SUMMARY_SHIFT
  for (let word = 0; summary >>> word !== 0; word++) {
    if (((summary >>> word) & 1) === 0) continue
    for (let bits = lot.cpu.load(set + slots + word); bits !== 0; bits &= bits - 1) {
      yield lot.geometry.slotsAt + slotOfBit(word, bits) * ThreadSlot.sizeof
    }
  }
}

/** The slot index of the lowest bit of a word of the set. */
function slotOfBit(word: number, bits: number): number {
  return (word << 5) | (31 - Math.clz32(bits & -bits))
}

function* entriesOf({ cpu }: Lot, slot: number): Generator<number> {
  const line = slot + ThreadSlot.readers
  for (let i = 0; i < ENTRIES_IN_LINE; i++) yield line + entries + i * ENTRY_WORDS
  for (let at = cpu.load(line + chunk); at !== 0; at = cpu.load(at + chunk)) {
    for (let i = 0; i < ENTRIES_IN_CHUNK; i++) yield at + entries + i * ENTRY_WORDS
  }
}

function freeEntry(lot: Lot): number {
  const { cpu, thread } = lot
  for (const entry of entriesOf(lot, thread.at)) if (cpu.plainLoad(entry) === 0) return entry
  const fresh = lot.geometry.more()
  if (fresh === 0) return 0
  const head = thread.at + ThreadSlot.readers + chunk
  cpu.store(fresh + chunk, cpu.plainLoad(head))
  cpu.store(head, fresh)
  return fresh + entries
}
