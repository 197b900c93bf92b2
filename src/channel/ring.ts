/**
 * The ring of a channel: records of any size, from one thread to one other, through one contiguous area of shared memory.
 *
 *   RawChannel, three lines                                      written by
 *     line 0 │ data │ capacity │ state │                         its maker; state: compareExchange, and
 *     line 1 │ tail │ producer │ committed headSeen sent spins │ the producer; bit 0 of tail: the consumer
 *     line 2 │ head │ consumer │ released readEnd tailSeen ... │ the consumer; bit 0 of head: the producer
 *
 *   data area
 *     ┌────────┬────────────┬────────────┬───── ─ ─ ─ ──────────┬──────────────┬───────┐
 *     │ free   │ length  n  │ length n+1 │ committed, and not   │ claimed      │ free  │
 *     │        │ payload    │ payload    │ published: a batch   │ (a loan)     │       │
 *     └────────┴────────────┴────────────┴───── ─ ─ ─ ──────────┴──────────────┴───────┘
 *              ▲ head       ▲ released   ▲ tail                 ▲ committed            ▲ head + capacity
 *
 *   Record   0        1                   A record never wraps. What does not fit into the rest of the lap begins at the
 *          ┌────────┬────────┬─────────   next one; the word PAD in place of a length says so to the consumer. A padding
 *          │ length │ number │ payload    and the record behind it are committed together, so a record follows each PAD.
 *          └────────┴────────┴─────────   `number` counts the records: order can be checked, and length recounted.
 *
 * A position is a free-running int32 count of words, compared by (a - b) | 0. Records take an even number of words, so
 * positions are even, and bit 0 of the two published words is free for a flag: the other side sleeps. Publishing is ONE
 * exchange, which says in passing whether somebody must be woken.
 *
 *   state  generation of the cell, LIVE, and what has happened. Zero once the channel is destroyed, and another's when its
 *          cell is used again (28 bits tell which): the one word that says whether all is well, for both sides
 *   tail   position | SLEEPS while the consumer sleeps (or did: the bit may be stale, and then wakes nobody)
 *   head   position | SLEEPS while the producer sleeps
 *
 * Each side remembers what it last saw of the other's word (headSeen, tailSeen) and looks again only when that is used up:
 * at full speed the two lines stay with their threads. While it waits it looks all the time: so the notes, which their
 * owner writes for each record, are 64 bytes behind the published word, on a cache line that nobody else reads.
 *
 * All that a side must remember lies in its line as notes (slot.ts), so a new owner finds everything in place. While it has
 * the role it keeps a copy in JavaScript, read when it joined: a note that one writes oneself need not be read again.
 *
 * Invariants
 *  1. head <= released <= readEnd <= tail <= committed <= head + capacity, as positions; released is readEnd unless the
 *     consumer holds a record.
 *  2. The position in tail changes through the owner of the producer's role only, or the reaper of a dead one; head
 *     likewise. SLEEPS is set under the lock of the word's bucket only.
 *  3. A record in a queue of the lot waits for a word that has SLEEPS set, or is about to be woken by whoever cleared it.
 *     If that one dies first, the reaper wakes.
 *  4. A free role has nothing in flight: producer 0 means tail is committed, consumer 0 means head is released. So joining
 *     is one compareExchange, and a thread that dies right after it leaves nothing to repair.
 *
 * See: Vyukov and Thompson on single-producer queues; Agrona's RingBuffer for records and padding; FastForward and
 * MCRingBuffer (Lee, Bu, Chandranmenon, IPDPS 2010) for the remembered index and the batch.
 */

import type { Cpu } from '../host/cpu.ts'
import type { Lot } from '../sync/lot.ts'
import { isPowerOfTwo } from '../words/bits.ts'
import { assert } from '../words/assert.ts'
import { GiB } from '../words/constants.ts'
import { EBUSY } from '../words/errno.ts'
import { i32, layout, newLine, words } from '../words/layout.ts'

export const RawChannel = layout('RawChannel', 384, {
  data: i32,
  capacity: i32,
  state: i32,
  _producer: newLine,
  tail: i32,
  producer: i32,
  _producerNotes: words(14),
  committed: i32,
  headSeen: i32,
  sent: i32,
  fullSpins: i32,
  _consumer: newLine,
  head: i32,
  consumer: i32,
  _consumerNotes: words(14),
  released: i32,
  readEnd: i32,
  tailSeen: i32,
  received: i32,
  emptySpins: i32,
  _end: newLine,
})

const { data, capacity, state, tail, producer, committed, headSeen, sent, fullSpins } = RawChannel
const { head, consumer, released, readEnd, tailSeen, received, emptySpins } = RawChannel

/** What the two sides write. */
const PRODUCERS = [tail, producer, committed, headSeen, sent, fullSpins]
const CONSUMERS = [head, consumer, released, readEnd, tailSeen, received, emptySpins]

/** In `state`: a channel lives here. Above it the generation of its cell, so that one look tells all of a channel's state. */
const LIVE = 8
const GENERATION_SHIFT = 4

/** Bit 0 of a published word: the other side sleeps and must be woken. */
export const SLEEPS = 1

/** The other bits of `state`. A DIED bit stays until the role has a new owner. */
export const CLOSED = 1
export const PRODUCER_DIED = 2
export const CONSUMER_DIED = 4

/** In place of a record's length: the rest of this lap is padding. */
export const PAD = -1

/** Words before a record's payload: its length in bytes, its number. */
export const HEADER_WORDS = 2

export const LEAST_CAPACITY_BYTES = 4096
export const MOST_CAPACITY_BYTES = GiB

