/**
 * The links of the parking lot: how the records of a bucket stand in its queue, and in line behind each other.
 *
 *   bucket.head ──► record ◄──► record ◄──► record ◄── bucket.tail       next, prev
 *                                 │ line         ▲
 *                                 ▼              │ the first of them comes here, at its ticket's place, when the one
 *                               record ◄─► record ◄── last             that they stand behind leaves
 *
 * A thread may wait for one mutex a thousand times, in as many asynchronous tasks. A wake-up is for one of them, and it goes
 * on to whoever else it may be for. So only the first of those waits is in the queue, and the others stand in line behind
 * it: whoever wakes meets each thread once, and what it does takes as long as there are threads, not waits.
 *
 * In line are the asynchronous waits of one thread with the same key and purpose, in ticket order, and only such purposes as
 * have LINED. All else is in the queue itself.
 *
 * Invariants, besides those of queues.ts
 *  1. The queue is in ticket order; so is a line, and whom it stands behind has a lower ticket.
 *  2. A thread has one record at most in the queue for a key and a purpose that is LINED, except by its one blocked wait.
 */

import { Records } from './records.ts'
import { ASYNC, Bucket, LINED, WAITING, WaitRecord } from './wait-record.ts'

const { head, tail, ticket: nextTicket } = Bucket
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
  purpose,
  line,
  last,
} = WaitRecord

/** In `line`: it stands in a line itself. */
const IN_LINE = -1

/** The links that one thread changes. For all of it the bucket is locked. */
export class Lines extends Records {
  /** The record that came back to its place in a line last: the next one that does probably belongs behind it. */
  #cameBack = 0

  /** Links a record: behind all others, or, if it has a ticket, where it stood. */
  protected linkLocked(bucket: number, record: number): void {
    const { cpu } = this
    cpu.plainStore(record + inBucket, bucket)
    cpu.plainStore(record + line, 0)
    const isNew = cpu.plainLoad(record + ticket) === 0
    if (isNew) {
      const mine = (cpu.plainLoad(bucket + nextTicket) + 1) | 0 || 1 // 0 means: has none
      cpu.plainStore(bucket + nextTicket, mine)
      cpu.plainStore(record + ticket, mine)
    }
    const leader = this.#leaderOf(bucket, record)
    if (leader === 0) this.#queueBefore(bucket, record, 0)
    else if (isNew) this.#lineUpBehind(leader, record, cpu.plainLoad(leader + last))
    else if (this.#isBefore(leader, record)) this.#lineUpAgain(leader, record)
    else this.#replace(bucket, leader, record)
  }

  /** Takes a record out; the next in its line takes its own place in the queue. */
  protected skipLocked(bucket: number, record: number): void {
    const { cpu } = this
    const second = cpu.plainLoad(record + line)
    if (second === IN_LINE) {
      const before = cpu.plainLoad(record + prev)
      const after = cpu.plainLoad(record + next)
      const leader = before === 0 || after === 0 ? this.#leaderOf(bucket, record) : 0
      cpu.plainStore(before === 0 ? leader + line : before + next, after)
      cpu.plainStore(after === 0 ? leader + last : after + prev, before)
      return
    }
    const after = this.#unqueue(bucket, record)
    if (second !== 0) this.#promote(bucket, record, second, after)
  }

  /** The record of the queue that stands behind `before`; of 0, the first. */
  protected afterLocked(bucket: number, before: number): number {
    return this.cpu.plainLoad(before === 0 ? bucket + head : before + next)
  }

  /** Whether it stands in line behind another wait of its thread, by the look of it: nothing is locked. */
  isInLine(record: number): boolean {
    return this.cpu.plainLoad(record + line) === IN_LINE
  }

  /** How many stand in line behind a record of the queue and came before a ticket. */
  protected lineBefore(record: number, mine: number): number {
    const { cpu } = this
    let count = 0
    let each = cpu.plainLoad(record + line)
    while (each !== 0 && ((cpu.plainLoad(each + ticket) - mine) | 0) < 0) {
      count++
      each = cpu.plainLoad(each + next)
    }
    return count
  }

  /** The record of the queue in whose line this one would stand, or stands; 0 if there is none. */
  #leaderOf(bucket: number, record: number): number {
    const { cpu } = this
    if ((cpu.plainLoad(record + purpose) & LINED) === 0 || cpu.plainLoad(record + kind) !== ASYNC) return 0
    let each = cpu.plainLoad(bucket + head)
    while (each !== 0 && !this.#isSameWait(each, record)) each = cpu.plainLoad(each + next)
    return each
  }

  /** Whether two asynchronous records wait for the same, and of the same thread. */
  #isSameWait(one: number, other: number): boolean {
    const { cpu } = this
    return (
      cpu.plainLoad(one + key1) === cpu.plainLoad(other + key1) &&
      cpu.plainLoad(one + owner) === cpu.plainLoad(other + owner) &&
      cpu.plainLoad(one + purpose) === cpu.plainLoad(other + purpose) &&
      cpu.plainLoad(one + kind) === ASYNC &&
      cpu.plainLoad(one + key0) === cpu.plainLoad(other + key0)
    )
  }

