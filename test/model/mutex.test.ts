/** The mutex and the lot, as they ship, under every interleaving: with deaths, time-outs and asynchronous sections. */

import { describe, expect, test } from 'vitest'
import { ABORTED, ASYNC, UNUSED, WAITING, WaitRecord, type Lot } from '../../src/sync/lot.ts'
import {
  abandonLock,
  beginLock,
  lock,
  markConsistent,
  mutexWait,
  onBellLock,
  OWNER_MASK,
  releaseDead,
  unlock,
  WAITERS,
} from '../../src/sync/mutex.ts'
import { repairSync, takeOverBuckets, withdrawRecords } from '../../src/sync/repair.ts'
import { BUSY, PENDING, waitBlocked } from '../../src/sync/wait.ts'
import { explore } from '../../src/testing/explore.ts'
import type {
  Bounds,
  Model,
  ModelThread,
  Operation,
  ReaperOperation,
  Snapshot,
} from '../../src/testing/model.ts'
import { formatReport } from '../../src/testing/report.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import type { Thread } from '../../src/threads/thread.ts'
import { EOWNERDEAD, ETIMEDOUT } from '../../src/words/errno.ts'
import { INSIDE, NOTICES, SECTIONS, syncWorld, type SyncWorld } from './sync-world.ts'

/** One more ghost word for each task: what its wait has come to. */
const RESULT = 4

const FULL: Bounds = { states: 60_000_000 }

interface Shape {
  threads: number
  sections: number
  kill?: readonly number[]
  bounds?: Bounds
  handOff?: boolean
  section?: (world: SyncWorld) => Operation
  reaper?: (world: SyncWorld) => ReaperOperation
}

describe('holders never overlap, and nobody sleeps for ever', () => {
  test('2 threads x 2 sections, in full', () => {
    holds({ threads: 2, sections: 2, bounds: FULL })
  })

  test('2 x 1 with hand-off after starving, in full', () => {
    holds({ threads: 2, sections: 1, handOff: true, bounds: FULL })
  })

  test('2 x 2 with hand-off and 4 preemptions', () => {
    holds({ threads: 2, sections: 2, handOff: true, bounds: { preemptions: 4 } })
  })

  test('3 x 1 with 3 preemptions', () => {
    holds({ threads: 3, sections: 1, bounds: { preemptions: 3 } })
  })

  test('2 x 2 with time-outs, 3 preemptions', () => {
    holds({ threads: 2, sections: 2, section: timedSection, bounds: { preemptions: 3, timeouts: 2 } })
  })

  test('3 x 1 with time-outs and hand-off, 2 preemptions', () => {
    holds({
      threads: 3,
      sections: 1,
      handOff: true,
      section: timedSection,
      bounds: { preemptions: 2, timeouts: 2 },
    })
  })

  test('2 x 1 with spurious wake-ups, 3 preemptions', () => {
    holds({ threads: 2, sections: 1, bounds: { preemptions: 3, spurious: 1 } })
  })
})

describe('with a death between any two instructions, the lock is handed on with notice', () => {
  test('2 x 2, one thread killed anywhere, in full', () => {
    holds({ threads: 2, sections: 2, kill: [0], bounds: FULL })
  }, 240_000)

  test('2 x 1, killed anywhere, with hand-off, in full', () => {
    holds({ threads: 2, sections: 1, kill: [0], handOff: true, bounds: FULL })
  })

  test('3 x 1, any one killed, 2 preemptions', () => {
    holds({ threads: 3, sections: 1, kill: [0, 1, 2], bounds: { preemptions: 2, states: 6_000_000 } })
  })

  test('3 x 1, one killed, time-outs, 2 preemptions', () => {
    holds({
      threads: 3,
      sections: 1,
      kill: [0],
      section: timedSection,
      bounds: { preemptions: 2, timeouts: 1, states: 6_000_000 },
    })
  })

  test('2 x 1, the reaper gives up and begins again anywhere', () => {
    holds({ threads: 2, sections: 1, kill: [0], reaper: twice, bounds: { preemptions: 3 } })
  })
})

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
      threads: (world) => [{ tasks: [task(world, 1), aborting(world, 2)] }, [section(world)]],
      bounds: { preemptions: 3 },
    })
  })
})

