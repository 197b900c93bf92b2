/** Futexes and spin locks, as they ship, under every interleaving: a wake-up reaches who waits, whoever dies. */

import { describe, test } from 'vitest'
import {
  abandonFutexWait,
  beginFutexWait,
  FUTEX_OP_CMP_EQ,
  FUTEX_OP_SET,
  futexRequeue,
  futexWait,
  futexWaitv,
  futexWake,
  futexWakeOp,
  onBellFutexWait,
} from '../../src/sync/futex.ts'
import { Lot } from '../../src/sync/lot.ts'
import { repairSync, takeOverBuckets } from '../../src/sync/repair.ts'
import { spinLock, spinReleaseDead, spinUnlock } from '../../src/sync/spin-lock.ts'
import { PENDING } from '../../src/sync/wait.ts'
import { ANY, TIMED_OUT, UNUSED, WAITING, WaitRecord } from '../../src/sync/wait-record.ts'
import type { Bounds, Model, ModelThread, Operation, ReaperOperation } from '../../src/testing/model.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { EAGAIN, EDEADLK, EOWNERDEAD, ETIMEDOUT } from '../../src/words/errno.ts'
import { syncWorld, type SyncWorld } from './sync-world.ts'
import * as verdicts from './verdicts.ts'

/** Ghost words: waits that were woken, waiters that wake-ups counted, those who have come, those who are through. */
const WOKE = 0
const COUNTED = 1
const CAME = 2
const THROUGH = 3
const INSIDE = 4
const RESULT = 8

interface Shape {
  name: string
  threads: (world: SyncWorld) => Model['threads']
  kill?: readonly number[]
  reaper?: (world: SyncWorld) => ReaperOperation
  isExact?: boolean
  bounds?: Bounds
}

function modelOf({ name, threads, kill = [], reaper = reaps, isExact = true, bounds = {} }: Shape): Model {
  const count = threads(syncWorld(0, true, 2)).length
  const world = syncWorld(count, true, 2)
  return {
    name: `futex, ${name}`,
    ...world.base,
    kill,
    bounds,
    init: (cpu) => {
      for (let thread = 0; thread < count; thread++) world.giveRecords(cpu, thread)
    },
    threads: threads(world),
    ...(kill.length === 0 ? {} : { reaper: [reaper(world)] }),
    invariant: ({ ghost, assert }) => {
      assert(ghost[INSIDE] <= 1, 'two hold the lock')
    },
    final: (state) => {
      state.assert(world.isQuiet(state), 'nothing is left in the lot')
      if (kill.length === 0 && isExact)
        state.assert(state.ghost[WOKE] === state.ghost[COUNTED], 'a wake-up was lost, or made up')
    },
  }
}

function holds(shape: Shape): void {
  verdicts.holds(modelOf(shape))
}

function finds(shape: Shape, what: RegExp): void {
  verdicts.finds(modelOf(shape), what)
}

describe('wait and wake', () => {
  test('who sets the word and wakes finds whoever saw it unset, in full', () => {
    holds({ name: 'wait, set and wake', threads: (world) => [[waits(world)], [setsAndWakes(world)]] })
  })

  test('2 waiters, of whom one may time out, and 2 wake-ups, 2 preemptions', () => {
    holds({
      name: '2 waiters, time-outs, 2 wakers',
      threads: (world) => [[waits(world, 1)], [waits(world)], [wakes(world, 1), setsAndWakes(world)]],
      bounds: { preemptions: 2 },
    })
  })

  test('a task of another thread counts as a waiter does, and gives on what it does not want, 2 preemptions', () => {
    holds({
      name: 'a task that may abandon its wait',
      threads: (world) => [{ tasks: [task(world)] }, [waits(world)], [wakes(world, 1), setsAndWakes(world)]],
      isExact: false,
      bounds: { preemptions: 2 },
    })
  })
})

