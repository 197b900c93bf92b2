/** Locks that exclude: in the end as many sections as were counted, and nobody inside. */

import { Mutex } from '../../locks/mutex.ts'
import { SpinLock } from '../../locks/spin-lock.ts'
import { INSIDE, OUTSIDE, type Board } from '../../../workers/stress/board.ts'
import { exclusionOf } from '../../../workers/stress/exclusion.ts'
import { OWN_WORDS } from '../../../workers/stress/own.ts'
import { describeThrown } from '../../../workers/stress/thrown.ts'
import type { Entry, Exhibit, Site } from './entry.ts'
import { sumOf } from './figures.ts'
import { plural, whole } from './units.ts'

const MOST_AFTER_DEATH_MS = 5000

const common = {
  unit: 'sections',
  workers: (asked: number) => asked,
  whyNoKills: undefined,
  told: 'owner' as const,
  isFair: true,
}

export const mutexEntry: Entry = {
  ...common,
  description: 'Mutex, robust: one inside at a time, no increment lost',
  open({ board }) {
    const mutex = new Mutex()
    return {
      things: { mutex },
      audit(deaths) {
        recover(mutex, board)
        const { problems, verified } = auditExclusion(board, deaths)
        return { problems: [...problems, ...untold(board, deaths)], verified }
      },
      close() {
        mutex.destroy()
      },
    }
  },
}

/** The last one to die may have held it. */
export function recover(lock: Mutex | SpinLock, board: Board): void {
  const held = lock.tryLock()
  if (held === null) return
  if (held.ownerDied) {
    board.places[0].notices++
    if (lock instanceof Mutex) lock.markConsistent()
  }
  held.unlock()
}

/**
 * Of each death inside, the next owner was told. Who seemed to be waiting or leaving may have held it, too. `unheard`: of so
 * many nobody need have been told, since nobody came after them.
 */
export function untold(
  board: Board,
  deaths: readonly number[],
  holding: number = INSIDE,
  unheard = 0,
): string[] {
  const told = sumOf(board.places, 'notices')
  const inside = deaths.filter((state) => state === holding).length
  const atMost = deaths.filter((state) => state !== OUTSIDE).length
  if (told > atMost) {
    return [
      `${plural(atMost, 'worker')} died that may have held it, and owners were told ${plural(told, 'time')}`,
    ]
  }
  if (told >= inside - unheard) return []
  return [`${plural(inside, 'worker')} died inside, and the next owners were told ${plural(told, 'time')}`]
}

export const spinEntry: Entry = {
  ...common,
  description: 'SpinLock: one inside at a time, no increment lost',
  isFair: false,
  open({ board }) {
    const spin = new SpinLock()
    return {
      things: { spin },
      audit(deaths) {
        recover(spin, board)
        const { problems, verified } = auditExclusion(board, deaths)
        return { problems: [...problems, ...untold(board, deaths)], verified }
      },
      close() {
        spin.destroy()
      },
    }
  },
}

export const futexEntry: Entry = {
  ...common,
  description: 'futex: a mutex of one futex word (Drepper); one inside at a time, no wake-up lost',
  whyNoKills: 'a futex word does not know its owner, so nobody can free it for him',
  isFair: false,
  open: ({ board }) => plain(board),
}

export function exclusionEntry(name: 'peterson' | 'dekker'): Entry {
  const title = name === 'peterson' ? "Peterson's" : "Dekker's"
  return {
    ...common,
    description: `${title} lock of loads and stores alone, two workers: tests the instructions`,
    workers: () => 2,
    whyNoKills: `${title} algorithm has no answer to a death inside`,
    isFair: false,
    open: ({ board }) => plain(board),
  }
}

export const ownEntry: Entry = {
  ...common,
  description: 'your own lock (--lock)',
  isFair: false,
  open({ board, load: { lock } }: Site) {
    const words = new Int32Array(new SharedArrayBuffer(OWN_WORDS * 4))
    /** How many sections there were at the last death inside: nobody comes in before the lock has heard of that. */
    let sectionsAtDeath = -1
    let unheard = 0
    return {
      things: { own: { url: lock?.url, words } },
      get untold() {
        return unheard
      },
      async afterDeath(place, state) {
        if (state === INSIDE) sectionsAtDeath = exclusionOf(board).sections
        try {
          await inTime(lock?.afterDeath?.(words, place + 1))
        } catch (error) {
          throw new Error(`afterDeath() failed: ${describeThrown(error)}`, { cause: error })
        }
      },
      audit(deaths) {
        const { problems, verified } = auditExclusion(board, deaths)
        // We cannot lock it ourselves, as we do ours: it may block for ever, and this thread must not.
        const mayBeUnheard = exclusionOf(board).sections === sectionsAtDeath ? 1 : 0
        const inside = deaths.filter((state) => state === INSIDE).length
        unheard = Math.min(mayBeUnheard, Math.max(0, inside - sumOf(board.places, 'notices')))
        return { problems: [...problems, ...untold(board, deaths, INSIDE, mayBeUnheard)], verified }
      },
      close: () => undefined,
    }
  },
}

/** The dead worker's place stays empty until then, so it cannot be waited for for ever. */
async function inTime(settled: unknown): Promise<void> {
  const seconds = MOST_AFTER_DEATH_MS / 1000
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const tooLate = () => {
      reject(new Error(`its promise has not settled in ${seconds} s`))
    }
    timer = setTimeout(tooLate, MOST_AFTER_DEATH_MS)
  })
  try {
    await Promise.race([settled, late])
  } finally {
    clearTimeout(timer)
  }
}

function plain(board: Board): Exhibit {
  return {
    things: {},
    audit: (deaths) => auditExclusion(board, deaths),
    close: () => undefined,
  }
}

function auditExclusion(board: Board, deaths: readonly number[]): ReturnType<Exhibit['audit']> {
  const { sections, isAtRest } = exclusionOf(board)
  const counted = sumOf(board.places, 'operations')
  const problems: string[] = []
  if (!isAtRest && deaths.length === 0) problems.push('a section was entered and not left')
  // Who dies between leaving and counting is a section that nobody counted.
  if (sections < counted || sections > counted + deaths.length) {
    problems.push(`${whole(counted)} sections were counted outside, and ${whole(sections)} inside`)
  }
  return { problems, verified: `${whole(sections)} sections, one at a time, none lost` }
}
