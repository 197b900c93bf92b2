/**
 * Consumer: the receiving side of a ring. One thread owns it at a time.
 *
 *   next() ─► index and length of a record, in place ─► release() ─► publish()
 *                                                      outside a batch, release() publishes by itself
 *
 * A record is consumed when it is released and not before: `released` and `readEnd` are notes from which the reaper of a
 * dead consumer knows what it had done with and what it held. The next one begins at `released`, and a record that ends at
 * `readEnd` is delivered again, marked `redelivered`. So: at least once, and never again after release().
 *
 * Outside a batch each release() is published at once, since a producer that waits, or looks with a time-out, shall find
 * what room there is, however long the consumer takes for its next record. (It costs one exchange a record. When the
 * producer sleeps, that wakes it for one record; but while it wakes up, the consumer makes room for many more.) In a batch
 * the room is published when a quarter of the ring has come together, or all records that were seen are used up, or the
 * batch ends.
 */

import { BUSY, waitBlocked } from '../sync/wait.ts'
import { LINED } from '../sync/wait-record.ts'
import type { Lot } from '../sync/lot.ts'
import type { Cpu } from '../host/cpu.ts'
import { EOWNERDEAD, ESTALE } from '../words/errno.ts'
import {
  announceSleep,
  CLOSED,
  CONSUMER_DIED,
  HEADER_WORDS,
  isSameLife,
  joinRole,
  leaveRole,
  openState,
  PAD,
  PRODUCER_DIED,
  RawChannel,
  recordWords,
  SLEEPS,
  wake,
} from './ring.ts'
import { spinForPeer, type Slips, type Supply } from './spin.ts'

const { data, capacity, state, tail, head, consumer, released, readEnd, tailSeen, received, emptySpins } =
  RawChannel

const NO_MORE = CLOSED | PRODUCER_DIED

/** No record's position: those are even. */
const NONE = 1

/** What next() answers when the channel is closed and nothing is left in it. */
export const DRAINED = BUSY + 1

export const RECORD_PURPOSE = LINED | 21

export class Consumer {
  /** This thread has the role. */
  isJoined = false
  /** Of the record that next() returned. */
  lengthBytes = 0

  declare private readonly lot: Lot
  declare private readonly cpu: Cpu
  declare private readonly at: number
  declare private readonly stateAt: number
  declare private readonly open: number
  declare private readonly data: number
  declare private readonly mask: number
  /** What the notes say, while this thread has the role. */
  private released = 0
  private readEnd = 0
  private tailSeen = 0
  private received = 0
  /** Position of a record that somebody was given and did not release, until it is released; else NONE. */
  private redeliveredAt = NONE
  /** The state as it was when the channel last proved to be the same: one look, three times a record. */
  private stateSeen = 0
  /** The position up to which the room is published. */
  private published = 0
  /** Released words that may stay unpublished. Outside a batch less than none: each release() publishes. */
  private mayKeep = -1
  private readonly slips: Slips = { sinceVain: 1 }

  /** `generation`: of the channel's cell. */
  constructor(lot: Lot, at: number, generation = 0) {
    this.lot = lot
    this.stateAt = at + state
    this.open = openState(generation)
    this.stateSeen = this.open
    this.cpu = lot.cpu
    this.at = at
    this.data = lot.cpu.plainLoad(at + data) // a fact: published with the handle
    this.mask = lot.cpu.plainLoad(at + capacity) - 1
  }

  /** Takes the role: 0, or -EBUSY. */
  join(): number {
    const joined = joinRole(this.lot, this.at, consumer, CONSUMER_DIED)
    if (joined === 0) this.recall()
    return joined
  }

  /** Reads the notes. This thread has the role. */
  recall(): void {
    const cpu = this.cpu
    this.released = cpu.plainLoad(this.at + released)
    this.readEnd = cpu.plainLoad(this.at + readEnd)
    this.tailSeen = cpu.plainLoad(this.at + tailSeen)
    this.received = cpu.plainLoad(this.at + received)
    this.published = cpu.plainLoad(this.at + head) & ~SLEEPS
    this.redeliveredAt = this.readEnd === this.released ? NONE : this.released
    this.isJoined = true
  }

  /** The state is as it was: the channel lives. False: ask hasEnded(). */
  isAsSeen(): boolean {
    return this.cpu.plainLoad(this.stateAt) === this.stateSeen
  }

  /** The channel was destroyed: what lies here may be another's. If not, it is as seen from here on. */
  hasEnded(): boolean {
    const seen = this.cpu.plainLoad(this.stateAt)
    if (!isSameLife(seen, this.open)) return true
    this.stateSeen = seen // closed, or somebody died: what is left can be read as fast
    return false
  }

  /** Publishes what is released and gives the role back. A record that is still held goes to the next consumer. */
  leave(): void {
    this.publish()
    this.isJoined = false
    this.tailSeen = this.released // so that next() looks
    leaveRole(this.lot, this.at, consumer)
  }

  /**
   * The next record: the word index of its payload; `lengthBytes` is set. The same one again while it is not released. Or
   *  BUSY         there is none yet, or this thread does not have the role
   *  DRAINED      there is none, and the channel is closed
   *  -EOWNERDEAD  there is none, and the producer died, and no other has come
   *  -ESTALE      the channel was destroyed
   */
  next(): number {
    const { cpu, released } = this
    if (released !== this.tailSeen && this.isAsSeen()) {
      const header = this.data + (released & this.mask)
      const length = cpu.plainLoad(header)
      if (length !== PAD) {
        const end = (released + recordWords(length)) | 0
        this.lengthBytes = length
        this.readEnd = end
        cpu.plainStore(this.at + readEnd, end)
        return header + HEADER_WORDS
      }
    }
    return this.look()
  }

