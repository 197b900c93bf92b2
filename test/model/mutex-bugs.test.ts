/** Bugs of locks and reapers, planted into the mutex: the explorer must find each. */

import { describe, test } from 'vitest'
import type { Lot } from '../../src/sync/lot.ts'
import { ABORTED, UNUSED, WAITING, WaitRecord } from '../../src/sync/wait-record.ts'
import { mutexWait, OWNER_MASK, releaseDead, unlock, WAITERS } from '../../src/sync/mutex.ts'
import { takeOverBuckets, withdrawRecords } from '../../src/sync/repair.ts'
import { BUSY, waitBlocked } from '../../src/sync/wait.ts'
import type { Operation, ReaperOperation } from '../../src/testing/model.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { finds, repair, with_ } from './mutex-models.ts'
import type { SyncWorld } from './sync-world.ts'

describe('planted bugs are found', () => {
  test('an unlock that wakes nobody', () => {
    finds({ threads: 2, sections: 1, section: with_(unlockWithoutWake) }, /waits for ever/)
  })

  test('a waiter that queues without looking again under the bucket lock', () => {
    finds({ threads: 2, sections: 1, section: with_(unlock, lockWithoutRecheck) }, /waits for ever/)
  })

  test('a time-out that is decided by load and store', () => {
    finds(
      {
        threads: 3,
        sections: 1,
        section: with_(unlock, lockWithSloppyTimeout),
        bounds: { preemptions: 3, timeouts: 1 },
      },
      /waits for ever/,
    )
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
    finds({ threads: 2, sections: 1, kill: [0], reaper: trustsQueues }, /waits for ever/)
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
