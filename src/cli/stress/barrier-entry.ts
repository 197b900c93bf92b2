/** Barriers: in the end all workers have ended the same phase, and each phase had its serial one. */

import { Barrier } from '../../locks/barrier.ts'
import { serialsOf } from '../../../workers/stress/phases.ts'
import type { Entry } from './entry.ts'
import { whole } from './units.ts'

export const barrierEntry: Entry = {
  unit: 'arrivals',
  description: 'Barrier for all workers: nobody a phase ahead, one serial arrival in each phase',
  workers: (asked) => asked,
  whyNoKills: undefined,
  told: undefined,
  isFair: true,

  open({ board, load, atRest }) {
    const barrier = new Barrier(load.workers)
    return {
      things: { barrier },
      // The death breaks it for all: they come to rest by that. Some had got through the phase that the others were in.
      afterDeath: () =>
        atRest(() => {
          const furthest = Math.max(...board.places.map((place) => place.next))
          for (const place of board.places) place.next = furthest
          barrier.reset()
        }),
      audit(deaths) {
        const phases = board.places.map((place) => place.next)
        const [last] = phases
        const problems: string[] = []
        if (phases.some((phase) => phase !== last)) {
          problems.push(`the workers have ended after phase ${phases.join(', ')}`)
        }
        const serials = serialsOf(board)
        // A phase that a death has broken had none.
        if (serials > last || serials < last - 2 * deaths.length) {
          problems.push(`${whole(last)} phases had ${whole(serials)} serial arrivals`)
        }
        return { problems, verified: `${whole(last)} phases, nobody ahead, one serial arrival in each` }
      },
      close() {
        barrier.destroy()
      },
    }
  },
}