describe('planted bugs are found', () => {
  test('an unlock that wakes nobody', () => {
    finds({ threads: 2, sections: 1, section: with_(unlockWithoutWake) }, /waits for ever/)
  })

  test('a waiter that queues without looking again under the bucket lock', () => {
    finds({ threads: 2, sections: 1, section: with_(unlock, lockWithoutRecheck) }, /waits for ever/)
  })

  test('a time-out that is decided by load and store', () => {
    finds({
      threads: 3,
      sections: 1,
      section: with_(unlock, lockWithSloppyTimeout),
      bounds: { preemptions: 3, timeouts: 1 },
    })
  })

  test('a woken waiter that clears WAITERS when it takes the lock', () => {
    finds(
      { threads: 3, sections: 1, section: with_(unlock, lockAndForgetWaiters), bounds: { preemptions: 3 } },
      /waits for ever/,
    )
  })

  test('a reaper that wakes only if the dead owned the lock: it may have swallowed a wake-up', () => {
    finds(
      { threads: 3, sections: 1, kill: [1], reaper: wakesOnlyIfOwner, bounds: { preemptions: 3 } },
      /waits for ever/,
    )
  })

  test('a reaper that does not ring those whom the dead had woken', () => {
    finds({ threads: 2, sections: 1, kill: [0], reaper: doesNotRing }, /waits for ever/)
  })

  test('a reaper that trusts the queue of a bucket which the dead had locked', () => {
    finds({ threads: 2, sections: 1, kill: [0], reaper: trustsQueues })
  })

  test('a reaper that takes a living owner for dead', () => {
    finds(
      { threads: 3, sections: 1, kill: [0], reaper: reapsTheLiving, bounds: { preemptions: 3 } },
      /two hold the lock|unlock/,
    )
  })

  test('an owner that stands in a word of its own', () => {
    finds(
      { threads: 2, sections: 1, kill: [0], section: ownerApart, reaper: reapsOwnerApart },
      /waits for ever/,
    )
  })
})

// ── models ────────────────────────────────────────────────────────────────────────────────────────────────────────

function modelOf(shape: Shape): Model {
  const world = syncWorld(shape.threads)
  const { kill = [], handOff = false, bounds = {}, section: make = section, reaper = reaps } = shape
  const killed = kill.length === 0 ? '' : `, kill ${kill.join(' ')}`
  return {
    name: `mutex ${shape.threads}x${shape.sections}${killed}${handOff ? ', hand-off' : ''}`,
    ...world.base,
    handOff,
    kill,
    bounds,
    threads: Array.from({ length: shape.threads }, () =>
      Array.from({ length: shape.sections }, () => make(world)),
    ),
    ...(kill.length === 0 ? {} : { reaper: [reaper(world)] }),
    invariant: exclusion,
    final: (state) => {
      atRest(world, state)
    },
  }
}

function holds(shape: Shape): void {
  const report = explore(modelOf(shape))
  console.log(formatReport(report))
  expect(report.failures).toEqual([])
}

function finds(shape: Shape, what = /./): void {
  const report = explore(modelOf(shape))
  console.log(formatReport(report))
  expect(report.failures.map((failure) => failure.message).join()).toMatch(what)
}

function asyncHolds(parts: {
  name: string
  threads: (world: SyncWorld) => Model['threads']
  kill?: readonly number[]
  bounds: Bounds
}): void {
  const count = parts.threads(syncWorld(0, true)).length
  const world = syncWorld(count, true)
  const { kill = [] } = parts
  const report = explore({
    name: `mutex, ${parts.name}`,
    ...world.base,
    init: (cpu) => {
      for (let thread = 0; thread < count; thread++) {
        const first = world.record({ index: thread } as ModelThread, 0)
        cpu.store(thread * ThreadSlot.sizeof + ThreadSlot.records, first)
        for (let i = 1; i < 4; i++) cpu.store(first + i * WaitRecord.sizeof + WaitRecord.kind, ASYNC)
      }
    },
    kill,
    bounds: parts.bounds,
    threads: parts.threads(world),
    ...(kill.length === 0 ? {} : { reaper: [reaps(world)] }),
    invariant: exclusion,
    final: (state) => {
      atRest(world, state)
    },
  })
  console.log(formatReport(report))
  expect(report.failures).toEqual([])
}

function exclusion({ ghost, assert }: Snapshot): void {
  assert(ghost[INSIDE] <= 1, 'two hold the lock')
}