/** The state word of an open channel whose cell has this generation: alive, not closed, nobody's death to be told of. */
export function openState(generation: number): number {
  return (generation << GENERATION_SHIFT) | LIVE
}

/** The state word is that of the channel with this `openState`, whatever else it says. */
export function isSameLife(seen: number, open: number): boolean {
  return ((seen ^ open) & ~(LIVE - 1)) === 0
}

/** The words that a record takes, header and all. A constant, as V8 looks up a function each time lest it was replaced. */
export const recordWords = (lengthBytes: number): number => (((lengthBytes + 7) >>> 3) << 1) + HEADER_WORDS

/** The longest record that a ring of so many words takes. Half a ring: wherever the lap ends, an empty ring has room. */
export function largestRecordBytes(capacityWords: number): number {
  return (capacityWords / 2 - HEADER_WORDS) * 4
}

/** The smallest capacity in bytes, a power of two, that takes records of this length. */
export function capacityFor(lengthBytes: number): number {
  let bytes = LEAST_CAPACITY_BYTES
  while (largestRecordBytes(bytes / 4) < lengthBytes) bytes *= 2
  return bytes
}

/**
 * Writes all words of a new channel. Nobody else can see it yet. `generation`: of its cell. The memory is zeroed, but for what
 * a thread may have written there that was still using the channel before, which had been destroyed.
 */
export function initChannel(
  cpu: Cpu,
  at: number,
  dataAt: number,
  capacityWords: number,
  generation = 0,
): void {
  assert(isPowerOfTwo(capacityWords) && dataAt % 2 === 0, 'a ring is a power of two, on 8 bytes')
  cpu.plainStore(at + data, dataAt)
  cpu.plainStore(at + capacity, capacityWords)
  for (const word of [...PRODUCERS, ...CONSUMERS]) cpu.plainStore(at + word, 0)
  cpu.plainStore(at + state, openState(generation))
}

/**
 * Takes the role of one side: `role` is the offset of its word, `died` its bit in state.
 * 0, or -EBUSY when a thread has it, or had it and the reaper is not through.
 */
export function joinRole(lot: Lot, at: number, role: number, died: number): number {
  const { cpu, thread } = lot
  // Acquire: pairs with the store in leaveRole() and the compareExchange in repairChannel(). By invariant 4 the notes of
  // the last owner are ours as they stand.
  if (cpu.compareExchange(at + role, 0, thread.tid) !== 0) return -EBUSY
  // A death here leaves the bit set, as the reaper will anyhow.
  if ((cpu.load(at + state) & died) !== 0) cpu.and(at + state, ~died)
  return 0
}

/** Gives the role back. Everything is published; invariant 4 holds. */
export function leaveRole(lot: Lot, at: number, role: number): void {
  // Release: pairs with the compareExchange in joinRole().
  lot.cpu.compareExchange(at + role, lot.thread.tid, 0)
}

/** Ends the channel for both sides: sends fail, reads drain it. Any thread may; nothing happens the second time. */
export function closeChannel(lot: Lot, at: number): void {
  // Whoever announces a wait from here on sees the bit; whoever did before is in the queue, and woken below. If we die in
  // between, the reaper wakes.
  noteState(lot.cpu, at, CLOSED)
  wakeBoth(lot, at)
}

/** Sets a bit of `state`, unless the channel is no more: then the word is to stay 0, or is another's. */
export function noteState(cpu: Cpu, at: number, bit: number): void {
  for (let seen = cpu.load(at + state); (seen & LIVE) !== 0 && (seen & bit) === 0;) {
    const now = cpu.compareExchange(at + state, seen, seen | bit)
    if (now === seen) return
    seen = now
  }
}

/** The channel is no more: fast paths refuse from here on. */
export function endChannel(cpu: Cpu, at: number): void {
  cpu.store(at + state, 0)
}

export function isClosed(cpu: Cpu, at: number): boolean {
  return (cpu.load(at + state) & CLOSED) !== 0
}

/** Records that were published and whose room was not: exact at rest, a moment's picture in flight. */
export function countRecords(cpu: Cpu, at: number): number {
  const taken = cpu.load(at + received)
  return Math.max(0, (cpu.load(at + sent) - taken) | 0)
}

/**
 * Under the lock of the word's bucket: marks that its waiter is about to sleep. False if the position is not the one that
 * was refused, or one of the bits `ended` is set: then there is something to take, or to be told.
 */
export function announceSleep(lot: Lot, at: number, word: number, refused: number, ended: number): boolean {
  const { cpu } = lot
  for (let seen = cpu.load(word); ;) {
    if ((seen & ~SLEEPS) !== refused) return false
    // Pairs with noteState(): closeChannel() and repairChannel() wake afterwards, under the lock that we hold.
    if ((cpu.load(at + state) & ended) !== 0) return false
    if ((seen & SLEEPS) !== 0) return true
    const now = cpu.compareExchange(word, seen, seen | SLEEPS)
    if (now === seen) return true
    seen = now
  }
}

/**
 * Wakes whoever sleeps on one published word, and the first of those that wait asynchronously: they are waits of one thread,
 * and whoever has had its turn wakes the next (turns.ts).
 */
export function wake(lot: Lot, word: number, count = 1): void {
  const woken: number[] = []
  const bucket = lot.lockBucket(0, word)
  lot.wakeLocked(bucket, 0, word, count, woken)
  lot.unlockBucket(bucket)
  lot.ring(woken)
}

export function wakeBoth(lot: Lot, at: number): void {
  wake(lot, at + RawChannel.tail, Infinity)
  wake(lot, at + RawChannel.head, Infinity)
}
