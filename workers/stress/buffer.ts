/**
 * The drill of conditions: a buffer of sixteen items that half of the workers fill and the others empty, under a mutex; who
 * finds it full or empty waits for a condition.
 *
 *   arena, float64   0      1       2        3 ... 18   19 ... 34   35 ...
 *                  ┌──────┬───────┬────────┬──────────┬───────────┬─────────────────────────────┐
 *                  │ put  │ taken │ inside │ numbers  │ from whom │ expected next, by producer  │
 *                  └──────┴───────┴────────┴──────────┴───────────┴─────────────────────────────┘
 *
 * Each producer numbers its items, and each number must be taken once, in order. `put` and `taken` are stored last, so that a
 * death in between leaves what repair() can put right: of a half put item nothing is seen, of a half taken one `expected` says
 * that it was taken.
 */

import type { Condition, Mutex, UnlockToken } from 'pageframe'
import { INSIDE, LEAVING, OUTSIDE, STOP, WAITING, type Board } from './board.ts'
import { DONE, NOTHING, type Drill, type Setting, type Step } from './drill.ts'
import { work } from './work.ts'

const PUT = 0
const TAKEN = 1
const OWNER = 2
const NUMBERS = 3
const CAPACITY = 16
const FROM = NUMBERS + CAPACITY
const EXPECTED = FROM + CAPACITY

export class Buffer implements Drill {
  readonly #setting: Setting
  readonly #mutex: Mutex
  readonly #notEmpty: Condition
  readonly #notFull: Condition
  readonly #isProducer: boolean

  constructor(setting: Setting, mutex: Mutex, notEmpty: Condition, notFull: Condition) {
    this.#setting = setting
    this.#mutex = mutex
    this.#notEmpty = notEmpty
    this.#notFull = notFull
    this.#isProducer = isProducer(setting.place.index)
  }

  step(): Step {
    const { place, pace, holdTurns } = this.#setting
    place.state = WAITING
    const began = pace.begin()
    const held = this.#mutex.lock()
    if (held.ownerDied) this.#repair()
    if (!this.#waitForTurn(held)) {
      this.#mutex.unlock()
      place.state = OUTSIDE
      return NOTHING
    }
    pace.end(began)
    place.state = INSIDE
    this.#enter()
    if (holdTurns !== 0) work(holdTurns)
    if (this.#isProducer) this.#put()
    else this.#take()
    this.#leave()
    place.state = LEAVING
    this.#mutex.unlock()
    place.state = OUTSIDE
    return DONE
  }

  /** False: there is none, and it is time to go. */
  #waitForTurn(held: UnlockToken): boolean {
    const { board } = this.#setting
    const condition = this.#isProducer ? this.#notFull : this.#notEmpty
    while (!this.#isMyTurn()) {
      if (board.phase >= STOP) return false
      condition.wait(held)
      if (held.ownerDied) this.#repair()
    }
    return true
  }

  #isMyTurn(): boolean {
    const { put, taken } = bufferOf(this.#setting.board)
    return this.#isProducer ? put - taken < CAPACITY : put > taken
  }

  #enter(): void {
    const { board, place } = this.#setting
    const owner = board.arenaFloat(OWNER)
    if (owner !== 0) this.#setting.violation(`came to the buffer while worker ${owner} was at it`)
    board.setArenaFloat(OWNER, place.number)
  }

  #leave(): void {
    const { board, place } = this.#setting
    const owner = board.arenaFloat(OWNER)
    if (owner !== place.number) this.#setting.violation(`was at the buffer, and found worker ${owner} there`)
    board.setArenaFloat(OWNER, 0)
  }

  #put(): void {
    const { board, place } = this.#setting
    const put = board.arenaFloat(PUT)
    const slot = put % CAPACITY
    board.setArenaFloat(NUMBERS + slot, place.next)
    board.setArenaFloat(FROM + slot, place.index)
    board.setArenaFloat(PUT, put + 1)
    place.next++
    this.#notEmpty.notify()
  }

  #take(): void {
    const { board } = this.#setting
    const taken = board.arenaFloat(TAKEN)
    const slot = taken % CAPACITY
    const from = board.arenaFloat(FROM + slot)
    const number = board.arenaFloat(NUMBERS + slot)
    const expected = board.arenaFloat(EXPECTED + from)
    if (number !== expected) {
      this.#setting.violation(`took item ${number} of worker ${from + 1} where item ${expected} was due`)
    }
    board.setArenaFloat(EXPECTED + from, number + 1)
    board.setArenaFloat(TAKEN, taken + 1)
    this.#notFull.notify()
  }

  /** The last owner died: what it had begun is finished, and whom it may not have notified any more is. */
  #repair(): void {
    const { board, workers, notice } = this.#setting
    const { put } = bufferOf(board)
    board.setArenaFloat(OWNER, 0)
    let taken = board.arenaFloat(TAKEN)
    const before = taken
    while (taken < put && board.arenaFloat(NUMBERS + (taken % CAPACITY)) < this.#expectedAt(taken)) taken++
    board.setArenaFloat(TAKEN, taken)
    let wasTorn = taken !== before
    for (let producer = 0; producer < workers; producer += 2) {
      const place = board.places[producer]
      let next = board.arenaFloat(EXPECTED + producer)
      for (let item = taken; item < put; item++)
        if (board.arenaFloat(FROM + (item % CAPACITY)) === producer) next++
      wasTorn ||= place.next !== next
      place.next = next
    }
    this.#mutex.markConsistent()
    this.#notEmpty.notify(Infinity)
    this.#notFull.notify(Infinity)
    notice(wasTorn)
  }

  #expectedAt(item: number): number {
    const { board } = this.#setting
    return board.arenaFloat(EXPECTED + board.arenaFloat(FROM + (item % CAPACITY)))
  }
}

export function isProducer(place: number): boolean {
  return place % 2 === 0
}

export function bufferOf(board: Board): { put: number; taken: number } {
  return { put: board.arenaFloat(PUT), taken: board.arenaFloat(TAKEN) }
}