function atRest(world: SyncWorld, state: Snapshot): void {
  state.assert((state.cpu.load(world.lockAt) & OWNER_MASK) === 0, 'the lock is free in the end')
  state.assert(world.isQuiet(state), 'nothing is left in the lot')
}

// ── what threads do ───────────────────────────────────────────────────────────────────────────────────────────────

function enter(world: SyncWorld, thread: ModelThread, got: number): void {
  thread.ghost((ghost) => {
    // The dead was inside, and will not come out.
    if (got === EOWNERDEAD) {
      ghost[INSIDE] = 0
      ghost[NOTICES]++
    }
    return ++ghost[INSIDE]
  })
  if (got === EOWNERDEAD) markConsistent(world.lot(thread), world.lockAt)
}

function leave(world: SyncWorld, thread: ModelThread): void {
  thread.cpu.load(world.scratch) // inside: where the others come in
  thread.ghost((ghost) => {
    ghost[SECTIONS]++
    return --ghost[INSIDE]
  })
}

function section(world: SyncWorld): Operation {
  return with_()(world)
}

type Lock = (lot: Lot, at: number, deadline: number) => number
type Unlock = (lot: Lot, at: number) => number

function with_(release: Unlock = unlock, acquire: Lock = lock): (world: SyncWorld) => Operation {
  return (world) => (thread) => {
    const lot = world.lot(thread)
    const got = acquire(lot, world.lockAt, Infinity)
    if (got === -ETIMEDOUT) return
    enter(world, thread, got)
    leave(world, thread)
    thread.assert(release(lot, world.lockAt) === 0, 'unlock: not the owner')
  }
}

