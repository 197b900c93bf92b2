/**
 * The parking lot: where threads wait, first come first served, for something in shared memory to change.
 *
 * After WTF::ParkingLot (webkit.org/blog/6161) and Linux's futex hash.
 *
 *   wait-record.ts   what a wait is: its record, its states, the bucket that it queues in
 *   records.ts       where a thread's records come from
 *   queues.ts        who waits for what, in which order; who is woken
 *   lot.ts           sleeping and ringing
 *   wait.ts          the steps of a wait that a lock takes
 *   repair.ts        what a death leaves
 *
 * Each thread sleeps on its own doorbell words and nowhere else, so waking is O(1) and targeted.
 */

import { CALLED_OFF, WAKES } from '../threads/counters.ts'
import { ASLEEP, AWAKE, FREE, RUNG, ThreadSlot, slotOf, stateOf } from '../threads/slot.ts'
import { Queues } from './queues.ts'
import { RecordSpins } from './record-spins.ts'
import {
  ASYNC,
  Bucket,
  CONDITION_PURPOSE,
  ENDED,
  TIMED_OUT,
  UNUSED,
  WAITING,
  WaitRecord,
} from './wait-record.ts'

const { state, tid: owner, key0, key1, bucket: inBucket, kind, purpose, other } = WaitRecord

/** One thread's access to the lot of one memory. */
export class Lot extends Queues {
  readonly #spins = new RecordSpins()

  /** Rings the threads of records that were woken. No lock is held. */
  ring(woken: readonly number[]): void {
    for (const record of woken) {
      this.thread.count(WAKES)
      const slot = slotOf(this.geometry.slotsAt, this.cpu.plainLoad(record + owner))
      const isAsync = this.cpu.plainLoad(record + kind) === ASYNC
      if (isAsync) this.markWoken(record)
      this.#ringBell(slot + (isAsync ? ThreadSlot.bell : ThreadSlot.park))
    }
  }

