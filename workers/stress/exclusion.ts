/**
 * Exclusion: what any lock protects here, and how a worker finds out that it was not alone.
 *
 *   arena   word 0    float64 1   float64 2
 *         ┌────────┬───────────┬───────────┐
 *         │ inside │ entered   │ left      │     at rest: nobody, and two equal numbers
 *         └────────┴───────────┴───────────┘
 *
 *   inside   a worker's number; above it how many have died in its place, lest one be taken for another
 *
 * Plain loads and stores: if two are inside at once, one overwrites what the other wrote, and the numbers stay apart for ever.
 * A worker that is told of its predecessor's death puts them right; one that is not told finds a violation.
 */

import { INSIDE, LEAVING, OUTSIDE, WAITING, type Board, type Place } from './board.ts'
import { DONE, type Drill, type Setting, type Step } from './drill.ts'
import { work } from './work.ts'

/** In the arena: a word, and the numbers of two float64. */
const OWNER = 0
const ENTERED = 1
const LEFT = 2

/** Numbers of workers are less. */
const LIFE = 1 << 8

/** What a lock does, whatever kind it is. */
export interface Lock {
  /** True: the last owner died holding it. */
  lock(): boolean
  unlock(): void
  /** What the last owner left has been put right. */
  repaired?(): void
}

export class Exclusion implements Drill {
  readonly #setting: Setting
  readonly #board: Board
  readonly #place: Place
  readonly #lock: Lock
  /** What it writes into the arena while it is inside. */
  readonly #self: number
  readonly #holdTurns: number

  constructor(setting: Setting, lock: Lock) {
    this.#setting = setting
    this.#board = setting.board
    this.#place = setting.place
    this.#lock = lock
    this.#self = this.#place.number + LIFE * this.#place.deaths
    this.#holdTurns = setting.holdTurns
  }

  step(): Step {
    const place = this.#place
    const { pace } = this.#setting
    place.state = WAITING
    const began = pace.begin()
    const ownerDied = this.#lock.lock()
    if (!ownerDied) place.state = INSIDE
    pace.end(began)
    if (ownerDied) {
      // Still waiting, by its note: if it dies before it has said that it was told, the next owner is told of both at once.
      this.#repair()
      place.state = INSIDE
    }
    const entered = this.#enter()
    if (this.#holdTurns !== 0) work(this.#holdTurns)
    this.#leave(entered)
    place.state = LEAVING
    this.#lock.unlock()
    place.state = OUTSIDE
    return DONE
  }

  #enter(): number {
    const board = this.#board
    const owner = board.arena(OWNER)
    if (owner !== 0) this.#findsOwner(owner)
    board.setArena(OWNER, this.#self)
    const entered = board.arenaFloat(ENTERED) + 1
    board.setArenaFloat(ENTERED, entered)
    return entered
  }

  #leave(entered: number): void {
    const board = this.#board
    const owner = board.arena(OWNER)
    if (owner !== this.#self) {
      this.#setting.violation(
        `was inside, and found ${owner === 0 ? 'nobody' : `worker ${owner % LIFE}`} there`,
      )
    }
    const left = board.arenaFloat(LEFT) + 1
    if (left !== entered) this.#setting.violation(`left section ${left} after entering section ${entered}`)
    board.setArenaFloat(LEFT, left)
    board.setArena(OWNER, 0)
  }

  #findsOwner(owner: number): void {
    const number = owner % LIFE
    const deaths = (owner - number) / LIFE
    if (this.#board.places[number - 1].deaths === deaths) {
      this.#setting.violation(`came in while worker ${number} was inside`)
      return
    }
    this.#setting.violation(
      `came in while the last owner, worker ${number}, was dead, and was not told of its death`,
    )
    this.#board.setArenaFloat(LEFT, this.#board.arenaFloat(ENTERED)) // that is said: its section is over
  }

  #repair(): void {
    const board = this.#board
    const entered = board.arenaFloat(ENTERED)
    const wasTorn = board.arena(OWNER) !== 0 || entered !== board.arenaFloat(LEFT)
    board.setArena(OWNER, 0)
    board.setArenaFloat(LEFT, entered)
    this.#setting.notice(wasTorn)
    this.#lock.repaired?.()
  }
}

/** What stands in the arena when all is over: how many sections there were, and whether they are in order. */
export function exclusionOf(board: Board): { sections: number; isAtRest: boolean } {
  const sections = board.arenaFloat(ENTERED)
  return { sections, isAtRest: board.arena(OWNER) === 0 && sections === board.arenaFloat(LEFT) }
}
