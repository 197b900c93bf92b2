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

import { BUSY, waitBlocked, type Waitable } from '../sync/wait.ts'
import type { Lot } from '../sync/lot.ts'
import type { Cpu } from '../host/cpu.ts'
import { EMSGSIZE, EPIPE } from '../words/errno.ts'
import {
  announceSleep,
  CLOSED,
  CONSUMER_DIED,
  HEADER_WORDS,
  joinRole,
  largestRecordBytes,
  leaveRole,
  PAD,
  PRODUCER_DIED,
  RawChannel,
  recordWords,
  SLEEPS,
  wake,
} from './ring.ts'
import { spinForPeer } from './spin.ts'

const { data, capacity, status, tail, producer, committed, headSeen, sent, fullSpins, head } = RawChannel

const HOPELESS = CLOSED | CONSUMER_DIED

export const ROOM_PURPOSE = 20

export class Producer {
  /** While above 0, commit() does not publish: see publish(). */
  batches = 0

  readonly #lot: Lot
  readonly #cpu: Cpu
  readonly #at: number
  readonly #data: number
  readonly #capacity: number
  readonly #largest: number
  /** Position of the claimed record, and where its padding begins: `committed`, the same if it has none. */
  #start = 0
  #padding = 0

  constructor(lot: Lot, at: number) {
    this.#lot = lot
    this.#cpu = lot.cpu
    this.#at = at
    this.#data = lot.cpu.plainLoad(at + data) // a fact: published with the handle
    this.#capacity = lot.cpu.plainLoad(at + capacity)
    this.#largest = largestRecordBytes(this.#capacity)
  }

  /** Takes the role: 0, or -EBUSY. */
  join(): number {
    return joinRole(this.#lot, this.#at, producer, PRODUCER_DIED)
  }

  /** Publishes what is committed and gives the role back. */
  leave(): void {
    this.publish()
    leaveRole(this.#lot, this.#at, producer)
  }

  /**
   * Room for a record of up to `lengthBytes`: the word index of its payload, 8-byte aligned. A second claim replaces the
   * first. Or
   *  BUSY       there is no room yet
   *  -EPIPE     the channel is closed, or its consumer died and no other has come
   *  -EMSGSIZE  no ring of this capacity ever has so much room
   */
  claim(lengthBytes: number): number {
    const cpu = this.#cpu
    const at = this.#at
    const size = this.#capacity
    // Plain: whoever was told of the close by other means sees it; whoever was not may as well have come before it.
    if ((cpu.plainLoad(at + status) & HOPELESS) !== 0) return -EPIPE

    if (lengthBytes > this.#largest) return -EMSGSIZE
    const needed = recordWords(lengthBytes)
    const position = cpu.plainLoad(at + committed)
    const rest = size - (position & (size - 1))
    const start = needed <= rest ? position : (position + rest) | 0
    if (((start + needed - cpu.plainLoad(at + headSeen)) | 0) > size && !this.#hasRoom(start + needed)) {
      return BUSY
    }
    this.#start = start
    this.#padding = position
    return this.#data + (start & (size - 1)) + HEADER_WORDS
  }

  /** Apparently full: looks again how far the consumer is. */
  #hasRoom(end: number): boolean {
    const cpu = this.#cpu
    // In a batch: the consumer cannot make room before it sees what there is.
    if ((cpu.plainLoad(this.#at + tail) & ~SLEEPS) !== cpu.plainLoad(this.#at + committed)) this.publish()
    // Acquire: pairs with the exchange in Consumer.publish(). It is done with the words that we write from now on.
    const seen = cpu.load(this.#at + head) & ~SLEEPS
    cpu.plainStore(this.#at + headSeen, seen)
    return ((end - seen) | 0) <= this.#capacity
  }

  /** Makes a record of the first `lengthBytes` bytes of the claim. They are written. */
  commit(lengthBytes: number): void {
    const cpu = this.#cpu
    const at = this.#at
    const mask = this.#capacity - 1
    const start = this.#start
    const number = cpu.plainLoad(at + sent)
    if (start !== this.#padding) cpu.plainStore(this.#data + (this.#padding & mask), PAD)
    const header = this.#data + (start & mask)
    cpu.plainStore(header, lengthBytes)
    cpu.plainStore(header + 1, number)
    // The commit. Dead before this line: there was no record. After it: the reaper publishes it, and recounts `sent`.
    cpu.plainStore(at + committed, (start + recordWords(lengthBytes)) | 0)
    cpu.plainStore(at + sent, (number + 1) | 0)
    if (this.batches === 0) this.publish()
  }

  /** Shows the consumer all that is committed. */
  publish(): void {
    const word = this.#at + tail
    // Release: pairs with the load in Consumer.#look(). And one half of a handshake: the consumer sets SLEEPS by a
    // compareExchange on the very word it last saw, so either that fails, or we see the bit. Dead with the bit in hand:
    // the reaper wakes.
    if ((this.#cpu.exchange(word, this.#cpu.plainLoad(this.#at + committed)) & SLEEPS) !== 0) {
      wake(this.#lot, word)
    }
  }

  /** As claim(), but waits for room until `deadline`: never BUSY, and -ETIMEDOUT. */
  claimBlocking(lengthBytes: number, deadline: number): number {
    const claimed = this.claim(lengthBytes)
    if (claimed !== BUSY) return claimed
    const room = this.room(lengthBytes)
    const spun = spinForPeer(this.#lot, room, this.roomAt, this.#at + fullSpins)
    return spun === BUSY ? waitBlocked(this.#lot, room, this.roomAt, deadline) : spun
  }

  /** The word to wait on for room. */
  get roomAt(): number {
    return this.#at + head
  }

  /**
   * Room for a record, as something to wait for: blocked, or by begin, onBell and abandon (sync/wait.ts). `use` gets the
   * claim at once, before anything else of this thread can come in between; what it returns ends the wait.
   */
  room(lengthBytes: number, use: (payload: number) => number = identity): Waitable {
    return new Room(this, this.#at, lengthBytes, use)
  }
}

function identity(payload: number): number {
  return payload
}

class Room implements Waitable {
  readonly purpose = ROOM_PURPOSE
  readonly #producer: Producer
  readonly #at: number
  readonly #lengthBytes: number
  readonly #use: (payload: number) => number

  constructor(from: Producer, at: number, lengthBytes: number, use: (payload: number) => number) {
    this.#producer = from
    this.#at = at
    this.#lengthBytes = lengthBytes
    this.#use = use
  }

  take(): number {
    const payload = this.#producer.claim(this.#lengthBytes)
    return payload < 0 || payload === BUSY ? payload : this.#use(payload)
  }

  announce(lot: Lot, word: number): boolean {
    return announceSleep(lot, this.#at, word, lot.cpu.plainLoad(this.#at + headSeen), HOPELESS)
  }

  accept(): number {
    return BUSY // room is never handed over
  }

  passOn(lot: Lot, word: number): void {
    wake(lot, word)
  }
}
