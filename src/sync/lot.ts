/**
 * The parking lot: where threads wait, first come first served, for something in shared memory to change.
 *
 * After WTF::ParkingLot (webkit.org/blog/6161) and Linux's futex hash. A waiter is a wait record; records queue in the
 * bucket of their key. Each thread sleeps on its own doorbell word and nowhere else, so waking is O(1) and targeted.
 *
 *   Bucket   0      1      2      3                 WaitRecord  0      1     2      3      4        5
 *          ┌──────┬──────┬──────┬────────┐                    ┌───────┬─────┬──────┬──────┬────────┬────────┐
 *          │ lock │ head │ tail │ ticket │ 128 bytes          │ state │ tid │ key0 │ key1 │ ticket │ bitset │
 *          └──────┴──┬───┴──────┴────────┘                    ├───────┼─────┼──────┴┬─────┴┬───────┬┴────────┤
 *                    └──────────► record ◄──── next/prev ────►│ next  │ prev│ bucket│ kind │ since │ purpose │
 *                                                             └───────┴─────┴───────┴──────┴───────┴─────────┘
 *
 *   state      who may leave it, always by ONE compareExchange; the loser obeys
 *   UNUSED     the owner takes it (store: nobody else looks at an unused record)
 *   WAITING    a waker (WOKEN, HANDED), the owner (TIMED_OUT, ABORTED), the reaper of the owner (ABORTED), whoever takes
 *              apart what it waits for, or his reaper (ENDED)
 *   WOKEN      the owner, after its retry. Gives no ownership: the waiter tries again
 *   HANDED     the owner. The waker has done the acquiring for it (blocked waiters only)
 *   TIMED_OUT, ABORTED: the owner. ENDED: the owner, who does not look at the word again
 *
 * The key is two opaque words: on a bare memory region and offset, through a process object and offset.
 *
 * Invariants
 *  1. Only the holder of a bucket's lock reads or writes its head, tail, ticket and the next, prev, bucket words of the
 *     records in it. The holder's id is the lock word.
 *  2. The queue is an index over the truth, which is the records: whoever takes the lock over from a dead thread throws
 *     the queue away and wakes everyone in it. A wake-up gives nothing, so that is always allowed.
 *  3. A record in WAITING is in its bucket's queue whenever the bucket is unlocked by a living thread.
 *  4. Queue order is ticket order; a waiter that comes back after a wake-up in vain keeps its ticket.
 *
 * Lock order: at most one bucket at a time; below it nothing, not even the doorbells (rung after unlocking).
 */

import type { Cpu } from '../host/cpu.ts'
import { ASLEEP, AWAKE, RUNG, ThreadSlot, slotOf } from '../threads/slot.ts'
import type { Thread } from '../threads/thread.ts'
import { i32, layout, newLine } from '../words/layout.ts'

export const Bucket = layout('Bucket', 128, { lock: i32, head: i32, tail: i32, ticket: i32, _end: newLine })

export const WaitRecord = layout('WaitRecord', 64, {
  state: i32,
  tid: i32,
  key0: i32,
  key1: i32,
  ticket: i32,
  bitset: i32,
  next: i32,
  prev: i32,
  bucket: i32,
  kind: i32,
  since: i32,
  purpose: i32,
  chain: i32,
  _spare0: i32,
  _spare1: i32,
  _spare2: i32,
})

const { lock, head, tail, ticket: nextTicket } = Bucket
const {
  state,
  tid: owner,
  key0,
  key1,
  ticket,
  next,
  prev,
  bucket: inBucket,
  kind,
  since,
  purpose,
  chain,
} = WaitRecord

export const UNUSED = 0
export const WAITING = 1
export const WOKEN = 2
export const HANDED = 3
export const TIMED_OUT = 4
export const ABORTED = 5
/** What it waited for has ended: the words there are no longer what they were. */
export const ENDED = 6

/** A record's kind: the static one of a thread that sleeps, or one of many of a thread that goes on. */
export const BLOCKED = 0
export const ASYNC = 1

const RECORDS_IN_CHUNK = 64

/** Where the lot lies in a memory, and how it gets more records. */
export interface LotGeometry {
  readonly bucketsAt: number
  /** Number of buckets, a power of two. */
  readonly bucketCount: number
  readonly slotsAt: number
  readonly slotCount: number
  /** Word index of 4 KiB of fresh zeroes for asynchronous records, or 0 when there is none. Called with no lock held. */
  more(): number
}

