/** The latch as it ships, under every interleaving. */

import { describe, test } from 'vitest'
import {
  abandonLatch,
  awaitLatch,
  beginLatch,
  countDown,
  latchWait,
  onBellLatch,
} from '../../src/sync/latch.ts'
import type { Lot } from '../../src/sync/lot.ts'
import { BUSY, waitBlocked } from '../../src/sync/wait.ts'
import { ABORTED } from '../../src/sync/wait-record.ts'
import type { Operation, Snapshot } from '../../src/testing/model.ts'
import { abandons, finds, holds, PASSED, PROMISED, task, waits, type Steps } from './event-models.ts'
import type { SyncWorld } from './sync-world.ts'

const async: Steps = { begin: beginLatch, onBell: onBellLatch, abandon: abandonLatch }

describe('nobody passes before it is open, and nobody is left behind', () => {
  test('2 threads count, 2 wait, 2 preemptions', () => {
    holds({
      name: 'latch, 2 count, 2 wait',
      word: 2,
      threads: (world) => [counts(world, 2), counts(world, 2), ...waiters(world, 2)],
      final: isOpenFor(2),
      bounds: { preemptions: 2 },
    })
  })

  test('counts that go beyond 0, and one who waits, in full', () => {
    holds({
      name: 'latch, counts of 2 and 2 for 3',
      word: 3,
      threads: (world) => [counts(world, 3, 2), counts(world, 3, 2), ...waiters(world, 1)],
      final: isOpenFor(1),
    })
  })

  test('a sleep that ends for no reason lets nobody pass, 2 preemptions', () => {
    holds({
      name: 'latch, spurious',
      word: 2,
      threads: (world) => [counts(world, 2), counts(world, 2), ...waiters(world, 1)],
      final: isOpenFor(1),
      bounds: { preemptions: 2, spurious: 1 },
    })
  })

  test('one of two waiters runs out of time, 3 preemptions', () => {
    holds({
      name: 'latch, a timed waiter and another',
      word: 1,
      threads: (world) => [counts(world, 1), [waits(world, awaitLatch, 1)], ...waiters(world, 1)],
      final: ({ cpu, assert }, world) => {
        assert(cpu.load(world.lockAt) === 0, 'it is open')
      },
      bounds: { preemptions: 3 },
    })
  })

  test('a task, one that aborts, and a thread, in full', () => {
    holds({
      name: 'latch, 2 tasks, one aborts',
      word: 1,
      threads: (world) => [
        { tasks: [task(world, 1, async), abandons(world, 2, async, ABORTED)] },
        counts(world, 1),
      ],
    })
  })
})

describe('deaths', () => {
  test('one who counts is killed anywhere: it has counted or not, 2 preemptions', () => {
    holds(killedCounter())
  })

  test('one of two waiters is killed anywhere, 2 preemptions', () => {
    holds({
      name: 'latch, kill a waiter',
      word: 1,
      threads: (world) => [counts(world, 1), ...waiters(world, 2)],
      kill: [1],
      bounds: { preemptions: 2 },
    })
  })
})

describe('planted bugs are found', () => {
  test('the last count without the bucket lock: a death leaves sleepers', () => {
    finds(killedCounter(opensUnlocked), /waits for ever/)
  })

  test('a count that looks for waiters before it counts', () => {
    finds(
      {
        name: 'latch, looks too early',
        word: 1,
        threads: (world) => [
          [(thread) => void looksTooEarly(world.lot(thread), world.lockAt)],
          ...silent(world),
        ],
      },
      /waits for ever/,
    )
  })

  test('a waiter that queues without looking again under the bucket lock', () => {
    finds(
      {
        name: 'latch, no second look',
        word: 1,
        threads: (world) => [counts(world, 1), [waits(world, withoutRecheck)]],
      },
      /waits for ever/,
    )
  })
})

type Count = (lot: Lot, at: number, n: number) => boolean

/** Counts once. Whoever might open it promises that all may pass. */
function counts(world: SyncWorld, from: number, n = 1, count: Count = countDown): Operation[] {
  return [
    (thread) => {
      thread.ghost((ghost) => {
        ghost[2] += n
        if (ghost[2] >= from) ghost[PROMISED] = 100
        return 0
      })
      count(world.lot(thread), world.lockAt, n)
    },
  ]
}

function waiters(world: SyncWorld, count: number): Operation[][] {
  return Array.from({ length: count }, () => [waits(world, awaitLatch)])
}

function silent(world: SyncWorld): Operation[][] {
  return [[(thread) => void awaitLatch(world.lot(thread), world.lockAt, Infinity)]]
}

function isOpenFor(count: number) {
  return ({ cpu, ghost, assert }: Snapshot, world: SyncWorld) => {
    assert(cpu.load(world.lockAt) === 0, 'it is open')
    assert(ghost[PASSED] === count, 'all have passed')
  }
}

/** Thread 0 is killed where it may have opened the latch; if it has not, thread 2 does. */
function killedCounter(count?: Count) {
  return {
    name: `latch, kill a counter${count === undefined ? '' : `, ${count.name}`}`,
    word: 1,
    threads: (world: SyncWorld) => [
      counts(world, 1, 1, count),
      ...waiters(world, 1),
      [
        {
          when: ({ isDead, isFinished }: Snapshot) => isDead(0) || isFinished(0),
          run: (thread) => {
            if ((thread.cpu.load(world.lockAt) & 1) === 1) counts(world, 1, 1, count).forEach(run(thread))
          },
        } satisfies Operation,
      ],
    ],
    kill: [0],
    bounds: { preemptions: 2 },
  }
}

function run(thread: Parameters<Extract<Operation, (...of: never) => void>>[0]) {
  return (operation: Operation) => {
    if (typeof operation === 'function') operation(thread)
  }
}

function opensUnlocked(lot: Lot, at: number): boolean {
  const seen = lot.cpu.exchange(at, 0)
  if (seen > 0) return true
  const handed: number[] = []
  const bucket = lot.lockBucket(0, at)
  lot.handEachLocked(bucket, 0, at, Infinity, handed)
  lot.unlockBucket(bucket)
  lot.ring(handed)
  return true
}

function looksTooEarly(lot: Lot, at: number): boolean {
  if (lot.cpu.load(at) < 0) return countDown(lot, at, 1)
  lot.cpu.store(at, 0)
  return true
}

function withoutRecheck(lot: Lot, at: number): number {
  if (latchWait.take(lot, at) !== BUSY) return 0
  latchWait.announce(lot, at)
  return waitBlocked(lot, { ...latchWait, announce: () => true }, at, Infinity)
}
