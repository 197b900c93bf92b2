/**
 * The end of what is waited for (Lot.endWaits), in every interleaving: each waiter gets its permit, its time-out or
 * -ESTALE, once; who got -ESTALE does not look at the word again, and nobody sleeps on.
 */

import { test } from 'vitest'
import { WAITING, WaitRecord } from '../../src/sync/wait-record.ts'
import { acquire, release } from '../../src/sync/semaphore.ts'
import { BUSY, waitBlocked, type Waitable } from '../../src/sync/wait.ts'
import { repairSync } from '../../src/sync/repair.ts'
import type { Model, ModelThread, Snapshot } from '../../src/testing/model.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { ESTALE, ETIMEDOUT } from '../../src/words/errno.ts'
import { syncWorld, type SyncWorld } from './sync-world.ts'
import { finds, holds } from './verdicts.ts'

const GOT = 0
const STALE = 1
const LATE = 2

/** Waits for a permit that does not come, and notes what came instead. */
function waits(world: SyncWorld, deadline = Infinity) {
  return (thread: ModelThread): void => {
    const result = acquire(world.lot(thread), world.lockAt, deadline)
    thread.assert(result === 0 || result === -ESTALE || result === -ETIMEDOUT, `acquire() answers ${result}`)
    thread.cpu.load(world.scratch)
    thread.ghost((ghost) => ghost[result === 0 ? GOT : result === -ESTALE ? STALE : LATE]++)
  }
}

function ends(world: SyncWorld) {
  return (thread: ModelThread): void => {
    world.lot(thread).endWaits(world.lockAt, world.lockAt + 8)
  }
}

function model(name: string, more: (world: SyncWorld) => Partial<Model> & Pick<Model, 'threads'>): Model {
  const world = syncWorld(3)
  return { ...world.base, name: `end of waits: ${name}`, ...more(world) }
}

/** All waiters are in the queue, or through: only then is the thing destroyed. */
const whenQueued =
  (waiters: number) =>
  ({ cpu, ghost }: Snapshot): boolean => {
    let count = ghost[GOT] + ghost[STALE] + ghost[LATE]
    for (let slot = 0; slot < waiters; slot++) {
      const { record, sizeof } = ThreadSlot
      if (cpu.load(slot * sizeof + record + WaitRecord.state) === WAITING) count++
    }
    return count >= waiters
  }

const finalCount = (total: number) => (state: Snapshot) => {
  const { ghost, assert } = state
  assert(ghost[GOT] + ghost[STALE] + ghost[LATE] === total, 'every wait has ended, once')
  assert(ghost[GOT] === 0, 'there was no permit')
}

test('two sleepers are told', () => {
  holds(
    model('2 sleepers', (world) => ({
      threads: [[waits(world)], [waits(world)], [{ run: ends(world), when: whenQueued(2) }]],
      final: (state) => {
        finalCount(2)(state)
        state.assert(state.ghost[STALE] === 2, 'both by -ESTALE')
      },
    })),
  )
})

test('a time-out and the end race: one of them decides', () => {
  holds(
    model('a time-out', (world) => ({
      threads: [[waits(world, 100)], [waits(world)], [{ run: ends(world), when: whenQueued(2) }]],
      bounds: { timeouts: 1 },
      final: finalCount(2),
    })),
  )
})

test('a release and the end race: a permit is got or stays, and nobody sleeps on', () => {
  holds(
    model('a release', (world) => ({
      threads: [
        [waits(world)],
        [(thread) => void release(world.lot(thread), world.lockAt, 1)],
        [{ run: ends(world), when: whenQueued(1) }],
      ],
      final: ({ ghost, assert }) => {
        assert(ghost[GOT] + ghost[STALE] === 1, 'the wait has ended, once')
      },
    })),
  )
})

test('whoever ends the waits may die at it: the next one finishes', () => {
  holds(
    model('a death', (world) => ({
      threads: [[waits(world)], [waits(world)], [{ run: ends(world), when: whenQueued(2) }]],
      kill: [2],
      bounds: { preemptions: 3 }, // in full: 770 thousand states, 8 s
      mayKill: (_thread, _operation, step) => step > 0, // before that the waiters may yet have to come
      reaper: [
        (thread, dead) => {
          const lot = world.lot(thread)
          repairSync(lot, dead, (word) => word === world.lockAt)
          lot.endWaits(world.lockAt, world.lockAt + 8)
        },
      ],
      final: finalCount(2),
    })),
  )
})

test('found: the end is told by an ordinary wake-up, and the waiter looks at the word again', () => {
  const forgetful = (what: Waitable): Waitable => ({
    ...what,
    take: () => BUSY,
    announce: () => true,
    accept: () => BUSY,
    passOn: () => undefined,
  })
  finds(
    model('woken, not ended', (world) => ({
      threads: [
        [
          (thread) => {
            waitBlocked(world.lot(thread), forgetful({ purpose: 2 } as Waitable), world.lockAt, Infinity)
          },
        ],
        [
          {
            when: whenQueued(1),
            run: (thread: ModelThread) => {
              const lot = world.lot(thread)
              const woken: number[] = []
              const bucket = lot.lockBucket(0, world.lockAt)
              lot.wakeLocked(bucket, 0, world.lockAt, Infinity, woken)
              lot.unlockBucket(bucket)
              lot.ring(woken)
            },
          },
        ],
      ],
    })),
    /stuck/,
  )
})
