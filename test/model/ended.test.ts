/**
 * The end of what is waited for (Lot.endWaits), in every interleaving: each waiter gets its permit, its time-out or
 * -ESTALE, once; who got -ESTALE does not look at the word again, and nobody sleeps on.
 */

import { test } from 'vitest'
import { WAITING, WaitRecord } from '../../src/sync/wait-record.ts'
import { acquire, release } from '../../src/sync/semaphore.ts'
import { BUSY, waitBlocked, type Waitable } from '../../src/sync/wait.ts'
import { AUTO, awaitEvent, setEvent } from '../../src/sync/event.ts'
import { conditionNotify, conditionWait, RawCondition } from '../../src/sync/condition.ts'
import type { Lot } from '../../src/sync/lot.ts'
import { lock, unlock } from '../../src/sync/mutex.ts'
import { repairSync } from '../../src/sync/repair.ts'
import type { Model, ModelThread, Snapshot } from '../../src/testing/model.ts'
import { RUNNING, ThreadSlot } from '../../src/threads/slot.ts'
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

/** A word that is 1 while the thing lives, as the status of a cell. */
const guarded = (world: SyncWorld, thread: ModelThread): Lot => {
  const lot = world.lot(thread)
  lot.guard = { at: world.scratch, own: 1, first: world.lockAt, end: world.lockAt + 8 }
  return lot
}

/** Waits that begin at any moment of the end: some are in a queue by then, some spin, some have just looked. */
const beginners = (lotOf: (world: SyncWorld, thread: ModelThread) => Lot) =>
  model('waits that begin', (world) => {
    const begins = (thread: ModelThread): void => {
      if (thread.cpu.load(world.scratch) !== 1) return
      const result = acquire(lotOf(world, thread), world.lockAt, Infinity)
      thread.assert(result === -ESTALE, `acquire() answers ${result}`)
    }
    return {
      threads: [
        [begins],
        [begins],
        [
          (thread) => {
            thread.cpu.store(world.scratch, 0)
            ends(world)(thread)
          },
        ],
      ],
      init: (cpu) => {
        cpu.store(world.scratch, 1)
        for (let slot = 0; slot < 3; slot++) cpu.store(slot * ThreadSlot.sizeof + ThreadSlot.state, RUNNING)
      },
      bounds: { preemptions: 3 },
    }
  })

test('a wait that begins while the thing ends is told too, wherever it stands', () => {
  holds(beginners(guarded))
})

test('found: a wait that does not look again under the bucket’s lock sleeps for ever', () => {
  finds(
    beginners((world, thread) => world.lot(thread)),
    /stuck/,
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

const HEIR = 0x1234

/** As the directory's lock: whoever destroys something has it, and the reaper while it looks at what the dead waited for. */
function alone(world: SyncWorld, thread: ModelThread, work: () => void): void {
  lock(world.lot(thread), world.otherAt, Infinity)
  work()
  unlock(world.lot(thread), world.otherAt)
}

/** An event is set, destroyed, and something else lies there; the one for whom it was set may die, at any time. */
const heirs = (endsWaits: (world: SyncWorld, thread: ModelThread) => void) =>
  model('a hand-over, and a death', (world) => ({
    threads: [
      [
        (thread) => {
          const result = awaitEvent(world.lot(thread), world.lockAt, Infinity)
          thread.ghost((ghost) => ghost[result === 0 ? GOT : STALE]++)
        },
      ],
      [
        {
          when: (state) => state.isDead(0) || whenQueued(1)(state),
          run: (thread: ModelThread) => {
            setEvent(world.lot(thread), world.lockAt)
            endsWaits(world, thread)
            thread.cpu.store(world.lockAt, HEIR)
          },
        },
      ],
    ],
    init: (cpu) => {
      cpu.store(world.lockAt, AUTO)
      cpu.store(ThreadSlot.state, RUNNING)
    },
    kill: [0],
    bounds: { preemptions: 3 }, // in full: 1.6 million states, 2 s
    reaper: [
      (thread, dead) => {
        repairSync(world.lot(thread), dead, undefined, (work) => {
          alone(world, thread, work)
        })
      },
    ],
    final: ({ cpu, assert }) => {
      assert(cpu.load(world.lockAt) === HEIR, 'what lies there now is not written')
    },
  }))

test('what was handed to one who dies is not given back to what lies there now', () => {
  holds(
    heirs((world, thread) => {
      alone(world, thread, () => {
        ends(world)(thread)
      })
    }),
  )
})

test('found: only those in a queue are told of the end', () => {
  finds(
    heirs(() => undefined),
    /not written/,
  )
})

/** A wait for a condition that times out, is notified, and finds the condition destroyed: the mutex is there all the time. */
test('a condition is notified and destroyed while a wait for it times out: the mutex is got again', () => {
  holds(
    model('a condition', (world) => ({
      threads: [
        [
          (thread) => {
            const lot = world.lot(thread)
            lock(lot, world.lockAt, Infinity)
            const result = conditionWait(lot, world.otherAt, world.lockAt, 100)
            thread.assert(
              result === 0 || result === -ETIMEDOUT || result === -ESTALE,
              `wait() answers ${result}`,
            )
            thread.assert(unlock(lot, world.lockAt) === 0, `wait() answers ${result} without the mutex`)
            thread.ghost((ghost) => ghost[GOT]++)
          },
        ],
        [
          {
            when: (state) => state.ghost[GOT] > 0 || whenQueued(1)(state),
            run: (thread: ModelThread) => {
              const lot = world.lot(thread)
              lock(lot, world.lockAt, Infinity)
              conditionNotify(lot, world.otherAt, 1)
              unlock(lot, world.lockAt)
              lot.endWaits(world.otherAt, world.otherAt + RawCondition.sizeof)
            },
          },
        ],
      ],
      init: (cpu) => {
        cpu.store(ThreadSlot.state, RUNNING)
      },
      bounds: { timeouts: 1, preemptions: 3 },
      final: ({ ghost, assert }) => {
        assert(ghost[GOT] === 1, 'the wait has ended')
      },
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
