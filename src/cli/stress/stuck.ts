/** Who gets no further: a worker whose count of operations stays as it is. That is what a lost wake-up looks like. */

import { now } from '../../host/clock.ts'
import { GONE, PAUSED, STATES, type Board } from '../../../workers/stress/board.ts'
import type { Load } from './load.ts'
import { time } from './units.ts'

const STUCK_AFTER_MS = 5000
/** Where it is planted, it need not be waited for so long. */
const FAULTY_STUCK_AFTER_MS = 1500

export class StuckWatch {
  /** So long one may stay where it is. */
  readonly afterMs: number
  readonly #board: Board
  readonly #isFair: boolean
  readonly #seen: { operations: number; at: number }[]

  /** `isFair`: the primitive promises an order, so nobody may starve. Where it does not, one may; but not all. */
  constructor(board: Board, { workers, holdNs, thinkNs }: Load, isFair: boolean, isFaulty: boolean) {
    this.#board = board
    this.#isFair = isFair
    this.afterMs =
      (isFaulty ? FAULTY_STUCK_AFTER_MS : STUCK_AFTER_MS) + (2 * workers * (holdNs + thinkNs)) / 1e6
    this.#seen = board.places.map(() => ({ operations: -1, at: now() }))
  }

  /** What is wrong, a sentence each. */
  look(): string[] {
    const at = now()
    const wrong: string[] = []
    let newest = 0
    for (const { index, operations, state } of this.#board.places) {
      const seen = this.#seen[index]
      if (operations !== seen.operations || state === GONE || state === PAUSED) {
        seen.operations = operations
        seen.at = at
      }
      newest = Math.max(newest, seen.at)
      if (state === GONE) wrong.push(`worker ${index + 1} has left before the end`)
    }
    for (const [index, seen] of this.#seen.entries()) {
      if (at - (this.#isFair ? seen.at : newest) < this.afterMs) continue
      wrong.push(`worker ${index + 1} got no further ${this.since(index, at - seen.at)}`)
    }
    return wrong
  }

  /** `for 5 s (waiting)`. */
  since(place: number, ms: number): string {
    return `for ${time(ms * 1e6)} (${STATES[this.#board.places[place].state]})`
  }
}
