/**
 * The drill of channels: numbered messages, each checked for its number and its contents. Workers come in pairs: one sends,
 * one receives.
 *
 *   message   0        8          16      20
 *           ┌────────┬──────────┬───────┬─────────────────────────┐
 *           │ number │ sent, ms │ epoch │ words made of its number │     64 bytes
 *           └────────┴──────────┴───────┴─────────────────────────┘
 *
 * The number of the next message stands in the place, on either side, so that whoever takes over after a death goes on there.
 * A sender writes it before it commits: its successor sends that message again, in a new epoch, for it cannot know whether it
 * went out. So the receiver expects each number once, with two exceptions: the first of an epoch may be one it has had, and
 * one that is marked as redelivered may be one that its predecessor has accounted for.
 */

import { hrtime } from 'node:process'
import type { Channel } from 'pageframe'
import { INSIDE, OUTSIDE, STOP, WAITING } from './board.ts'
import { DONE, NOTHING, THROUGH, type Drill, type Setting, type Step } from './drill.ts'
import { work } from './work.ts'

const MESSAGE_BYTES = 64
const WORDS = MESSAGE_BYTES / 4
const EPOCH = 4
const FIRST_FILLED = 5

/** In the arena, a word for each worker: how many have had the place of a sender, and which epoch a receiver last saw. */
const EPOCHS = 0

/** Milliseconds on a clock that all threads share. */
export function sharedNow(): number {
  const [seconds, nanoseconds] = hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}

function filling(number: number, word: number): number {
  return Math.imul((number | 0) ^ word, 0x9e3779b1)
}

/** What a death of the other side makes calls throw, until somebody has taken over: it is waited for. */
const PASSING = new Set(['EPIPE', 'EOWNERDEAD', 'EBUSY'])

abstract class Side implements Drill {
  protected readonly setting: Setting
  protected readonly channel: Channel
  protected readonly words: Int32Array<SharedArrayBuffer>
  protected readonly floats: Float64Array<SharedArrayBuffer>

  constructor(setting: Setting, channel: Channel) {
    this.setting = setting
    this.channel = channel
    const { buffer } = setting.attachment
    this.words = new Int32Array(buffer, 0, buffer.byteLength / 4)
    this.floats = new Float64Array(buffer, 0, buffer.byteLength / 8)
  }

  step(): Step {
    try {
      return this.exchange()
    } catch (error) {
      const { code } = error as { code?: unknown }
      if (!this.setting.kills || typeof code !== 'string' || !PASSING.has(code)) throw error
      const { thread, cpu } = this.setting.attachment
      const { phaseAt } = this.setting.board
      thread.awaitChange(phaseAt, cpu.load(phaseAt))
      return NOTHING
    }
  }

  protected abstract exchange(): Step
}

export class Sending extends Side {
  readonly #epoch: number

  constructor(setting: Setting, channel: Channel) {
    super(setting, channel)
    const { board, place } = setting
    this.#epoch = board.arena(EPOCHS + place.index) + 1
    board.setArena(EPOCHS + place.index, this.#epoch)
  }

  protected exchange(): Step {
    const { place, holdTurns } = this.setting
    place.state = WAITING
    const loan = this.channel.loan(MESSAGE_BYTES)
    place.state = INSIDE
    const at = loan.bytes.byteOffset / 4
    const number = place.next
    this.floats[at / 2] = number
    for (let word = FIRST_FILLED; word < WORDS; word++) this.words[at + word] = filling(number, word)
    this.words[at + EPOCH] = this.#epoch
    if (holdTurns !== 0) work(holdTurns)
    this.floats[at / 2 + 1] = number < 1000 || number % 16 === 0 ? sharedNow() : 0
    loan.commit()
    place.next = number + 1
    place.state = OUTSIDE
    return DONE
  }

  end(): void {
    this.channel.close()
  }
}

export class Receiving extends Side {
  /** Until the channel is closed and empty. */
  readonly stopsItself = true

  protected exchange(): Step {
    const { place, pace } = this.setting
    place.state = WAITING
    const message = this.channel.read()
    if (message === undefined) return this.#isOver()
    place.state = INSIDE
    const at = message.bytes.byteOffset / 4
    const sentAt = this.floats[at / 2 + 1]
    if (sentAt !== 0) pace.add((sharedNow() - sentAt) * 1e6)
    this.#check(at, message.bytes.length, message.redelivered)
    message[Symbol.dispose]()
    place.state = OUTSIDE
    return DONE
  }

  #isOver(): Step {
    if (this.setting.board.phase < STOP)
      this.setting.violation('found the channel closed, which nobody has closed')
    return THROUGH
  }

  #check(at: number, length: number, redelivered: boolean): void {
    const { board, place } = this.setting
    const number = this.floats[at / 2]
    const epoch = this.words[at + EPOCH]
    const expected = place.next
    const isNewEpoch = epoch !== board.arena(EPOCHS + place.index)
    board.setArena(EPOCHS + place.index, epoch)
    if (redelivered) place.redelivered++
    const mayRepeat = redelivered || (isNewEpoch && epoch > 1)
    if (number !== expected && !(mayRepeat && number === expected - 1)) {
      this.setting.violation(`received message ${number} where message ${expected} was due`)
    }
    if (length !== MESSAGE_BYTES) this.setting.violation(`received ${length} bytes of ${MESSAGE_BYTES}`)
    for (let word = FIRST_FILLED; word < WORDS; word++) {
      if (this.words[at + word] === filling(number, word)) continue
      this.setting.violation(`received message ${number} with other contents than were sent`)
      break
    }
    place.next = number + 1
  }
}
