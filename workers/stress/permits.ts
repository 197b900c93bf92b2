/**
 * The drill of semaphores: no more workers inside than there are permits, and in the end as many permits as in the beginning.
 *
 * Who is killed takes the permit with it, as on Linux. Then everybody pauses, and the main thread counts (stress/permits of
 * the command): so a wait must come back to see that.
 */

import type { Semaphore } from 'pageframe'
import { INSIDE, LEAVING, OUTSIDE, STOP, WAITING } from './board.ts'
import { DONE, NOTHING, type Drill, type Setting, type Step } from './drill.ts'
import { work } from './work.ts'

/** In the arena: how many are inside. */
export const INSIDE_AT = 0

const LOOK_UP_MS = 20

export function permitsFor(workers: number): number {
  return Math.max(1, workers >>> 1)
}

export class Permits implements Drill {
  readonly #setting: Setting
  readonly #semaphore: Semaphore
  readonly #permits: number

  constructor(setting: Setting, semaphore: Semaphore) {
    this.#setting = setting
    this.#semaphore = semaphore
    this.#permits = permitsFor(setting.workers)
  }

  step(): Step {
    const { place, pace, board, attachment, holdTurns } = this.#setting
    const insideAt = board.arenaAt + INSIDE_AT
    place.state = WAITING
    const began = pace.begin()
    if (!this.#acquire()) return NOTHING
    pace.end(began)
    place.state = INSIDE
    const inside = attachment.cpu.add(insideAt, 1) + 1
    if (inside > this.#permits) {
      this.#setting.violation(`came in as number ${inside}, by a semaphore of ${this.#permits}`)
    }
    if (holdTurns !== 0) work(holdTurns)
    attachment.cpu.sub(insideAt, 1)
    place.state = LEAVING
    this.#semaphore.release()
    place.state = OUTSIDE
    return DONE
  }

  /** False: no permit, and something else is due. */
  #acquire(): boolean {
    const semaphore = this.#semaphore
    if (!this.#setting.kills) {
      semaphore.acquire()
      return true
    }
    while (!semaphore.tryAcquire()) {
      try {
        semaphore.acquire({ timeoutMs: LOOK_UP_MS })
        return true
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'ETIMEDOUT') throw error
        if (this.#setting.board.phase >= STOP) return false
      }
    }
    return true
  }
}
