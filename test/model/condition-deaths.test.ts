/** The condition with a death between any two instructions: nobody loses a notification by somebody else's death. */

import { describe, test } from 'vitest'
import { conditionNotify, conditionWaitable } from '../../src/sync/condition.ts'
import { releaseDead } from '../../src/sync/mutex.ts'
import { takeOverBuckets, withdrawRecords } from '../../src/sync/repair.ts'
import type { Operation, ReaperOperation, Snapshot, ThreadModel } from '../../src/testing/model.ts'
import {
  acquires,
  after,
  CAME,
  LAST,
  consumes,
  finds,
  holds,
  isDone,
  notifies,
  produces,
  releases,
  THINGS,
  THROUGH,
  TOLD,
  waitsOnce,
  type Shape,
} from './condition-models.ts'
import type { SyncWorld } from './sync-world.ts'

describe('who dies', () => {
  test('a notified waiter: the other one gets the notification, 2 preemptions', () => {
    holds(passedOn(false))
  })

  test('a notified waiter, with hand-off, 1 preemption', () => {
    holds({ ...passedOn(true), handOff: true, bounds: { preemptions: 1 } })
  })

  test('a waiter, while all are notified, 1 preemption', () => {
    holds({
      name: '2 waiters, broadcast, kill a waiter',
      threads: (world) => [
        [consumes(world)],
        [consumes(world)],
        [after(2, produces(world, 2, Infinity, true))],
      ],
      kill: [0],
      bounds: { preemptions: 1 },
    })
  })

  test.each([
    { waiters: 1, preemptions: 2 },
    { waiters: 2, preemptions: 0 },
  ])('who notifies $waiters, while it does: another says it again, $preemptions preemptions', (size) => {
    holds(saidAgain(size))
  })

  test('a waiter that may time out, 1 preemption', () => {
    holds({
      name: 'a waiter that dies, one that may time out',
      threads: (world) => [
        [waitsOnce(world)],
        [waitsOnce(world, 1)],
        [after(2, produces(world, 0, Infinity, true))],
      ],
      kill: [0],
      mayKill: (_thread, _operation, step) => step > 20, // it is about to sleep, or later
      bounds: { preemptions: 1, timeouts: 1 },
    })
  })
})

describe('planted bugs are found', () => {
  test('a reaper that does not pass a notification on', () => {
    finds({ ...passedOn(true), reaper: swallows }, /waits for ever/)
  })
})

/**
 * Two wait, one is notified, and may die until its wait is over: then it is the other's turn. If the wait was over, or nobody
 * was there to be told, the other is told in the end.
 */
function passedOn(isHeld: boolean): Shape {
  const isOwed = ({ ghost }: Snapshot) => ghost[THROUGH] > 0 || ghost[TOLD] === 0
  return {
    name: `2 waiters, notify(1) ${isHeld ? 'in' : 'after'} the section, kill the first`,
    threads: (world) => [
      [waitsOnce(world)],
      [when((state) => state.ghost[CAME] >= 1 || state.isDead(0), waitsOnce(world))],
      [
        when(({ ghost }) => ghost[LAST] === 2, produces(world, 0, 1, isHeld)),
        when(isOwed, produces(world, 0, 1, false)),
      ],
    ],
    kill: [0],
    bounds: { preemptions: 2 },
  }
}

/** One notifies all who wait and may die at it; when it is gone, another one does what it has not done. */
function saidAgain({ waiters, preemptions }: { waiters: number; preemptions: number }): Shape {
  const notifier = waiters
  const notifiesAll: (world: SyncWorld) => ThreadModel = (world) => [
    after(waiters, (thread) => {
      acquires(world, thread)
      thread.ghost((ghost) => (ghost[THINGS] += waiters))
    }),
    (thread) => {
      notifies(world, thread, Infinity, conditionNotify)
    },
    (thread) => {
      releases(world, thread)
    },
  ]
  const unlessTold = (operation: Operation): Operation => {
    return (thread) => {
      if (thread.ghost((ghost) => ghost[TOLD]) < waiters) runOf(operation)(thread)
    }
  }
  return {
    name: `${waiters} waiter(s), broadcast, kill who notifies`,
    threads: (world) => [
      ...Array.from({ length: waiters }, () => [consumes(world)]),
      notifiesAll(world),
      [when((state) => isDone(state, notifier), unlessTold(produces(world, waiters, Infinity, false)))],
    ],
    kill: [notifier],
    mayKill: (_thread, operation) => operation === 1,
    bounds: { preemptions },
  }
}

function runOf(operation: Operation) {
  return typeof operation === 'function' ? operation : operation.run
}

function when(condition: (state: Snapshot) => boolean, operation: Operation): Operation {
  return { when: condition, run: runOf(operation) }
}

/** As repairSync(), but whoever had been notified is forgotten. */
function swallows(world: SyncWorld): ReaperOperation {
  return (thread, dead) => {
    const lot = world.lot(thread)
    const ours = { ...conditionWaitable }
    Object.assign(conditionWaitable, { passOn: () => undefined })
    try {
      takeOverBuckets(lot, dead)
      withdrawRecords(lot, dead)
    } finally {
      Object.assign(conditionWaitable, ours)
    }
    releaseDead(lot, world.lockAt, dead)
    lot.ringEverybody()
  }
}
