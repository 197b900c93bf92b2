/** Semaphores: in the end as many permits as in the beginning. */

import { Semaphore } from '../../locks/semaphore.ts'
import { INSIDE, OUTSIDE, WAITING } from '../../../workers/stress/board.ts'
import { INSIDE_AT, permitsFor } from '../../../workers/stress/permits.ts'
import type { Entry } from './entry.ts'
import { sumOf } from './figures.ts'
import { plural, whole } from './units.ts'

export const semaphoreEntry: Entry = {
  unit: 'permits',
  description: 'Semaphore with a permit for every other worker: never more inside, none lost or made',
  workers: (asked) => asked,
  whyNoKills: undefined,
  told: undefined,
  isFair: true,

  open({ board, load, atRest }) {
    const permits = permitsFor(load.workers)
    const semaphore = new Semaphore(permits)
    const wrong: string[] = []
    let returned = 0

    /** Everybody is outside: what is missing, the dead had; what it was about says whether it can have had one. */
    const replace = (state: number) => {
      const missing = permits - semaphore.value
      const least = state === INSIDE ? 1 : 0
      const most = state === OUTSIDE ? 0 : 1
      if (missing < least || missing > most) {
        const where = state === WAITING ? 'waiting' : state === INSIDE ? 'inside' : 'elsewhere'
        wrong.push(
          `after the death of a worker that was ${where}, ${missing} of ${permits} permits were missing`,
        )
      }
      if (missing > 0) semaphore.release(missing)
      returned += Math.max(0, missing)
      board.setArena(INSIDE_AT, 0)
    }

    return {
      things: { semaphore },
      get permits() {
        return returned
      },
      afterDeath: (_, state) =>
        atRest(() => {
          replace(state)
        }),
      audit() {
        const { value } = semaphore
        const problems = [...wrong]
        if (value !== permits) problems.push(`there were ${plural(permits, 'permit')}, and ${value} are left`)
        if (board.arena(INSIDE_AT) !== 0)
          problems.push(`${board.arena(INSIDE_AT)} are inside, though all have left`)
        const taken = sumOf(board.places, 'operations')
        return {
          problems,
          verified: `${whole(taken)} permits taken, never more than ${permits} at once, all returned`,
        }
      },
      close() {
        semaphore.destroy()
      },
    }
  },
}