/** One thread's access to the lot of one memory. */
export class Lot {
  readonly thread: Thread
  readonly cpu: Cpu
  readonly geometry: LotGeometry
  /** Unused asynchronous records of this thread. */
  readonly #spare: number[] = []

  constructor(thread: Thread, geometry: LotGeometry) {
    this.thread = thread
    this.cpu = thread.cpu
    this.geometry = geometry
  }

  // ── buckets ─────────────────────────────────────────────────────────────────────────────────────────────────────

  bucketOf(first: number, second: number): number {
    const hash = Math.imul(Math.imul(first, 0x01000193) ^ second, 0x9e3779b1)
    return this.geometry.bucketsAt + ((hash >>> 16) & (this.geometry.bucketCount - 1)) * Bucket.sizeof
  }

  /** Locks the bucket of a key and returns it. */
  lockBucket(first: number, second: number): number {
    return this.#lockBucketAt(this.bucketOf(first, second))
  }

  #lockBucketAt(bucket: number): number {
    for (;;) {
      // Acquire: pairs with the store in unlockBucket().
      const seen = this.cpu.compareExchange(bucket + lock, 0, this.thread.tid)
      if (seen === 0) return bucket
      this.thread.awaitChange(bucket + lock, seen)
    }
  }

  unlockBucket(bucket: number): void {
    // Release: pairs with the compareExchange in lockBucket().
    this.cpu.store(bucket + lock, 0)
  }

  // ── queues: the bucket's lock is held ───────────────────────────────────────────────────────────────────────────

  /** Takes the record for a new wait on a key; it is queued by enqueueLocked. */
  prepare(record: number, first: number, second: number, why: number): void {
    const { cpu } = this
    cpu.plainStore(record + key0, first)
    cpu.plainStore(record + key1, second)
    cpu.plainStore(record + ticket, 0)
    cpu.plainStore(record + purpose, why)
    cpu.plainStore(record + since, this.thread.now())
    cpu.plainStore(record + owner, this.thread.tid)
  }

  /** Queues a prepared record: behind all others the first time, at its old place when it comes back. */
  enqueueLocked(bucket: number, record: number): void {
    const { cpu } = this
    let before = cpu.plainLoad(bucket + tail)
    const old = cpu.plainLoad(record + ticket)
    if (old === 0) {
      const mine = (cpu.plainLoad(bucket + nextTicket) + 1) | 0 || 1 // 0 means: has none
      cpu.plainStore(bucket + nextTicket, mine)
      cpu.plainStore(record + ticket, mine)
    } else {
      while (before !== 0 && ((cpu.plainLoad(before + ticket) - old) | 0) > 0)
        before = cpu.plainLoad(before + prev)
    }
    const after = cpu.plainLoad(before === 0 ? bucket + head : before + next)
    cpu.plainStore(record + prev, before)
    cpu.plainStore(record + next, after)
    cpu.plainStore(before === 0 ? bucket + head : before + next, record)
    cpu.plainStore(after === 0 ? bucket + tail : after + prev, record)
    cpu.plainStore(record + inBucket, bucket)
    // Publishes the record to wakers, who look at it under the lock, and to the reaper, who looks without.
    cpu.store(record + state, WAITING)
  }

  #unlinkLocked(bucket: number, record: number): void {
    const { cpu } = this
    const before = cpu.plainLoad(record + prev)
    const after = cpu.plainLoad(record + next)
    cpu.plainStore(before === 0 ? bucket + head : before + next, after)
    cpu.plainStore(after === 0 ? bucket + tail : after + prev, before)
    cpu.plainStore(record + inBucket, 0)
  }

  #nextWith(first: number, second: number, from: number): number {
    let record = from
    while (record !== 0 && !this.#hasKey(record, first, second)) record = this.cpu.plainLoad(record + next)
    return record
  }

  #hasKey(record: number, first: number, second: number): boolean {
    return this.cpu.plainLoad(record + key0) === first && this.cpu.plainLoad(record + key1) === second
  }

  /** The longest waiting record of a key, or 0. */
  firstLocked(bucket: number, first: number, second: number): number {
    return this.#nextWith(first, second, this.cpu.plainLoad(bucket + head))
  }

  /**
   * Wakes waiters of a key in queue order until `count` sleeping threads are among them, and appends their records to
   * `woken`, to be rung after unlocking. True if the key still has waiters in the queue.
   *
   * A thread that waits asynchronously may be busy for long and must not keep the others waiting: so its records on the
   * way are woken too, at most `count` of them, and do not count.
   */
  wakeLocked(bucket: number, first: number, second: number, count: number, woken: number[]): boolean {
    const { cpu } = this
    let more = false
    let slept = 0
    let record = this.firstLocked(bucket, first, second)
    while (record !== 0) {
      const after = this.#nextWith(first, second, cpu.plainLoad(record + next))
      if (slept === count) return true
      const isAsync = cpu.plainLoad(record + kind) === ASYNC
      if (isAsync && this.#countOf(woken, cpu.plainLoad(record + owner)) >= count) {
        more = true
      } else {
        // Decides against the waiter's own time-out and abort. If they were first, the record only leaves the queue.
        if (cpu.compareExchange(record + state, WAITING, WOKEN) === WAITING) {
          woken.push(record)
          if (!isAsync) slept++
        }
        this.#unlinkLocked(bucket, record)
      }
      record = after
    }
    return more
  }

  /** Ends every wait for a word in [from, to): what lies there is taken apart. Whoever waited must not look at it again. */
  endWaits(from: number, to: number): void {
    const { cpu } = this
    const ended: number[] = []
    const { bucketsAt, bucketCount } = this.geometry
    for (let bucket = bucketsAt; bucket < bucketsAt + bucketCount * Bucket.sizeof; bucket += Bucket.sizeof) {
      // Each is locked: an empty queue is no proof while somebody holds the lock and is about to join it.
      this.#lockBucketAt(bucket)
      for (let record = cpu.plainLoad(bucket + head); record !== 0;) {
        const after = cpu.plainLoad(record + next)
        const word = cpu.plainLoad(record + key1)
        if (cpu.plainLoad(record + key0) === 0 && word >= from && word < to) {
          // Decides against a time-out and an abort, as a wake-up does.
          if (cpu.compareExchange(record + state, WAITING, ENDED) === WAITING) ended.push(record)
          this.#unlinkLocked(bucket, record)
        }
        record = after
      }
      this.unlockBucket(bucket)
    }
    this.ring(ended)
  }

  #countOf(records: readonly number[], thread: number): number {
    let count = 0
    for (const record of records) if (this.cpu.plainLoad(record + owner) === thread) count++
    return count
  }

  /**
   * Hands what is waited for to the first waiter, if it sleeps and has waited too long. Returns its record, already out
   * of the queue and to be rung after unlocking, or 0.
   */
  handLocked(bucket: number, first: number, second: number): number {
    const { cpu } = this
    const record = this.firstLocked(bucket, first, second)
    if (record === 0 || cpu.plainLoad(record + kind) === ASYNC) return 0
    if (!this.thread.isStarving(cpu.plainLoad(record + since))) return 0
    if (cpu.compareExchange(record + state, WAITING, HANDED) !== WAITING) return 0
    this.#unlinkLocked(bucket, record)
    return record
  }

  /** How many wait for the same and came before, for messages. The record is in the queue, or has just left it. */
  aheadOf(record: number): number {
    const { cpu } = this
    const [first, second] = [cpu.plainLoad(record + key0), cpu.plainLoad(record + key1)]
    const mine = cpu.plainLoad(record + ticket)
    const bucket = this.lockBucket(first, second)
    let count = 0
    let other = this.firstLocked(bucket, first, second)
    while (other !== 0 && ((cpu.plainLoad(other + ticket) - mine) | 0) < 0) {
      count++
      other = this.#nextWith(first, second, cpu.plainLoad(other + next))
    }
    this.unlockBucket(bucket)
    return count
  }

  /** The thread that a record belongs to. */
  ownerOf(record: number): number {
    return this.cpu.plainLoad(record + owner)
  }

  // ── doorbells ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Rings the threads of records that were woken. No lock is held. */
  ring(woken: readonly number[]): void {
    for (const record of woken) {
      const slot = slotOf(this.geometry.slotsAt, this.cpu.plainLoad(record + owner))
      this.#ringBell(slot + (this.cpu.plainLoad(record + kind) === ASYNC ? ThreadSlot.bell : ThreadSlot.park))
    }
  }

  #ringBell(bell: number): void {
    // Dekker: the waker changed the record, then exchanges the bell; the waiter exchanges the bell, then loads the
    // record (block, listen). One of the two sees the other.
    if (this.cpu.exchange(bell, RUNG) === ASLEEP) this.thread.ring(bell)
  }

  /**
   * Rings every thread that may be asleep: after a death, since the dead may have woken a record and not yet rung. It may
   * also have got as far as the exchange, so RUNG is no reason to trust that the thread was rung.
   */
  ringEverybody(): void {
    const { slotsAt, slotCount } = this.geometry
    for (let slot = slotsAt; slot < slotsAt + slotCount * ThreadSlot.sizeof; slot += ThreadSlot.sizeof) {
      for (const bell of [slot + ThreadSlot.park, slot + ThreadSlot.bell]) {
        if (this.cpu.load(bell) === AWAKE) continue
        this.cpu.exchange(bell, RUNG)
        this.thread.ring(bell)
      }
    }
  }

  /** Sleeps until the record of this thread's blocked wait has left WAITING. Returns the state it is in then. */
  block(record: number, deadline: number): number {
    const { cpu, thread } = this
    const bell = thread.at + ThreadSlot.park
    for (;;) {
      if (thread.spinTurns !== 0) {
        const seen = cpu.spinWhileEqual(record + state, WAITING, thread.spinTurns >>> 4)
        if (seen !== WAITING) return seen
      }
      cpu.exchange(bell, ASLEEP) // the other half of Dekker in #ringBell
      const seen = cpu.load(record + state)
      const rung = seen !== WAITING || thread.sleep(bell, ASLEEP, deadline)
      cpu.store(bell, AWAKE)
      if (seen !== WAITING) return seen
      if (!rung) return this.withdraw(record, TIMED_OUT)
    }
  }

  /** Ends a wait from the waiter's side. Returns `outcome`, or WOKEN or HANDED if a waker was first. */
  withdraw(record: number, outcome: number): number {
    const { cpu } = this
    const seen = cpu.compareExchange(record + state, WAITING, outcome)
    if (seen !== WAITING) return seen
    this.unlink(record)
    return outcome
  }

  /** Takes a record that has left WAITING out of its queue, unless a waker has done so. */
  unlink(record: number): void {
    const { cpu } = this
    const bucket = this.lockBucket(cpu.plainLoad(record + key0), cpu.plainLoad(record + key1))
    if (cpu.plainLoad(record + inBucket) !== 0) this.#unlinkLocked(bucket, record)
    this.unlockBucket(bucket)
  }

  // ── records ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The record of this thread's blocked wait. */
  get ownRecord(): number {
    return this.thread.at + ThreadSlot.record
  }

  stateOf(record: number): number {
    return this.cpu.load(record + state)
  }

  /** An asynchronous record of this thread, or 0 when memory is out. */
  allocRecord(): number {
    if (this.#spare.length === 0 && !this.#addChunk()) return 0
    const record = this.#spare.pop() ?? 0
    this.cpu.plainStore(record + kind, ASYNC)
    return record
  }

  /** Gives a record back: the wait is over and its retry done. */
  freeRecord(record: number): void {
    this.cpu.store(record + state, UNUSED)
    if (record !== this.ownRecord) this.#spare.push(record)
  }

  /** A chunk's first record only chains the chunks, so that the reaper finds them from the slot. */
  #addChunk(): boolean {
    const { cpu, thread } = this
    const chunk = this.geometry.more()
    if (chunk === 0) return false
    cpu.plainStore(chunk + chain, cpu.plainLoad(thread.at + ThreadSlot.records))
    // Published for recordsOf(), which walks the chunks of threads that live.
    cpu.store(thread.at + ThreadSlot.records, chunk)
    for (let i = RECORDS_IN_CHUNK - 1; i > 0; i--) this.#spare.push(chunk + i * WaitRecord.sizeof)
    return true
  }

  /** Every record of the thread in a slot: the static one, then the asynchronous ones. */
  *recordsOf(slot: number): Generator<number> {
    yield slot + ThreadSlot.record
    for (const chunk of this.chunksOf(slot)) {
      for (let i = 1; i < RECORDS_IN_CHUNK; i++) yield chunk + i * WaitRecord.sizeof
    }
  }

  /** The chunks of asynchronous records that the thread in a slot has got from more(). */
  *chunksOf(slot: number): Generator<number> {
    let chunk = this.cpu.load(slot + ThreadSlot.records)
    while (chunk !== 0) {
      const after = this.cpu.plainLoad(chunk + chain)
      yield chunk
      chunk = after
    }
  }
}
