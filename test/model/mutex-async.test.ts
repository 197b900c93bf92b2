/** Asynchronous sections: several tasks of one thread, each of which owns the lock for itself, under every interleaving. */

import { describe, test } from 'vitest'
import type { Lot } from '../../src/sync/lot.ts'
import { ABORTED, TIMED_OUT, WAITING, WaitRecord } from '../../src/sync/wait-record.ts'
import { abandonLock, beginLock, onBellLock, unlock } from '../../src/sync/mutex.ts'
import { PENDING } from '../../src/sync/wait.ts'
import type { Bounds, Model, ModelThread, Operation, Snapshot } from '../../src/testing/model.ts'
import { atRest, enter, exclusion, FULL, leave, reaps, section } from './mutex-models.ts'
import { syncWorld, type SyncWorld } from './sync-world.ts'
import { finds, holds } from './verdicts.ts'

/** One more ghost word for each task: what its wait has come to. */
const RESULT = 4

describe('asynchronous sections', () => {
  test('two tasks of one thread are two owners', () => {
    asyncHolds({ name: 'two tasks', threads: (world) => [tasks(world, 2)], bounds: FULL })
  })

  test('two tasks of one thread and a blocking thread', () => {
    asyncHolds({
      name: 'two tasks and a blocking thread',
      threads: (world) => [tasks(world, 2), [section(world)]],
      bounds: { preemptions: 3 },
    })
  })

  test('the thread of two tasks is killed anywhere', () => {
    asyncHolds({
      name: 'two tasks killed, and a blocking thread',
      threads: (world) => [tasks(world, 2), [section(world)]],
      kill: [0],
      bounds: { preemptions: 2 },
    })
  })

  test('one of two tasks aborts its wait, whatever the waker does', () => {
    asyncHolds({
      name: 'a task aborts, and a blocking thread',
      threads: (world) => [{ tasks: [task(world, 1), abandoning(world, 2, aborts)] }, [section(world)]],
      bounds: { preemptions: 3 },
    })
  })

  test('a task times out while it is being woken, and another gets the lock, in full', () => {
    asyncHolds({
      name: 'a task times out, and a blocking thread',
      threads: (world) => [{ tasks: [abandoning(world, 1, expires), task(world, 2)] }, [section(world)]],
      bounds: FULL,
    })
  })

  test('a task times out while it is being woken, and a thread that blocks gets the lock, 3 preemptions', () => {
    asyncHolds({
      name: 'a task times out, and 2 blocking threads',
      threads: (world) => [{ tasks: [abandoning(world, 1, expires)] }, [section(world)], [section(world)]],
      bounds: { preemptions: 3 },
    })
  })

  test('a task that may time out dies, and another thread gets the lock, 3 preemptions', () => {
    asyncHolds({
      name: 'a task times out or is killed, and a blocking thread',
      threads: (world) => [{ tasks: [abandoning(world, 1, expires)] }, [section(world)]],
      kill: [0],
      bounds: { preemptions: 3 },
    })
  })

  test('planted: a time-out that does not pass on the wake-up which came first is found', () => {
    finds(
      asyncModel({
        name: 'time-out without passOn',
        threads: (world) => [
          { tasks: [abandoning(world, 1, expiresOnly), task(world, 2)] },
          [section(world)],
        ],
        bounds: FULL,
      }),
      /waits for ever/,
    )
  })
})

interface Parts {
  name: string
  threads: (world: SyncWorld) => Model['threads']
  kill?: readonly number[]
  bounds: Bounds
}

function asyncHolds(parts: Parts): void {
  holds(asyncModel(parts))
}

function asyncModel(parts: Parts): Model {
  const count = parts.threads(syncWorld(0, true)).length
  const world = syncWorld(count, true)
  const { kill = [] } = parts
  return {
    name: `mutex, ${parts.name}`,
    ...world.base,
    init: (cpu) => {
      for (let thread = 0; thread < count; thread++) world.giveRecords(cpu, thread)
    },
    kill,
    bounds: parts.bounds,
    threads: parts.threads(world),
    ...(kill.length === 0 ? {} : { reaper: [reaps(world)] }),
    invariant: exclusion,
    final: (state) => {
      atRest(world, state)
    },
  }
}

function tasks(world: SyncWorld, count: number): { tasks: Operation[][] } {
  return { tasks: Array.from({ length: count }, (_, i) => task(world, i + 1)) }
}

/** lockAsync(), turns of the event loop in which the bell may have rung, and in the end the section's last line. */
function task(world: SyncWorld, number: number): Operation[] {
  return [
    begins(world, number),
    ...[0, 1, 2].map((): Operation => ({
      // The bell rang: the record has left WAITING, or the lock is ours already.
      when: (state) => state.ghost[RESULT + number] !== PENDING || !isWaiting(world, state, number),
      run: (thread) => {
        carriesOn(world, thread, number)
      },
    })),
    {
      when: (state) => state.ghost[RESULT + number] !== PENDING,
      run: (thread) => {
        leaves(world, thread)
      },
    },
  ]
}

type Abandon = (lot: Lot, at: number, record: number) => void

/** Begins, has a turn of the event loop or not, and ends the wait if it is still pending; else it leaves its section. */
function abandoning(world: SyncWorld, number: number, abandon: Abandon): Operation[] {
  return [
    begins(world, number),
    (thread) => {
      if (thread.choose(2) === 1) carriesOn(world, thread, number)
    },
    (thread) => {
      if (resultOf(thread, number) !== PENDING) leaves(world, thread)
      else abandon(world.lot(thread), world.lockAt, world.record(thread, number))
    },
  ]
}

function aborts(lot: Lot, at: number, record: number): void {
  abandonLock(lot, at, record, ABORTED)
}

function expires(lot: Lot, at: number, record: number): void {
  abandonLock(lot, at, record, TIMED_OUT)
}

function expiresOnly(lot: Lot, _at: number, record: number): void {
  lot.withdraw(record, TIMED_OUT)
  lot.freeRecord(record)
}

function begins(world: SyncWorld, number: number): Operation {
  return (thread) => {
    const got = beginLock(world.lot(thread), world.lockAt, world.record(thread, number))
    settle(world, thread, number, got)
  }
}

function carriesOn(world: SyncWorld, thread: ModelThread, number: number): void {
  if (resultOf(thread, number) !== PENDING) return
  const got = onBellLock(world.lot(thread), world.lockAt, world.record(thread, number))
  settle(world, thread, number, got)
}

function settle(world: SyncWorld, thread: ModelThread, number: number, got: number): void {
  thread.ghost((ghost) => (ghost[RESULT + number] = got))
  if (got !== PENDING) enter(world, thread, got)
}

function resultOf(thread: ModelThread, number: number): number {
  return thread.ghost((ghost) => ghost[RESULT + number])
}

function leaves(world: SyncWorld, thread: ModelThread): void {
  leave(world, thread)
  const result = unlock(world.lot(thread), world.lockAt)
  thread.assert(result === 0, 'unlock: not the owner')
}

function isWaiting(world: SyncWorld, state: Snapshot, number: number): boolean {
  return state.cpu.load(world.record({ index: 0 }, number) + WaitRecord.state) === WAITING
}
