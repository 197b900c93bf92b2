/**
 * Producer: the sending side of a ring. One thread owns it at a time.
 *
 *   claim(n) ─► index of n bytes ─► commit(m <= n) ─► publish()        outside a batch, commit() publishes by itself
 *                                 └► (nothing): the claim is forgotten; nobody ever saw it
 *
 * A claim exists in this object alone. It moves no shared word, so a thread that dies with one leaves nothing behind: the
 * next producer writes over it. commit() moves `committed`, a note: what lies before it is never lost, for the reaper of a
 * dead producer publishes it, the unpublished rest of a batch included.
 */

import { BUSY, waitBlocked } from '../sync/wait.ts'
import { LINED } from '../sync/wait-record.ts'
import type { Lot } from '../sync/lot.ts'
import type { Cpu } from '../host/cpu.ts'
import { EMSGSIZE, EPIPE, ESTALE } from '../words/errno.ts'
import {
  announceSleep,
  CLOSED,
  CONSUMER_DIED,
  HEADER_WORDS,
  isSameLife,
  joinRole,
  largestRecordBytes,
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

const { data, capacity, state, tail, producer, committed, headSeen, sent, fullSpins, head } = RawChannel

const HOPELESS = CLOSED | CONSUMER_DIED

/** How far a fetch reaches: as many lines as a core can have on their way, and a few. */
const FETCH_WORDS = 256
/** The longest record that lines are fetched for: one that is longer pays for its own. */
const SMALL_WORDS = 128
/** A line of 64 bytes. */
const STRIDE_WORDS = 16

export const ROOM_PURPOSE = LINED | 20

export class Producer {
  /** While above 0, commit() does not publish: see publish(). */
  batches = 0
  /** This thread has the role. */
  isJoined = false
  /** The number of the record that comes next. */
  sent = 0

  declare private readonly lot: Lot
  declare private readonly cpu: Cpu
  declare private readonly at: number
  declare private readonly stateAt: number
  /** The state while all is well: one look, three times a record. */
  declare private readonly open: number
  declare private readonly data: number
  declare private readonly capacity: number
  /** The longest record that a ring of this capacity takes, in bytes. */
  declare readonly largest: number
  /** The header of the next record, as a word of the memory; and the word up to which records may reach without a look. */
  private next = 0
  private limit = 0
  /** Position of `next`, less `next`: the same for a whole lap. */
  private lap = 0
  private headSeen = 0
  private readonly slips: Slips = { sinceVain: 1 }

  /** `generation`: of the channel's cell. */
  constructor(lot: Lot, at: number, generation = 0) {
    this.lot = lot
    this.stateAt = at + state
    this.open = openState(generation)
    this.cpu = lot.cpu
    this.at = at
    this.data = lot.cpu.plainLoad(at + data) // a fact: published with the handle
    this.capacity = lot.cpu.plainLoad(at + capacity)
    this.largest = largestRecordBytes(this.capacity)
  }

  /** Takes the role: 0, or -EBUSY. */
  join(): number {
    const joined = joinRole(this.lot, this.at, producer, PRODUCER_DIED)
    if (joined === 0) this.recall()
    return joined
  }

  /** Reads the notes. This thread has the role. */
  recall(): void {
    const { cpu, at } = this
    const position = cpu.plainLoad(at + committed)
    this.sent = cpu.plainLoad(at + sent)
    this.headSeen = cpu.plainLoad(at + headSeen)
    this.next = this.data + (position & (this.capacity - 1))
    this.limit = this.next // so that claim() looks
    this.lap = (position - this.next) | 0
    this.isJoined = true
  }

  /**
   * The channel lives, is not closed, and nobody died. Plain: whoever was told of a close by other means sees it; whoever
   * was not may as well have come before it.
   */
  isOpen(): boolean {
    return this.cpu.plainLoad(this.stateAt) === this.open
  }

  /** The channel was destroyed: what lies here may be another's. */
  get isGone(): boolean {
    return !isSameLife(this.cpu.plainLoad(this.stateAt), this.open)
  }

  /** It was closed: a consumer may have been told already that nothing comes any more. */
  get isOver(): boolean {
    return this.isGone || (this.cpu.plainLoad(this.stateAt) & CLOSED) !== 0
  }

  /** Publishes what is committed and gives the role back. */
  leave(): void {
    this.publish()
    this.isJoined = false
    this.limit = this.next
    leaveRole(this.lot, this.at, producer)
  }

  /**
   * Room for a record of up to `lengthBytes`: the word index of its payload, 8-byte aligned. A second claim replaces the
   * first. Or
   *  BUSY       there is no room yet, or this thread does not have the role
   *  -EPIPE     the channel is closed, or its consumer died and no other has come
   *  -ESTALE    the channel was destroyed
   *  -EMSGSIZE  no ring of this capacity ever has so much room
   */
  claim(lengthBytes: number): number {
    const { next } = this
    return this.isOpen() && lengthBytes <= this.largest && next + recordWords(lengthBytes) <= this.limit
      ? next + HEADER_WORDS
      : this.look(lengthBytes)
  }

  /**
   * claim() when not all is well, or beyond `limit`: at the end of a lap, or of the lines that were fetched, or apparently full.
   *
   * One long function on purpose: V8 puts none of more than 460 bytes of bytecode into a user's loop. This one would come
   * before what each record needs, and take its room (ARCHITECTURE.md).
   */
  private look(lengthBytes: number): number {
    if (this.isGone) return -ESTALE
    const { cpu, at, data, capacity, next } = this
    if ((cpu.plainLoad(this.stateAt) & HOPELESS) !== 0) return -EPIPE
    if (!this.isJoined) return BUSY
    if (lengthBytes > this.largest) return -EMSGSIZE

    const needed = recordWords(lengthBytes)
    const rest = data + capacity - next
    const skipped = needed <= rest ? 0 : rest
    let free = (this.headSeen + capacity - this.lap - next) | 0
    if (skipped + needed > free) {
      // In a batch: the consumer cannot make room before it sees what there is.
      if ((cpu.plainLoad(at + tail) & ~SLEEPS) !== cpu.plainLoad(at + committed)) this.publish()
      // Acquire: pairs with the exchange in Consumer.publish(). It is done with the words that we write from now on.
      this.headSeen = cpu.load(at + head) & ~SLEEPS
      cpu.plainStore(at + headSeen, this.headSeen)
      free = (this.headSeen + capacity - this.lap - next) | 0
      if (skipped + needed > free) return BUSY
    }
    if (needed > rest) {
      if (rest > 0) cpu.plainStore(next, PAD) // committed with the record behind it, or never seen
      this.lap = (this.lap + capacity) | 0
      this.next = data
    }

    // Records may reach as far as there is room, but one fetch at most, which gets those lines for writing. Each is in the
    // consumer's cache, which has read it: written one record at a time, the stores wait for one line after the other. One
    // store a line, lest they fill the store buffer: this thread goes on with its records while the lines are on their way.
    const start = this.next
    const room = Math.min(free - skipped, data + capacity - start, FETCH_WORDS)
    const limit = start + Math.max(needed, room)
    this.limit = limit
    if (needed <= SMALL_WORDS)
      for (let line = start; line < limit; line += STRIDE_WORDS) cpu.plainStore(line, 0)
    return start + HEADER_WORDS
  }

  /** Words behind `next` that are free for all that this side knows. */
  free(): number {
    return (this.headSeen + this.capacity - this.lap - this.next) | 0
  }

  /** Makes a record of the first `lengthBytes` bytes of the claim. They are written. */
  commit(lengthBytes: number): void {
    const { cpu, next, sent } = this
    cpu.plainStore(next, lengthBytes)
    cpu.plainStore(next + 1, sent)
    this.sent = (sent + 1) | 0
    this.next = next + recordWords(lengthBytes)
    // The commit. Dead before this line: there was no record. After it: the reaper publishes it, and recounts `sent`.
    cpu.plainStore(this.at + committed, (this.next + this.lap) | 0)
    if (this.batches === 0) this.publish()
  }

  /** In a batch: what is committed is shown before its end. */
  publishEarly(): void {
    if (this.batches > 0 && this.isJoined) this.publish()
  }

  /** Shows the consumer all that is committed. */
  publish(): void {
    if (this.isGone) return
    const { cpu, at } = this
    cpu.plainStore(at + sent, this.sent)
    // Release: pairs with the load in Consumer.look(). And one half of a handshake: the consumer sets SLEEPS by a
    // compareExchange on the very word it last saw, so either that fails, or we see the bit. Dead with the bit in hand:
    // the reaper wakes.
    if ((cpu.exchange(at + tail, cpu.plainLoad(at + committed)) & SLEEPS) !== 0) wake(this.lot, at + tail)
  }

  /** As claim(), but waits for room until `deadline`: never BUSY, and -ETIMEDOUT. */
  claimBlocking(lengthBytes: number, deadline: number): number {
    const claimed = this.claim(lengthBytes)
    if (claimed !== BUSY) return claimed
    const room = this.room(lengthBytes)
    const spun = spinForPeer(this.lot, room, this.slips, this.roomAt, this.at + fullSpins)
    return spun === BUSY ? waitBlocked(this.lot, room, this.roomAt, deadline) : spun
  }

  /** The word to wait on for room. */
  get roomAt(): number {
    return this.at + head
  }

  /**
   * Room for a record, as something to wait for: blocked, or by begin, onBell and abandon (sync/wait.ts). `use` gets the
   * claim at once, before anything else of this thread can come in between; what it returns ends the wait.
   */
  room(lengthBytes: number, use: (payload: number) => number = identity): Supply {
    return new Room(this, this.at, lengthBytes, use)
  }
}

function identity(payload: number): number {
  return payload
}

class Room implements Supply {
  readonly purpose = ROOM_PURPOSE
  declare private readonly producer: Producer
  declare private readonly at: number
  declare private readonly lengthBytes: number
  declare private readonly use: (payload: number) => number

  constructor(from: Producer, at: number, lengthBytes: number, use: (payload: number) => number) {
    this.producer = from
    this.at = at
    this.lengthBytes = lengthBytes
    this.use = use
  }

  take(): number {
    const payload = this.producer.claim(this.lengthBytes)
    return payload < 0 || payload === BUSY ? payload : this.use(payload)
  }

  hasMore(): boolean {
    return this.producer.free() >= 2 * recordWords(this.lengthBytes)
  }

  announce(lot: Lot, word: number): boolean {
    return (
      !this.producer.isGone &&
      announceSleep(lot, this.at, word, lot.cpu.plainLoad(this.at + headSeen), HOPELESS)
    )
  }

  accept(): number {
    return BUSY // room is never handed over
  }

  passOn(lot: Lot, word: number): void {
    wake(lot, word)
  }
}