describe('requeue, wakeOp, waitv', () => {
  test('a requeue moves one and wakes one; both are woken in the end, 2 preemptions', () => {
    holds({
      name: '2 waiters, requeue, wake',
      threads: (world) => [
        [waits(world)],
        [waits(world)],
        [requeues(world), setsAndWakes(world), wakesOther(world)],
      ],
      bounds: { preemptions: 2 },
    })
  })

  test('a wait that times out while it is moved, 3 preemptions', () => {
    holds({
      name: 'time-out while moved',
      threads: (world) => [[waits(world, 1)], [requeues(world, 0), wakesOther(world)]],
      bounds: { preemptions: 3 },
    })
  })

  test('two that move each other’s waiters do not wait for each other, 2 preemptions', () => {
    holds({
      name: 'requeue there and back',
      threads: (world) => [
        [waits(world, 1)],
        [requeues(world, 0), wakesOther(world)],
        [requeuesBack(world), setsAndWakes(world)],
      ],
      bounds: { preemptions: 2, timeouts: 1 },
    })
  })

  test('wakeOp changes the word and wakes as one, in full', () => {
    holds({ name: 'wakeOp', threads: (world) => [[waits(world)], [wakesByOperation(world)]] })
  })

  test('waitv on two words, one of which is set, in full', () => {
    holds({
      name: 'waitv',
      threads: (world) => [[waitsForBoth(world)], [setsAndWakes(world)]],
      isExact: false,
    })
  })
})

describe('deaths', () => {
  test('a waiter that dies when it is woken leaves the wake-up to the other, 2 preemptions', () => {
    holds(passedOn())
  })

  test('a waiter dies while it is moved, 2 preemptions', () => {
    holds({
      name: 'kill a waiter, requeue',
      threads: (world) => [[waits(world)], [requeues(world, 0), setsAndWakes(world), wakesOther(world)]],
      kill: [0],
      bounds: { preemptions: 2 },
    })
  })

  test('who moves dies between any two instructions: nobody is lost, 2 preemptions', () => {
    holds({
      name: 'kill who requeues',
      threads: (world) => [
        [waits(world)],
        [requeues(world, 0)],
        [after((state) => state.isDead(1) || state.isFinished(1), setsAndWakes(world)), wakesOther(world)],
      ],
      kill: [1],
      bounds: { preemptions: 2 },
    })
  })

  test('planted: a reaper that does not pass a wake-up on is found', () => {
    finds({ ...passedOn(), reaper: swallows }, /waits for ever/)
  })
})

describe('spin lock', () => {
  test('3 x 1, holders never overlap, in full', () => {
    holds({ name: 'spin 3x1', threads: (world) => [[spins(world)], [spins(world)], [spins(world)]] })
  })

  test('2 x 2, one killed anywhere: the next is told, in full', () => {
    holds({
      name: 'spin 2x2, kill',
      threads: (world) => [
        [spins(world), spins(world)],
        [spins(world), spins(world)],
      ],
      kill: [0],
    })
  })
})

// ── what threads do ───────────────────────────────────────────────────────────────────────────────────────────────

/** Waits once for the first word to be set; a wake-up without that is one more reason to look. */
function waits(world: SyncWorld, deadline = Infinity): Operation {
  return (thread) => {
    const at = world.lockAt
    thread.ghost((ghost) => ++ghost[CAME])
    const got = futexWait(world.lot(thread), at, 0, at, 0, ANY, deadline)
    thread.ghost((ghost) => {
      if (got === 0) ghost[WOKE]++
      return ++ghost[THROUGH]
    })
    thread.assert(
      got === 0 || got === -EAGAIN || (got === -ETIMEDOUT && deadline === 1),
      `it answered ${got}`,
    )
  }
}

function counts(thread: ModelThread, woken: number): void {
  thread.ghost((ghost) => (ghost[COUNTED] += woken))
}

function wakes(world: SyncWorld, count: number): Operation {
  return (thread) => {
    counts(thread, futexWake(world.lot(thread), 0, world.lockAt, count))
  }
}

function setsAndWakes(world: SyncWorld): Operation {
  return (thread) => {
    thread.cpu.store(world.lockAt, 1)
    counts(thread, futexWake(world.lot(thread), 0, world.lockAt, Infinity))
  }
}

function wakesOther(world: SyncWorld): Operation {
  return (thread) => {
    counts(thread, futexWake(world.lot(thread), 0, world.otherAt, Infinity))
  }
}

/** Wakes so many, and moves one to the other word. What was moved is not woken yet. */
function requeues(world: SyncWorld, wake = 1): Operation {
  return (thread) => {
    const [from, to] = [world.lockAt, world.otherAt].map((key1) => ({ key0: 0, key1 }))
    const got = futexRequeue(world.lot(thread), from, to, wake, 1, { at: from.key1, value: 0 })
    counts(thread, Math.min(Math.max(got, 0), wake))
  }
}

function requeuesBack(world: SyncWorld): Operation {
  return (thread) => {
    const [to, from] = [world.lockAt, world.otherAt].map((key1) => ({ key0: 0, key1 }))
    futexRequeue(world.lot(thread), from, to, 0, 1)
  }
}

