/** Conditions: in the end everything that was put has been taken, but for what lies in the buffer. */

import { Condition } from '../../locks/condition.ts'
import { Mutex } from '../../locks/mutex.ts'
import { bufferOf, isProducer } from '../../../workers/stress/buffer.ts'
import type { Entry } from './entry.ts'
import { recover, untold } from './exclusion-entries.ts'
import { whole } from './units.ts'

export const conditionEntry: Entry = {
  unit: 'items',
  description: 'Two Conditions and a Mutex around a buffer of 16: every item once, in order',
  workers: (asked) => Math.max(2, asked),
  whyNoKills: undefined,
  told: 'owner',
  isFair: true,

  open({ board }) {
    const mutex = new Mutex()
    const conditions = [new Condition(), new Condition()] as const
    return {
      things: { mutex, conditions },
      letOut() {
        for (const condition of conditions) condition.notify(Infinity)
      },
      audit(deaths) {
        recover(mutex, board)
        const { put, taken } = bufferOf(board)
        const counted = { put: 0, taken: 0 }
        for (const place of board.places)
          counted[isProducer(place.index) ? 'put' : 'taken'] += place.operations
        const problems = untold(board, deaths)
        for (const [what, inside] of [
          ['put', put],
          ['taken', taken],
        ] as const) {
          // Who dies between unlocking and counting has done something that nobody counted.
          const outside = counted[what]
          if (inside >= outside && inside <= outside + deaths.length) continue
          problems.push(`${whole(outside)} items were counted as ${what}, and ${whole(inside)} were`)
        }
        return { problems, verified: `${whole(taken)} items, each taken once, in order` }
      },
      close() {
        for (const thing of [mutex, ...conditions]) thing.destroy()
      },
    }
  },
}
