/**
 * The queues of the parking lot: who waits for what, first come first served. A waiter is a wait record; records queue in
 * the bucket of their key. (wait-record.ts has the picture.)
 *
 * Invariants
 *  1. Only the holder of a bucket's lock reads or writes its head, tail, ticket and the next, prev, bucket words of the
 *     records in it. The holder's id is the lock word.
 *  2. The queue is an index over the truth, which is the records: whoever takes the lock over from a dead thread throws
 *     the queue away and wakes everyone in it. A wake-up gives nothing, so that is always allowed.
 *  3. A record in WAITING is in its bucket's queue whenever the bucket is unlocked by a living thread.
 *  4. Queue order is ticket order; a waiter that comes back after a wake-up in vain keeps its ticket. (Of many asynchronous
 *     waits of one thread for one lock, the first is in the queue, and the others in line behind it: lines.ts.)
 *  5. Whoever takes a record out decides last: from the compareExchange that ends a wait on, the record is its owner's,
 *     who may queue it elsewhere at once. Only if the owner was first (TIMED_OUT, ABORTED) is `bucket` cleared, and for
 *     that the owner waits, at the bucket's lock.
 *  6. A record moves from one bucket to another under both locks, and stays WAITING: it is in one of the two by its
 *     `bucket` word at any time. So whoever wants to lock its bucket looks again when he has (unlink).
 *
 * Lock order: a second bucket only to move records, and only if it is free (lockBuckets); below it nothing, not even the
 * doorbells (rung after unlocking).
 */

import { Lines } from './lines.ts'
import { ASYNC, Bucket, HANDED, WAITING, WaitRecord, WOKEN } from './wait-record.ts'

const { lock, head, fairAt, waking } = Bucket

/** Between two hand-overs of locks in one bucket, at least. */
const FAIR_EVERY_MS = 1
/** And so many times what the last one took: how long nobody could have the lock. */
const FAIR_SHARE = 4
const MOST_FAIR_MS = 25

/** More than so many waiters are a crowd. Measured with 2 cores: 16 are better off without, 32 go six times as fast with it. */
const CROWD = 16
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
  bitset: bits,
  other,
  outcome,
} = WaitRecord

/** One thread's access to the queues of one memory. */
export class Queues extends Lines {
  // ── buckets ─────────────────────────────────────────────────────────────────────────────────────────────────────

  bucketOf(first: number, second: number): number {
    const hash = Math.imul(Math.imul(first, 0x01000193) ^ second, 0x9e3779b1)
    return this.geometry.bucketsAt + ((hash >>> 16) & (this.geometry.bucketCount - 1)) * Bucket.sizeof
  }

  /** Locks the bucket of a key and returns it. */
  lockBucket(first: number, second: number): number {
    return this.lockBucketAt(this.bucketOf(first, second))
  }

