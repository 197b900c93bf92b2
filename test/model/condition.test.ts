/** The condition, as it ships, under every interleaving: who is notified goes on, and nobody else. */

import { describe, test } from 'vitest'
import { conditionNotify, conditionWaitHolding } from '../../src/sync/condition.ts'
import type { Operation } from '../../src/testing/model.ts'
import {
  after,
  consumes,
  holds,
  isDone,
  notifies,
  produces,
  waitsOnce,
  type Shape,
} from './condition-models.ts'
import type { SyncWorld } from './sync-world.ts'

describe('nobody sleeps beside what it waits for', () => {
  test('a waiter and a producer, in full', () => {
    for (const isHeld of [true, false]) {
      holds({
        name: `1 waiter, notify(1) ${isHeld ? 'in' : 'after'} the section`,
        threads: (world) => [[consumes(world)], [produces(world, 1, 1, isHeld)]],
        isExact: true,
      })
    }
  })

  test('2 waiters, a broadcast, 2 preemptions', () => {
    for (const isHeld of [true, false]) {
      holds({
        name: `2 waiters, broadcast ${isHeld ? 'in' : 'after'} the section`,
        threads: (world) => [[consumes(world)], [consumes(world)], [produces(world, 2, Infinity, isHeld)]],
        isExact: true,
        bounds: { preemptions: 2 },
      })
    }
  })

  test('2 waiters, 2 producers that notify one each, 1 preemption', () => {
    holds({
      name: '2 waiters, 2 producers',
      threads: (world) => [
        [consumes(world)],
        [consumes(world)],
        [produces(world, 1, 1, true)],
        [produces(world, 1, 1, false)],
      ],
      isExact: true,
      bounds: { preemptions: 1 },
    })
  })

  test('the same with one bucket, and with hand-off, 2 preemptions', () => {
    holds({
      name: '2 waiters, broadcast, one bucket, hand-off',
      buckets: 1,
      handOff: true,
      threads: (world) => [[consumes(world)], [consumes(world)], [produces(world, 2, Infinity, true)]],
      isExact: true,
      bounds: { preemptions: 2 },
    })
  })

  test('3 waiters, all notified, of whom an unlock wakes several, 1 preemption', () => {
    holds({
      name: '3 waiters, broadcast in the section',
      threads: (world) => [
        [consumes(world)],
        [consumes(world)],
        [consumes(world)],
        [produces(world, 3, Infinity, true)],
      ],
      isExact: true,
      bounds: { preemptions: 1 },
    })
  })

  test('a waiter that times out, or is notified: never both, 3 preemptions; two of them, 2 preemptions', () => {
    holds({
      name: 'a waiter that may time out, notify(1) twice',
      threads: (world) => [[waitsOnce(world, 1)], [notifiesTwice(world)]],
      isExact: true,
      bounds: { preemptions: 3, timeouts: 1 },
    })
    holds({
      name: 'consumers that may time out, broadcast',
      threads: (world) => [[consumes(world, 1)], [consumes(world, 1)], [produces(world, 2, Infinity, true)]],
      isExact: true,
      bounds: { preemptions: 2, timeouts: 2 },
    })
  })

  test('spurious rings end no wait, 2 preemptions', () => {
    holds({
      name: '1 waiter, spurious',
      threads: (world) => [[consumes(world)], [produces(world, 1, 1, false)]],
      isExact: true,
      bounds: { preemptions: 2, spurious: 1 },
    })
  })
})

describe('a wait that keeps the mutex', () => {
  test('all are notified: it goes on, and then the other one, 2 preemptions', () => {
    holds({ ...besideHolder(Infinity, Infinity), isExact: true, bounds: { preemptions: 2 } })
  })

  test('one is notified, which waits longer; the other one runs out of time, 2 preemptions', () => {
    holds({ ...besideHolder(1, 1), isExact: true, bounds: { timeouts: 1, preemptions: 2 } })
  })

  test('it is killed anywhere: the other one goes on, 2 preemptions', () => {
    holds({ ...besideHolder(Infinity, Infinity), kill: [1], bounds: { preemptions: 2 } })
  })
})

/** One who waits, then one who waits and keeps the mutex; notified when both sleep. */
function besideHolder(deadline: number, count: number): Shape {
  return {
    name: `a waiter, one that keeps the mutex, notify(${count})`,
    threads: (world) => [
      [waitsOnce(world)],
      [after(1, waitsOnce(world, deadline, conditionWaitHolding))],
      [
        {
          when: (state) => [0, 1].every((waiter) => state.isAsleep(waiter) || isDone(state, waiter)),
          run: (thread) => {
            notifies(world, thread, count, conditionNotify)
          },
        },
      ],
    ],
  }
}

test('a notification goes to who waits, and to nobody who comes later, 2 preemptions', () => {
  holds({
    name: 'no stolen wake-up',
    threads: (world) => [
      [waitsOnce(world)],
      [after(1, waitsOnce(world))],
      [after(1, produces(world, 0, 1, true)), after(2, produces(world, 0, 1, false))],
    ],
    isExact: true,
    bounds: { preemptions: 2 },
  })
})

/** Notifies two, of whom one may have timed out by then. */
function notifiesTwice(world: SyncWorld): Operation {
  return (thread) => {
    notifies(world, thread, 1, conditionNotify)
    notifies(world, thread, 1, conditionNotify)
  }
}
