/** Asynchronous waits for a condition: tasks of one thread, which end by a notification, by their time or by a signal. */

import { describe, test } from 'vitest'
import { beginConditionWait, leaveConditionWait, onBellConditionWait } from '../../src/sync/condition.ts'
import { beginLock, onBellLock } from '../../src/sync/mutex.ts'
import { PENDING } from '../../src/sync/wait.ts'
import { ABORTED, TIMED_OUT, WAITING, WaitRecord } from '../../src/sync/wait-record.ts'
import type { ModelThread, Operation, Snapshot } from '../../src/testing/model.ts'
import { ECANCELED, ETIMEDOUT } from '../../src/words/errno.ts'
import {
  CAME,
  enters,
  holds,
  INSIDE,
  LAST,
  NOTIFIED,
  produces,
  releases,
  RESULT,
  waitsOnce,
} from './condition-models.ts'
import type { SyncWorld } from './sync-world.ts'

describe('asynchronous waits', () => {
  test('a task and a blocked thread are both notified, 2 preemptions', () => {
    holds({
      name: 'a task, a thread, broadcast',
      threads: (world) => [
        { tasks: [task(world, 1)] },
        [waitsOnce(world)],
        [whenAllCame(2, produces(world, 0, Infinity, true))],
      ],
      isExact: true,
      bounds: { preemptions: 2 },
    })
  })

  test.each([
    ['times out', TIMED_OUT],
    ['is aborted', ABORTED],
  ])('a task that %s, or is notified: never both, 2 preemptions', (what, outcome) => {
    holds({
      name: `a task that ${what}, notify(1)`,
      threads: (world) => [
        { tasks: [task(world, 1, outcome)] },
        [whenAllCame(1, produces(world, 0, 1, true))],
      ],
      isExact: true,
      bounds: { preemptions: 2 },
    })
  })

  test('two tasks of one thread, one leaves: the other is notified, 2 preemptions', () => {
    holds({
      name: 'two tasks, one leaves, broadcast',
      threads: (world) => [
        { tasks: [task(world, 1, TIMED_OUT), task(world, 2)] },
        [whenAllCame(2, produces(world, 0, Infinity, false))],
      ],
      isExact: true,
      bounds: { preemptions: 2 },
    })
  })

  test('the thread of a task dies anywhere, and a blocked one gets its notification or another, 1 preemption', () => {
    holds({
      name: 'a task killed, a thread, broadcast',
      threads: (world) => [
        { tasks: [task(world, 1, TIMED_OUT)] },
        [waitsOnce(world)],
        [whenCame(1, whenAllCame(2, produces(world, 0, Infinity, true)))],
      ],
      kill: [0],
      bounds: { preemptions: 1 },
    })
  })
})

function whenAllCame(count: number, operation: Operation): Operation {
  const run = typeof operation === 'function' ? operation : operation.run
  return { when: (state) => state.ghost[CAME] >= count || state.isDead(0), run }
}

/** Starts when that thread has come to wait too. */
function whenCame(thread: number, operation: Operation): Operation {
  if (typeof operation === 'function') return operation
  const { when = () => true, run } = operation
  return { when: (state) => state.ghost[LAST] === thread + 1 && when(state), run }
}

/** What a task does next: it locks, waits, and unlocks; each state in a ghost word of its own. */
const LOCKING = 1
const AWAITING = 2
const OVER = 3

/** lockAsync(), waitAsync(), turns of the event loop in which the bell may have rung, and unlock(). */
function task(world: SyncWorld, number: number, leave?: number): Operation[] {
  const turn: Operation = {
    when: (state) => phaseOf(state, number) === OVER || !isWaiting(world, state, number),
    run: (thread) => {
      const phase = thread.ghost((ghost) => ghost[RESULT + number])
      if (phase === LOCKING)
        locked(
          world,
          thread,
          number,
          onBellLock(world.lot(thread), world.lockAt, world.record(thread, number)),
        )
      else if (phase === AWAITING)
        settle(
          world,
          thread,
          number,
          onBellConditionWait(world.lot(thread), world.otherAt, world.lockAt, world.record(thread, number)),
        )
    },
  }
  const leaves: Operation = {
    when: (state) => phaseOf(state, number) !== LOCKING,
    run: (thread) => {
      if (thread.ghost((ghost) => ghost[RESULT + number]) !== AWAITING) return
      const record = world.record(thread, number)
      settle(
        world,
        thread,
        number,
        leaveConditionWait(world.lot(thread), world.otherAt, world.lockAt, record, leave ?? TIMED_OUT),
      )
    },
  }
  return [
    (thread) => {
      thread.ghost((ghost) => (ghost[RESULT + number] = LOCKING))
      locked(world, thread, number, beginLock(world.lot(thread), world.lockAt, world.record(thread, number)))
    },
    turn,
    ...(leave === undefined ? [] : [leaves]),
    turn,
    turn,
    turn,
    { when: (state) => phaseOf(state, number) === OVER, run: () => undefined },
  ]
}

function locked(world: SyncWorld, thread: ModelThread, number: number, got: number): void {
  if (got === PENDING) return
  enters(world, thread, got)
  thread.ghost((ghost) => {
    ghost[INSIDE]--
    ghost[RESULT + number] = AWAITING
    return ++ghost[CAME]
  })
  const begun = beginConditionWait(
    world.lot(thread),
    world.otherAt,
    world.lockAt,
    world.record(thread, number),
  )
  thread.assert(begun === PENDING, 'a wait begins')
}

function settle(world: SyncWorld, thread: ModelThread, number: number, got: number): void {
  if (got === PENDING) return
  thread.assert(got >= 0 || got === -ETIMEDOUT || got === -ECANCELED, `waitAsync() answered ${got}`)
  thread.ghost((ghost) => {
    if (got === 0) ghost[NOTIFIED]++
    return (ghost[RESULT + number] = OVER)
  })
  enters(world, thread, got)
  releases(world, thread)
}

function phaseOf({ ghost }: Snapshot, number: number): number {
  return ghost[RESULT + number]
}

function isWaiting(world: SyncWorld, state: Snapshot, number: number): boolean {
  return state.cpu.load(world.record({ index: 0 }, number) + WaitRecord.state) === WAITING
}