  protected lockBucketAt(bucket: number): number {
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

  /** Locks two buckets, which may be the same. Nothing is held while it waits: a thread that may not block gives up there. */
  lockBuckets(one: number, two: number): void {
    const [low, high] = one < two ? [one, two] : [two, one]
    for (;;) {
      this.lockBucketAt(low)
      if (high === low) return
      const seen = this.cpu.compareExchange(high + lock, 0, this.thread.tid)
      if (seen === 0) return
      this.unlockBucket(low)
      this.thread.awaitChange(high + lock, seen)
    }
  }

  unlockBuckets(one: number, two: number): void {
    this.unlockBucket(one)
    if (one !== two) this.unlockBucket(two)
  }

  // ── queues: the bucket's lock is held ───────────────────────────────────────────────────────────────────────────

  /** Takes the record for a new wait on a key; it is queued by enqueueLocked. */
  prepare(record: number, first: number, second: number, why: number): void {
    const { cpu } = this
    cpu.plainStore(record + key0, first)
    cpu.plainStore(record + key1, second)
    cpu.plainStore(record + ticket, 0)
    cpu.plainStore(record + purpose, why)
    cpu.plainStore(record + other, 0)
    cpu.plainStore(record + since, this.thread.now())
    cpu.plainStore(record + owner, this.thread.tid)
  }

  /** Queues a prepared record: behind all others the first time, at its old place when it comes back. */
  enqueueLocked(bucket: number, record: number): void {
    this.linkLocked(bucket, record)
    // Publishes the record to wakers, who look at it under the lock, and to the reaper, who looks without.
    this.cpu.store(record + state, WAITING)
  }

  /** Takes out a record that has left WAITING: for its owner, or the owner's reaper. */
  protected unlinkLocked(bucket: number, record: number): void {
    this.skipLocked(bucket, record)
    this.cpu.plainStore(record + inBucket, 0)
  }

  /** Ends a wait from outside. False if its owner has ended it before. The record is out of the queue in both cases. */
  endLocked(bucket: number, record: number, outcome: number): boolean {
    this.skipLocked(bucket, record)
    if (this.cpu.compareExchange(record + state, WAITING, outcome) === WAITING) return true
    this.cpu.plainStore(record + inBucket, 0)
    return false
  }

  /**
   * Moves a wait to another key, behind all who wait there; both buckets are locked, and may be the same. False if its
   * owner has ended it: then it is out of the queue.
   */
  moveLocked(from: number, to: number, record: number, first: number, second: number): boolean {
    if (!this.takeLocked(from, record)) return false
    this.putLocked(to, record, first, second)
    return true
  }

  /** Takes a wait out of its queue, to be put into another. False if its owner has ended it: its words are the owner's. */
  takeLocked(from: number, record: number): boolean {
    this.skipLocked(from, record)
    if (this.cpu.load(record + state) === WAITING) return true
    this.cpu.plainStore(record + inBucket, 0)
    return false
  }

  /** Puts a wait that was taken out behind all who wait for a key; if its owner ends it meanwhile, it leaves that queue. */
  putLocked(to: number, record: number, first: number, second: number): void {
    const { cpu } = this
    cpu.plainStore(record + key0, first)
    cpu.plainStore(record + key1, second)
    cpu.plainStore(record + ticket, 0)
    this.linkLocked(to, record)
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
    let asyncs: Map<number, number> | undefined // how many of each thread
    let more = false
    let slept = 0
    let record = this.firstLocked(bucket, first, second)
    while (record !== 0) {
      if (slept === count) return true
      const isAsync = cpu.plainLoad(record + kind) === ASYNC
      const thread = cpu.plainLoad(record + owner)
      const already = isAsync ? (asyncs?.get(thread) ?? 0) : 0
      if (already === count) {
        more = true
        record = this.nextLocked(record, first, second)
      } else {
        const before = cpu.plainLoad(record + prev)
        // Decides against the waiter's own time-out and abort. If they were first, the record only leaves the queue.
        if (this.endLocked(bucket, record, WOKEN)) {
          woken.push(record)
          if (isAsync) (asyncs ??= new Map()).set(thread, already + 1)
          else slept++
        }
        record = this.#nextWith(first, second, this.afterLocked(bucket, before)) // one of its line may have come there
      }
    }
    return more
  }

  /**
   * Whether a crowd waits for a key, and a sleeper of it was woken and has not come round to look. Then another is of no use
   * yet: it would find what that one finds, and go to sleep again. Of a few the more are awake the better: soon nobody sleeps,
   * and to unlock costs nothing. Of a crowd most do sleep, whoever is woken.
   */
  isWakingLocked(bucket: number, first: number, second: number): boolean {
    const { cpu } = this
    const record = cpu.plainLoad(bucket + waking)
    return (
      record !== 0 &&
      cpu.load(record + state) === WOKEN &&
      cpu.plainLoad(record + key0) === first &&
      cpu.plainLoad(record + key1) === second &&
      this.#isCrowdLocked(bucket, first, second)
    )
  }

  #isCrowdLocked(bucket: number, first: number, second: number): boolean {
    let left = this.geometry.crowd ?? CROWD
    let record = this.firstLocked(bucket, first, second)
    while (record !== 0 && left-- > 0) record = this.nextLocked(record, first, second)
    return record !== 0
  }

  /** Notes the sleeper among those that were woken, for isWakingLocked(). */
  noteWakingLocked(bucket: number, woken: readonly number[]): void {
    const { cpu } = this
    const sleeper = woken.find((record) => cpu.plainLoad(record + kind) !== ASYNC)
    if (sleeper !== undefined) cpu.plainStore(bucket + waking, sleeper)
  }

