/** Asynchronous waits for permits: several tasks of one thread, under every interleaving. */

import { describe, test } from 'vitest'
import type { Lot } from '../../src/sync/lot.ts'
import { ABORTED, TIMED_OUT } from '../../src/sync/wait-record.ts'
import { abandonAcquire } from '../../src/sync/semaphore.ts'
import { abandons, finds, holds, post, restores, sections, task } from './semaphore-models.ts'

describe('asynchronous waits', () => {
  test('two tasks of one thread and a poster of two, in full', () => {
    holds({
      name: 'two tasks, release(2)',
      permits: 0,
      threads: (world) => [{ tasks: [task(world, 1), task(world, 2)] }, [post(world, 2)]],
    })
  })

  test('two tasks of one thread and a thread that blocks, in full', () => {
    holds({
      name: 'two tasks and a blocking thread',
      permits: 1,
      threads: (world) => [{ tasks: [task(world, 1), task(world, 2)] }, sections(world, 1)],
    })
  })

  test('a task aborts, and another still gets the permit, in full', () => {
    holds({
      name: 'two tasks, one aborts',
      permits: 0,
      threads: (world) => [{ tasks: [abandons(world, 1, aborts), task(world, 2)] }, [post(world, 1)]],
    })
  })

  test('a task times out while it is being woken, and another still gets the permit, in full', () => {
    holds({
      name: 'two tasks, one times out',
      permits: 0,
      threads: (world) => [{ tasks: [abandons(world, 1, expires), task(world, 2)] }, [post(world, 1)]],
    })
  })

  test('a task times out while it is being woken, and a thread that blocks gets the permit, 2 preemptions', () => {
    holds({
      name: 'a task times out, poster, blocking thread',
      permits: 0,
      threads: (world) => [
        { tasks: [abandons(world, 1, expires), task(world, 2)] },
        [post(world, 1)],
        sections(world, 1),
      ],
      bounds: { preemptions: 2 },
    })
  })
})

describe('deaths', () => {
  test('the thread of a task is killed anywhere, 2 preemptions', () => {
    holds({
      name: 'a task killed, and a blocking thread',
      permits: 1,
      threads: (world) => [{ tasks: [task(world, 1)] }, sections(world, 1)],
      kill: [0],
      reaper: restores,
      bounds: { preemptions: 2 },
    })
  })

  test('the thread of two tasks is killed anywhere, 2 preemptions', () => {
    holds({
      name: 'two tasks killed, and a blocking thread',
      permits: 1,
      threads: (world) => [{ tasks: [task(world, 1), task(world, 2)] }, sections(world, 1)],
      kill: [0],
      reaper: restores,
      bounds: { preemptions: 2 },
    })
  })
})

test('planted: a time-out that does not pass on the wake-up which came first is found', () => {
  finds(
    {
      name: 'time-out without passOn',
      permits: 0,
      threads: (world) => [{ tasks: [abandons(world, 1, expiresOnly), task(world, 2)] }, [post(world, 1)]],
    },
    /waits for ever/,
  )
})

function aborts(lot: Lot, at: number, record: number): void {
  abandonAcquire(lot, at, record, ABORTED)
}

function expires(lot: Lot, at: number, record: number): void {
  abandonAcquire(lot, at, record, TIMED_OUT)
}

function expiresOnly(lot: Lot, _at: number, record: number): void {
  lot.withdraw(record, TIMED_OUT)
  lot.freeRecord(record)
}
