/** The fast paths of the public classes, which are tried before what sync does: as they ship, against the rest. */

import { describe, test } from 'vitest'
import type { Lot } from '../../src/sync/lot.ts'
import { unlock, unlockLive } from '../../src/sync/mutex.ts'
import { homeEntry } from '../../src/sync/readers.ts'
import { leave } from '../../src/sync/rwlock-tries.ts'
import { afterReader } from '../../src/sync/rwlock-turns.ts'
import { bitsAgainstReaders, isTorn, PREFER_WRITERS, WRITERS } from '../../src/sync/rwlock-word.ts'
import { readLock, readUnlock } from '../../src/sync/rwlock.ts'
import { acquire, acquireLive, release, releaseLive } from '../../src/sync/semaphore.ts'
import { EOWNERDEAD } from '../../src/words/errno.ts'
import type { Operation } from '../../src/testing/model.ts'
import * as mutexes from './mutex-models.ts'
import * as rwlocks from './rwlock-models.ts'
import { INSIDE, SECTIONS, syncWorld, type SyncWorld } from './sync-world.ts'
import * as verdicts from './verdicts.ts'

/** Word 0 belongs to a slot and is the same all the time, as the generation of a thing that nobody destroys. */
const GUARD = 0

describe('mutex', () => {
  const gives = (lot: Lot, at: number): number => {
    const { cpu, thread } = lot
    return unlockLive(cpu, GUARD, cpu.plainLoad(GUARD), at, thread.tid) ? 0 : unlock(lot, at)
  }
  const section = mutexes.with_(gives)

  test('2 threads x 2 sections, in full', () => {
    mutexes.holds({ threads: 2, sections: 2, section, bounds: mutexes.FULL })
  })

  test('one of them killed anywhere, 3 preemptions', () => {
    mutexes.holds({ threads: 2, sections: 2, section, kill: [0], bounds: { preemptions: 3 } })
  })
})

describe('semaphore', () => {
  const section = (world: SyncWorld): Operation => {
    return (thread) => {
      const lot = world.lot(thread)
      const at = world.lockAt
      const own = lot.cpu.plainLoad(GUARD)
      if (!acquireLive(lot.cpu, GUARD, own, at))
        thread.assert(acquire(lot, at, Infinity) === 0, 'acquire() waits')
      thread.ghost((ghost) => ++ghost[INSIDE])
      lot.cpu.load(world.scratch) // inside: where the others come in
      thread.ghost((ghost) => {
        ghost[SECTIONS]++
        return --ghost[INSIDE]
      })
      if (!releaseLive(lot.cpu, GUARD, own, at)) thread.assert(release(lot, at, 1) === 0, 'release')
    }
  }
  const permits = (threads: number, sections: number, preemptions?: number): void => {
    const world = syncWorld(threads)
    verdicts.holds({
      name: `semaphore, fast, ${threads}x${sections} on 1 permit`,
      ...world.base,
      bounds: preemptions === undefined ? {} : { preemptions },
      init: (cpu) => {
        cpu.store(world.lockAt, 1)
      },
      threads: Array.from({ length: threads }, () => Array.from({ length: sections }, () => section(world))),
      invariant: mutexes.exclusion,
      final: (state) => {
        state.assert(state.cpu.load(world.lockAt) === 1, 'the permit is back, and nobody waits')
        state.assert(state.ghost[SECTIONS] === threads * sections, 'all have been in')
        state.assert(world.isQuiet(state), 'nothing is left in the lot')
      },
    })
  }

  test('2 threads x 2 sections on one permit, in full', () => {
    permits(2, 2)
  })

  test('3 threads on one permit, 3 preemptions', () => {
    permits(3, 1, 3)
  })
})

describe('read lock', () => {
  const fast: rwlocks.Lock = {
    ...rwlocks.shipped,
    readLock: (lot, at, deadline) => {
      const { cpu, thread } = lot
      const home = homeEntry(thread.at, at)
      const seen = cpu.guardedPairLoad(GUARD, cpu.plainLoad(GUARD), home, 0, at, at)
      // The token looks when it is asked whether a writer died.
      if ((seen & bitsAgainstReaders(cpu, at)) === 0) return isTorn(lot, at) ? EOWNERDEAD : 0
      if (seen !== -1) leave(lot, at, home)
      return readLock(lot, at, deadline)
    },
    readUnlock: (lot, at) => {
      const { cpu, thread } = lot
      const seen = cpu.guardedPairLoad(GUARD, cpu.plainLoad(GUARD), homeEntry(thread.at, at), at, 0, at)
      if (seen === -1) return readUnlock(lot, at)
      if ((seen & WRITERS) !== 0) afterReader(lot, at)
      return 0
    },
  }

  test.each([0, PREFER_WRITERS])('a reader and a writer, twice each (%d)', (how) => {
    rwlocks.holds({
      name: 'fast reader x 2, writer x 2',
      how,
      threads: (world) => [
        [rwlocks.reads(world, Infinity, fast), rwlocks.reads(world, Infinity, fast)],
        [rwlocks.writes(world), rwlocks.writes(world)],
      ],
      bounds: { preemptions: 3 },
    })
  })

  test.each([[0], [1]])('the same with thread %d killed anywhere, 2 preemptions', (victim) => {
    rwlocks.holds({
      name: 'fast reader x 2, writer',
      how: 0,
      threads: (world) => [
        [rwlocks.reads(world, Infinity, fast), rwlocks.reads(world, Infinity, fast)],
        [rwlocks.writes(world)],
      ],
      kill: [victim],
      bounds: { preemptions: 2 },
    })
  })
})