  #ringBell(bell: number): void {
    // Dekker: the waker changed the record, then exchanges the bell; the waiter exchanges the bell, then loads the
    // record, or its mark (block, listen). One of the two sees the other.
    if (this.cpu.exchange(bell, RUNG) === ASLEEP) this.thread.ring(bell)
  }

  /**
   * Rings every thread that may be asleep: after a death, since the dead may have woken a record and not yet rung. It may
   * also have got as far as the exchange, so RUNG is no reason to trust that the thread was rung.
   */
  ringEverybody(): void {
    const { slotsAt, slotCount } = this.geometry
    for (let slot = slotsAt; slot < slotsAt + slotCount * ThreadSlot.sizeof; slot += ThreadSlot.sizeof) {
      this.markAllWoken(slot)
      for (const bell of [slot + ThreadSlot.park, slot + ThreadSlot.bell]) {
        if (this.cpu.load(bell) === AWAKE) continue
        this.cpu.exchange(bell, RUNG)
        this.thread.ring(bell, true)
      }
    }
  }

  /**
   * Sleeps until the record of this thread's blocked wait has left WAITING. Returns the state it is in then. Looks at the
   * record for `turns` before it goes to sleep.
   */
  block(record: number, deadline: number, turns = this.thread.spinTurns >>> 4): number {
    const { cpu, thread } = this
    const bell = thread.at + ThreadSlot.park
    for (;;) {
      if (turns !== 0) {
        const seen = cpu.spinWhileEqual(record + state, WAITING, turns)
        if (seen !== WAITING) return seen
      }
      cpu.exchange(bell, ASLEEP) // the other half of Dekker in #ringBell
      const seen = cpu.load(record + state)
      const rung = seen === WAITING && thread.sleep(bell, ASLEEP, deadline)
      // Rung meanwhile, though it did not sleep: sleep() has counted the others.
      if (cpu.exchange(bell, AWAKE) === RUNG && !rung) thread.count(CALLED_OFF)
      if (seen !== WAITING) return seen
      if (!rung) return this.withdraw(record, TIMED_OUT)
    }
  }

  /** The thread goes to its event loop, to be rung. False if there is something for it to look at already. */
  listen(): boolean {
    this.cpu.exchange(this.thread.at + ThreadSlot.bell, ASLEEP) // the other half of Dekker in #ringBell
    return !this.hasWoken()
  }

  /** The thread has come back from its event loop. True if somebody had rung. */
  heed(): boolean {
    return this.cpu.exchange(this.thread.at + ThreadSlot.bell, AWAKE) === RUNG
  }

  /** Sleeps until one of several records of this thread, all of kind BLOCKED, has left WAITING. False if none has in time. */
  blockUntilAny(records: readonly number[], deadline: number): boolean {
    const { cpu, thread } = this
    const bell = thread.at + ThreadSlot.park
    for (;;) {
      cpu.exchange(bell, ASLEEP) // the other half of Dekker in #ringBell
      const hasEnded = records.some((record) => cpu.load(record + state) !== WAITING)
      const rung = !hasEnded && thread.sleep(bell, ASLEEP, deadline)
      if (cpu.exchange(bell, AWAKE) === RUNG && !rung) thread.count(CALLED_OFF)
      if (!rung) return hasEnded
    }
  }

  /** As block(), for what another thread does to the record on purpose, and soon if both stay awake. */
  blockForSignal(record: number, deadline: number): number {
    const seen = this.#spins.spin(this.thread, record + state, WAITING)
    return seen === WAITING ? this.block(record, deadline, 0) : seen
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
    for (;;) {
      // A guess until the bucket is locked: somebody may be moving the record from one to another (queues.ts, invariant 6).
      const bucket = cpu.plainLoad(record + inBucket)
      if (bucket === 0) return
      this.lockBucketAt(bucket)
      const isHere = cpu.plainLoad(record + inBucket) === bucket
      if (isHere) this.unlinkLocked(bucket, record)
      this.unlockBucket(bucket)
      if (isHere) return
    }
  }

  /** Whether what a record was woken for is no more: nobody must look at the word again (endWaits). */
  isVoid(record: number): boolean {
    const { cpu } = this
    return cpu.plainLoad(record + key1) === 0 && cpu.plainLoad(record + key0) === 0
  }

  /** Whether it waits for a word in [from, to), or for a condition and will want the mutex that lies there. */
  #isWithin(record: number, from: number, to: number): boolean {
    const { cpu } = this
    if (cpu.plainLoad(record + key0) !== 0) return false
    const word = cpu.plainLoad(record + key1)
    if ((word >= from && word < to) || word === 0) return true
    const mutex = cpu.plainLoad(record + other)
    if (mutex < from || mutex >= to || cpu.plainLoad(record + purpose) !== CONDITION_PURPOSE) return false
    cpu.plainStore(record + key1, mutex) // what it will find: the mutex is gone (condition.ts, settle)
    return true
  }

  /**
   * Ends every wait for a word in [from, to): what lies there is taken apart. Whoever waited must not look at it again, nor
   * whoever was woken and has not come round to it, nor the reaper of either.
   *
   * No chunk of records is freed meanwhile: the caller holds the directory's lock, or is the reaper (memory/reaper.ts).
   */
  endWaits(from: number, to: number): void {
    this.#endQueued(from, to)
    // One that was woken before may have queued again, before it was voided.
    while (this.#voidWoken(from, to)) this.#endQueued(from, to)
  }

  #endQueued(from: number, to: number): void {
    const { cpu } = this
    const ended: number[] = []
    const { bucketsAt, bucketCount } = this.geometry
    for (let bucket = bucketsAt; bucket < bucketsAt + bucketCount * Bucket.sizeof; bucket += Bucket.sizeof) {
      // An empty queue is no proof while somebody holds the lock and is about to join it. So in this order: who takes the
      // lock after the first load comes after this.
      if (cpu.load(bucket + Bucket.lock) === 0 && cpu.load(bucket + Bucket.head) === 0) continue
      this.lockBucketAt(bucket)
      for (let before = 0, record = this.afterLocked(bucket, 0); record !== 0;) {
        if (this.#isWithin(record, from, to)) {
          // Decides against a time-out and an abort, as a wake-up does.
          if (this.endLocked(bucket, record, ENDED)) ended.push(record)
        } else {
          before = record
        }
        record = this.afterLocked(bucket, before)
      }
      this.unlockBucket(bucket)
    }
    this.ring(ended)
  }

  /**
   * Voids the records that are out of their queue and not yet free. Their owners may go on meanwhile, and wait for something
   * else: so the word by which they are known here is what decides. Nobody can come to wait for that any more.
   */
  #voidWoken(from: number, to: number): boolean {
    const { cpu } = this
    const { slotsAt, slotCount } = this.geometry
    let found = false
    const voidWord = (at: number): void => {
      const word = cpu.plainLoad(at)
      if (word >= from && word < to && cpu.compareExchange(at, word, 0) === word) found = true
    }
    for (let slot = slotsAt; slot < slotsAt + slotCount * ThreadSlot.sizeof; slot += ThreadSlot.sizeof) {
      if (stateOf(cpu.load(slot + ThreadSlot.state)) === FREE) continue
      for (const record of this.recordsOf(slot)) {
        const seen = cpu.load(record + state)
        if (seen === UNUSED || seen === WAITING) continue
        if (seen !== ENDED && cpu.plainLoad(record + key0) === 0) voidWord(record + key1)
        // Also of one whose condition has ended: it goes for the mutex yet.
        if (cpu.plainLoad(record + other) !== 0) voidWord(record + other)
      }
    }
    return found
  }
}