function wakesByOperation(world: SyncWorld): Operation {
  return (thread) => {
    const [first, second] = [world.otherAt, world.lockAt].map((key1) => ({ key0: 0, key1 }))
    const got = futexWakeOp(
      world.lot(thread),
      world.lockAt,
      first,
      second,
      1,
      1,
      FUTEX_OP_SET,
      1,
      FUTEX_OP_CMP_EQ,
      0,
    )
    counts(thread, got)
  }
}

function waitsForBoth(world: SyncWorld): Operation {
  return (thread) => {
    const words = [world.otherAt, world.lockAt].map((at) => ({ at, key0: 0, key1: at, expected: 0 }))
    const got = futexWaitv(lotWithRecords(world, thread), words, Infinity)
    thread.assert(got === 1 || got === -EAGAIN, `waitv answered ${got}`)
  }
}

/** A lot that takes the asynchronous records of the world, one after the other. */
function lotWithRecords(world: SyncWorld, thread: ModelThread): Lot {
  let next = 0
  return Object.assign(world.lot(thread), { allocRecord: () => world.record(thread, ++next) })
}

/** Begins, looks when the bell rang, or abandons the wait. */
function task(world: SyncWorld): Operation[] {
  const at = world.lockAt
  const settle = (thread: ModelThread, got: number) => thread.ghost((ghost) => (ghost[RESULT] = got))
  return [
    (thread) => {
      const record = world.record(thread, 1)
      settle(thread, beginFutexWait(world.lot(thread), at, 0, at, 0, ANY, record))
    },
    (thread) => {
      if (thread.ghost((ghost) => ghost[RESULT]) !== PENDING) return
      const [lot, record] = [world.lot(thread), world.record(thread, 1)]
      if (lot.stateOf(record) !== WAITING && thread.choose(2) === 0)
        settle(thread, onBellFutexWait(lot, record))
      else abandonFutexWait(lot, record, TIMED_OUT)
    },
  ]
}

function after(
  condition: NonNullable<Exclude<Operation, (thread: ModelThread) => void>['when']>,
  operation: Operation,
): Operation {
  return { when: condition, run: typeof operation === 'function' ? operation : operation.run }
}

/** Two wait, one wake-up; the first may die until its wait is over. Then, or if nobody was there, the other is woken too. */
function passedOn(): Shape {
  return {
    name: '2 waiters, wake(1), kill the first',
    threads: (world) => [
      [waits(world)],
      [after((state) => state.ghost[CAME] >= 1 || state.isDead(0), waits(world))],
      [
        after((state) => isQueued(world, state.cpu, 1) || state.isFinished(1), wakes(world, 1)),
        after(({ ghost }) => ghost[THROUGH] > 0 || ghost[COUNTED] === 0, setsAndWakes(world)),
      ],
    ],
    kill: [0],
    bounds: { preemptions: 2 },
  }
}

/** Whether a thread waits asleep. */
function isQueued(world: SyncWorld, cpu: { load(at: number): number }, thread: number): boolean {
  return cpu.load(thread * ThreadSlot.sizeof + ThreadSlot.record + WaitRecord.state) === WAITING
}

function spins(world: SyncWorld): Operation {
  return (thread) => {
    const lot = world.lot(thread)
    const got = spinLock(lot, world.lockAt, Infinity)
    thread.ghost((ghost) => {
      if (got === EOWNERDEAD) ghost[INSIDE] = 0
      return ++ghost[INSIDE]
    })
    thread.assert(spinLock(lot, world.lockAt, Infinity) === -EDEADLK, 'locking twice')
    thread.ghost((ghost) => --ghost[INSIDE])
    thread.assert(spinUnlock(lot, world.lockAt) === 0, 'unlock: not the owner')
  }
}

// ── what the reaper does ──────────────────────────────────────────────────────────────────────────────────────────

function reaps(world: SyncWorld): ReaperOperation {
  return (thread, dead) => {
    const lot = world.lot(thread)
    repairSync(lot, dead)
    spinReleaseDead(lot, world.lockAt, dead)
  }
}

/** As repairSync(), but it clears the records of the dead whatever became of their waits. */
function swallows(world: SyncWorld): ReaperOperation {
  return (thread, dead) => {
    const lot = world.lot(thread)
    takeOverBuckets(lot, dead)
    const record = (dead & 0xff) * ThreadSlot.sizeof + ThreadSlot.record
    if (lot.stateOf(record) !== UNUSED) lot.withdraw(record, TIMED_OUT)
    lot.cpu.store(record + WaitRecord.state, UNUSED)
    lot.ringEverybody()
  }
}
