/** Reader-writer locks: in the end as many writes as were counted. */

import { RwLock } from '../../locks/rwlock.ts'
import { WRITING, type Board } from '../../../workers/stress/board.ts'
import { writesOf } from '../../../workers/stress/readers.ts'
import type { Entry } from './entry.ts'
import { sumOf } from './figures.ts'
import { untold } from './exclusion-entries.ts'
import { whole } from './units.ts'

export const rwLockEntry: Entry = {
  unit: 'sections',
  description: 'RwLock, --read-ratio: readers see no half written pair, no write lost',
  workers: (asked) => asked,
  whyNoKills: undefined,
  told: 'writer',
  isFair: false,

  open({ board }) {
    const rwlock = new RwLock()
    return {
      things: { rwlock },
      audit(deaths) {
        recover(rwlock, board)
        const { writes, isAtRest } = writesOf(board)
        const counted = sumOf(board.places, 'writes')
        const sections = sumOf(board.places, 'operations')
        const problems = untold(board, deaths, WRITING)
        if (!isAtRest && deaths.length === 0) problems.push('a write was begun and not ended')
        // Who dies between unlocking and counting has written what nobody counted.
        if (writes < counted || writes > counted + deaths.length) {
          problems.push(`${whole(counted)} writes were counted outside, and ${whole(writes)} inside`)
        }
        return {
          problems,
          verified: `${whole(sections - counted)} reads, none of something half written; ${whole(writes)} writes, none lost`,
        }
      },
      close() {
        rwlock.destroy()
      },
    }
  },
}

/** The last one to die may have been writing. */
function recover(rwlock: RwLock, board: Board): void {
  const held = rwlock.write.tryLock()
  if (held === null) return
  if (held.ownerDied) {
    board.places[0].notices++
    rwlock.markConsistent()
  }
  held.unlock()
}