  /**
   * Hands what is waited for to the first waiter, if it sleeps and has waited too long. Returns its record, already out
   * of the queue and to be rung after unlocking, or 0.
   *
   * Once in a while: where more wait than there are cores, each has waited too long, and who hands over to a sleeper each time
   * pays a switch of threads for each section, and makes all the others wait longer still (noteAccepted).
   */
  handLocked(bucket: number, first: number, second: number): number {
    const { cpu } = this
    const record = this.firstLocked(bucket, first, second)
    if (record === 0 || cpu.plainLoad(record + kind) === ASYNC) return 0
    if (!this.isStarvingLocked(bucket, record)) return 0
    return this.endLocked(bucket, record, HANDED) ? record : 0
  }

  /** Whether it is to be handed what it waits for. If so, that is noted as done. */
  isStarvingLocked(bucket: number, record: number): boolean {
    const { cpu, thread } = this
    if (!thread.isStarving(cpu.plainLoad(record + since), cpu.plainLoad(bucket + fairAt))) return false
    cpu.plainStore(bucket + fairAt, (thread.now() + FAIR_EVERY_MS) | 0 || 1)
    return true
  }

  /**
   * What handLocked() has handed over was accepted: from how long that took follows when it may be done again. A hint, written
   * without the lock. Not for what was handed over otherwise: fairAt says nothing of that.
   */
  noteAccepted(bucket: number): void {
    const { cpu, thread } = this
    const took = (thread.now() + FAIR_EVERY_MS - cpu.plainLoad(bucket + fairAt)) | 0
    if (took > 0)
      cpu.plainStore(bucket + fairAt, (thread.now() + FAIR_SHARE * Math.min(took, MOST_FAIR_MS)) | 0 || 1)
  }

  /** Notes at what time an asynchronous wait was called (rwlock-word.ts): it goes on, and its thread is to be rung. */
  callLocked(record: number, at: number): void {
    this.cpu.plainStore(record + outcome, at)
  }

  /** When it was called, or 0. */
  calledAt(record: number): number {
    return this.cpu.plainLoad(record + outcome)
  }

  /** Whether the longest waiting record of a key was moved there from another (`other`). */
  isSentLocked(bucket: number, first: number, second: number): boolean {
    const record = this.firstLocked(bucket, first, second)
    return record !== 0 && this.cpu.plainLoad(record + other) !== 0
  }

  /** The next record of the same key behind one that is in the queue, or 0. */
  nextLocked(record: number, first: number, second: number): number {
    return this.#nextWith(first, second, this.cpu.plainLoad(record + next))
  }

  /**
   * Wakes exactly `count` waits of a key whose bitset meets `mask`, or all there are, in queue order; sleeping threads
   * and asynchronous waits alike. Appends their records to `woken`, to be rung after unlocking. Returns how many.
   */
  wakeExactlyLocked(
    bucket: number,
    first: number,
    second: number,
    count: number,
    mask: number,
    woken: number[],
  ): number {
    let ended = 0
    for (let record = this.firstLocked(bucket, first, second); record !== 0 && ended < count;) {
      const after = this.nextLocked(record, first, second)
      if ((this.cpu.plainLoad(record + bits) & mask) !== 0) {
        this.cpu.plainStore(record + outcome, mask) // for whoever must pass the wake-up on
        if (this.endLocked(bucket, record, WOKEN)) {
          woken.push(record)
          ended++
        }
      }
      record = after
    }
    return ended
  }

  /**
   * Hands what is waited for to the first `count` waiters, whether they sleep or not, and appends their records to `handed`,
   * to be rung after unlocking. True if the key still has waiters in the queue.
   */
  handEachLocked(bucket: number, first: number, second: number, count: number, handed: number[]): boolean {
    const most = handed.length + count
    for (;;) {
      const record = this.firstLocked(bucket, first, second)
      if (record === 0 || handed.length === most) return record !== 0
      // Decides against the waiter's own time-out and abort. If they were first, the record only leaves the queue.
      if (this.endLocked(bucket, record, HANDED)) handed.push(record)
    }
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
      count += 1 + this.lineBefore(other, mine)
      other = this.#nextWith(first, second, cpu.plainLoad(other + next))
    }
    this.unlockBucket(bucket)
    return count
  }

  /** The thread that a record belongs to. */
  ownerOf(record: number): number {
    return this.cpu.plainLoad(record + owner)
  }
}