function timedSection(world: SyncWorld): Operation {
  return (thread) => {
    const lot = world.lot(thread)
    const got = lock(lot, world.lockAt, 1)
    if (got === -ETIMEDOUT) return
    enter(world, thread, got)
    leave(world, thread)
    thread.assert(unlock(lot, world.lockAt) === 0, 'unlock: not the owner')
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
        if (resultOf(thread, number) !== PENDING) return
        const got = onBellLock(world.lot(thread), world.lockAt, recordOf(world, thread, number))
        settle(world, thread, number, got)
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

/** Begins, and aborts if it is still pending; else it is in, and leaves again. */
function aborting(world: SyncWorld, number: number): Operation[] {
  return [
    begins(world, number),
    (thread) => {
      if (resultOf(thread, number) !== PENDING) {
        leaves(world, thread)
        return
      }
      abandonLock(world.lot(thread), world.lockAt, recordOf(world, thread, number), ABORTED)
    },
  ]
}

function begins(world: SyncWorld, number: number): Operation {
  return (thread) => {
    const got = beginLock(world.lot(thread), world.lockAt, recordOf(world, thread, number))
    settle(world, thread, number, got)
  }
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

function recordOf(world: SyncWorld, thread: ModelThread, number: number): number {
  return world.record(thread, number)
}

function isWaiting(world: SyncWorld, state: Snapshot, number: number): boolean {
  return state.cpu.load(world.record({ index: 0 } as ModelThread, number) + WaitRecord.state) === WAITING
}

// ── reapers ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** What the reaper does: the lot's steps, and those of the kind that the lock is of. */
function repair(world: SyncWorld, thread: ModelThread, dead: number): void {
  const lot = world.lot(thread)
  repairSync(lot, dead)
  releaseDead(lot, world.lockAt, dead)
}

function reaps(world: SyncWorld): ReaperOperation {
  return (thread, dead) => {
    repair(world, thread, dead)
  }
}

/** What happens when the supervisor's Thread refuses to wait: the steps are run again from the first. */
function twice(world: SyncWorld): ReaperOperation {
  return (thread, dead) => {
    class GivesUp extends Error {}
    const { cpu, at, tid } = thread
    const impatient: Thread = {
      cpu,
      at,
      tid,
      spinTurns: 0,
      now: () => 0,
      isStarving: () => false,
      ring: (bell) => {
        thread.ring(bell)
      },
      sleep: () => {
        throw new GivesUp()
      },
      awaitChange: () => {
        throw new GivesUp()
      },
    }
    try {
      repair(world, impatient as ModelThread, dead)
    } catch (error) {
      if (!(error instanceof GivesUp)) throw error
    }
    repair(world, thread, dead)
  }
}

function wakesOnlyIfOwner(world: SyncWorld): ReaperOperation {
  return (thread, dead) => {
    const lot = world.lot(thread)
    takeOverBuckets(lot, dead)
    clearRecord(lot, dead)
    if ((thread.cpu.load(world.lockAt) & OWNER_MASK) === dead) releaseDead(lot, world.lockAt, dead)
    lot.ringEverybody()
  }
}

function doesNotRing(world: SyncWorld): ReaperOperation {
  return (thread, dead) => {
    const lot = world.lot(thread)
    takeOverBuckets(lot, dead)
    withdrawRecords(lot, dead)
    releaseDead(lot, world.lockAt, dead)
  }
}

function trustsQueues(world: SyncWorld): ReaperOperation {
  return (thread, dead) => {
    const lot = world.lot(thread)
    if (thread.cpu.load(world.bucketsAt) === dead) lot.unlockBucket(world.bucketsAt)
    withdrawRecords(lot, dead)
    releaseDead(lot, world.lockAt, dead)
    lot.ringEverybody()
  }
}

/** Takes a dead thread's wait away without asking whether it had swallowed a wake-up. */
function clearRecord(lot: Lot, dead: number): void {
  const record = (dead & 0xff) * ThreadSlot.sizeof + ThreadSlot.record
  if (lot.stateOf(record) === UNUSED) return
  lot.withdraw(record, ABORTED)
  lot.cpu.store(record + WaitRecord.state, UNUSED)
}

function reapsTheLiving(world: SyncWorld): ReaperOperation {
  return (thread, dead) => {
    const lot = world.lot(thread)
    repair(world, thread, dead)
    const owner = thread.cpu.load(world.lockAt) & OWNER_MASK
    if (owner !== 0) releaseDead(lot, world.lockAt, owner)
  }
}

// ── planted bugs ──────────────────────────────────────────────────────────────────────────────────────────────────

function unlockWithoutWake(lot: Lot, at: number): number {
  lot.cpu.store(at, 0)
  return 0
}

/** Announces itself, then queues under the lock without asking whether the word still says so. */
function lockWithoutRecheck(lot: Lot, at: number): number {
  const hasty = {
    ...mutexWait,
    announce: () => true,
    take: (its: Lot, where: number) => {
      const taken = mutexWait.take(its, where)
      if (taken === BUSY) mutexWait.announce(its, where)
      return taken
    },
  }
  return waitBlocked(lot, hasty, at, Infinity)
}

function lockWithSloppyTimeout(lot: Lot, at: number): number {
  const sloppy = Object.create(lot, {
    withdraw: {
      value: (record: number, outcome: number) => {
        const seen = lot.stateOf(record)
        if (seen !== WAITING) return seen
        lot.cpu.store(record + WaitRecord.state, outcome)
        lot.unlink(record)
        return outcome
      },
    },
  }) as Lot
  // The planted withdraw replaces the one that block() calls on itself.
  lot.withdraw = sloppy.withdraw.bind(sloppy)
  return waitBlocked(lot, mutexWait, at, 1)
}

function lockAndForgetWaiters(lot: Lot, at: number): number {
  const forgetful = {
    ...mutexWait,
    take: (its: Lot, where: number) => {
      const taken = mutexWait.take(its, where)
      if (taken === 0) its.cpu.and(where, ~WAITERS)
      return taken
    },
  }
  return waitBlocked(lot, forgetful, at, Infinity)
}

/** As in Boost.Interprocess: first take the lock, then write down who has it. */
function ownerApart(world: SyncWorld): Operation {
  const ownerAt = world.lockAt + 8
  return (thread) => {
    const { cpu } = thread
    while (cpu.compareExchange(world.lockAt, 0, 1) !== 0) thread.awaitChange(world.lockAt, 1)
    cpu.store(ownerAt, thread.tid)
    cpu.store(ownerAt, 0)
    cpu.store(world.lockAt, 0)
  }
}

function reapsOwnerApart(world: SyncWorld): ReaperOperation {
  return (thread, dead) => {
    if (thread.cpu.load(world.lockAt + 8) !== dead) return
    thread.cpu.store(world.lockAt + 8, 0)
    thread.cpu.store(world.lockAt, 0)
  }
}