  #isBefore(one: number, other: number): boolean {
    return ((this.cpu.plainLoad(one + ticket) - this.cpu.plainLoad(other + ticket)) | 0) < 0
  }

  /** Puts a record into the queue, at its ticket's place, which is before `bound` (0: anywhere). */
  #queueBefore(bucket: number, record: number, bound: number): void {
    let before = this.cpu.plainLoad(bound === 0 ? bucket + tail : bound + prev)
    while (before !== 0 && this.#isBefore(record, before)) before = this.cpu.plainLoad(before + prev)
    this.#linkBehind(bucket, record, before)
  }

  #linkBehind(bucket: number, record: number, before: number): void {
    const { cpu } = this
    const after = this.afterLocked(bucket, before)
    cpu.plainStore(record + prev, before)
    cpu.plainStore(record + next, after)
    cpu.plainStore(before === 0 ? bucket + head : before + next, record)
    cpu.plainStore(after === 0 ? bucket + tail : after + prev, record)
  }

  /** The queue without a record of it: its neighbours. Returns the one that stood behind it. */
  #unqueue(bucket: number, record: number): number {
    const { cpu } = this
    const before = cpu.plainLoad(record + prev)
    const after = cpu.plainLoad(record + next)
    cpu.plainStore(before === 0 ? bucket + head : before + next, after)
    cpu.plainStore(after === 0 ? bucket + tail : after + prev, before)
    return after
  }

  /** Puts a record into the line of `leader`, behind `before` (0: as the first). */
  #lineUpBehind(leader: number, record: number, before: number): void {
    const { cpu } = this
    const isFirst = before === 0 || cpu.plainLoad(leader + line) === 0
    const after = cpu.plainLoad(isFirst ? leader + line : before + next)
    cpu.plainStore(record + line, IN_LINE)
    cpu.plainStore(record + prev, isFirst ? 0 : before)
    cpu.plainStore(record + next, after)
    cpu.plainStore(isFirst ? leader + line : before + next, record)
    cpu.plainStore(after === 0 ? leader + last : after + prev, record)
  }

  /** Those that come back were in front, and mostly come in order: so it looks behind the one before. */
  #lineUpAgain(leader: number, record: number): void {
    const { cpu } = this
    let before = this.#isInLineBefore(this.#cameBack, record) ? this.#cameBack : 0
    for (;;) {
      const after = cpu.plainLoad(before === 0 ? leader + line : before + next)
      if (after === 0 || this.#isBefore(record, after)) break
      before = after
    }
    this.#lineUpBehind(leader, record, before)
    this.#cameBack = record
  }

  #isInLineBefore(one: number, record: number): boolean {
    const { cpu } = this
    return (
      one !== 0 &&
      cpu.load(one + state) === WAITING &&
      cpu.plainLoad(one + inBucket) === cpu.plainLoad(record + inBucket) &&
      cpu.plainLoad(one + line) === IN_LINE &&
      this.#isSameWait(one, record) &&
      this.#isBefore(one, record)
    )
  }

  /** An older record takes the place of `leader`, which is the first in its line then. */
  #replace(bucket: number, leader: number, record: number): void {
    const { cpu } = this
    this.#queueBefore(bucket, record, leader)
    this.#unqueue(bucket, leader)
    cpu.plainStore(record + line, cpu.plainLoad(leader + line))
    cpu.plainStore(record + last, cpu.plainLoad(leader + last))
    this.#lineUpBehind(record, leader, 0)
  }

  /** The first in the line of a record that has left takes its place in the queue, and the others stand behind it. */
  #promote(bucket: number, left: number, record: number, from: number): void {
    const { cpu } = this
    const second = cpu.plainLoad(record + next)
    cpu.plainStore(record + line, second)
    cpu.plainStore(record + last, cpu.plainLoad(left + last))
    if (second !== 0) cpu.plainStore(second + prev, 0)
    let after = from
    while (after !== 0 && this.#isBefore(after, record)) after = cpu.plainLoad(after + next)
    this.#linkBehind(bucket, record, cpu.plainLoad(after === 0 ? bucket + tail : after + prev))
  }
}