  /**
   * next() when not all is well, or what was seen is used up, or at the end of a lap.
   *
   * One long function on purpose, as Producer.look(): it shall not fit into a user's loop.
   */
  private look(): number {
    if (this.hasEnded()) return -ESTALE
    const { cpu, at, data, mask, released } = this
    if (released === this.tailSeen) {
      if (!this.isJoined) return BUSY
      // The room first: it may be what the producer waits for.
      if (this.published !== released) this.publish()
      // Acquire: pairs with the exchange in Producer.publish(). We see the records before it.
      let seen = cpu.load(at + tail) & ~SLEEPS
      if (seen === released) {
        const ended = cpu.load(at + state) & NO_MORE
        if (ended === 0) return BUSY
        // Again: what was published before the close, or by the reaper before it set the bit, must be seen.
        seen = cpu.load(at + tail) & ~SLEEPS
        if (seen === released) return (ended & CLOSED) !== 0 ? DRAINED : -EOWNERDEAD
      }
      this.tailSeen = seen
      cpu.plainStore(at + tailSeen, seen)
    }

    let start = released
    if (cpu.plainLoad(data + (start & mask)) === PAD) start = ((start | mask) + 1) | 0 // a record follows each padding
    const header = data + (start & mask)
    const length = cpu.plainLoad(header)
    const end = (start + recordWords(length)) | 0
    this.lengthBytes = length
    this.readEnd = end
    cpu.plainStore(at + readEnd, end)
    return header + HEADER_WORDS
  }

  /** The record that next() returned was given to somebody before, who did not release it. */
  get redelivered(): boolean {
    return this.released === this.redeliveredAt
  }

  /** Behind the record that next() returned there is another that was seen. */
  get hasMore(): boolean {
    return this.readEnd !== this.tailSeen
  }

  /** The record that next() returned is done with: it is never delivered again, and its words are the producer's. */
  release(): void {
    if (!this.isAsSeen() && this.hasEnded()) return
    this.released = this.readEnd
    this.received = (this.received + 1) | 0
    // Dead before this line: delivered again. After it: never; the reaper publishes it, and recounts `received`.
    this.cpu.plainStore(this.at + released, this.released)
    if (((this.released - this.published) | 0) > this.mayKeep) this.publish()
  }

  /** A batch begins, or the last one has ended: publish() then. */
  setBatching(isBatching: boolean): void {
    this.mayKeep = isBatching ? this.mask >>> 2 : -1
  }

  /** In a batch: room is given back before its end. */
  publishEarly(): void {
    if (this.isJoined && this.released !== this.published) this.publish()
  }

  /** Gives the producer all room that is released. */
  publish(): void {
    if (!this.isAsSeen() && this.hasEnded()) return
    const word = this.at + head
    this.published = this.released
    if (this.redeliveredAt !== this.released) this.redeliveredAt = NONE // before the position comes again
    this.cpu.plainStore(this.at + received, this.received)
    // Release: pairs with the load in Producer.look(), and hands over nothing that we still read. The handshake about
    // sleeping is that of Producer.publish(), with the sides exchanged.
    if ((this.cpu.exchange(word, this.released) & SLEEPS) !== 0) wake(this.lot, word)
  }

  /** As next(), but waits for a record until `deadline`: never BUSY, and -ETIMEDOUT. */
  nextBlocking(deadline: number): number {
    const record = this.next()
    if (record !== BUSY) return record
    const arrival = this.record()
    const spun = spinForPeer(this.lot, arrival, this.slips, this.recordAt, this.at + emptySpins)
    return spun === BUSY ? waitBlocked(this.lot, arrival, this.recordAt, deadline) : spun
  }

  /** The word to wait on for a record. */
  get recordAt(): number {
    return this.at + tail
  }

  /**
   * A record, as something to wait for: blocked, or by begin, onBell and abandon (sync/wait.ts). `use` gets it at once,
   * before anything else of this thread can come in between; what it returns ends the wait.
   */
  record(use: (payload: number) => number = identity): Supply {
    return new Arrival(this, this.at, use)
  }
}

function identity(payload: number): number {
  return payload
}

class Arrival implements Supply {
  readonly purpose = RECORD_PURPOSE
  declare private readonly consumer: Consumer
  declare private readonly at: number
  declare private readonly use: (payload: number) => number

  constructor(from: Consumer, at: number, use: (payload: number) => number) {
    this.consumer = from
    this.at = at
    this.use = use
  }

  take(): number {
    const payload = this.consumer.next()
    return payload < 0 || payload >= BUSY ? payload : this.use(payload)
  }

  hasMore(): boolean {
    return this.consumer.hasMore
  }

  announce(lot: Lot, word: number): boolean {
    return (
      !this.consumer.hasEnded() &&
      announceSleep(lot, this.at, word, lot.cpu.plainLoad(this.at + released), NO_MORE)
    )
  }

  accept(): number {
    return BUSY // a record is never handed over
  }

  passOn(lot: Lot, word: number): void {
    wake(lot, word)
  }
}
