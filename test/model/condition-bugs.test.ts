/** Bugs of conditions, and of records that move between queues, planted: the explorer must find each. */

import { describe, test } from 'vitest'
import { conditionNotify, conditionWait } from '../../src/sync/condition.ts'
import type { Lot } from '../../src/sync/lot.ts'
import { unlock, WAITERS } from '../../src/sync/mutex.ts'
import { WAITING, WaitRecord, WOKEN } from '../../src/sync/wait-record.ts'
import { after, consumes, finds, produces, waitsOnce } from './condition-models.ts'
import type { SyncWorld } from './sync-world.ts'

const { key1, bucket } = WaitRecord

describe('planted bugs are found', () => {
  test('a waiter that unlocks the mutex before it queues', () => {
    finds(
      {
        name: 'unlocks first',
        threads: (world) => [[consumes(world, Infinity, unlocksFirst)], [produces(world, 1, 1, false)]],
      },
      /waits for ever/,
    )
  })

  test('who is notified first is woken before the mutex says that others queue', () => {
    finds(
      {
        name: 'marks too late',
        threads: (world) => [
          [consumes(world)],
          [consumes(world)],
          [produces(world, 2, Infinity, false, marksTooLate(world))],
        ],
        bounds: { preemptions: 2 },
      },
      /waits for ever/,
    )
  })

  test('a time-out that does not ask whether the notification was first', () => {
    finds(
      {
        name: 'time-out beside a notification',
        threads: (world) => [[waitsOnce(world, 1, alwaysLate)], [after(1, produces(world, 0, 1, true))]],
        isExact: true,
      },
      /lost/,
    )
  })

  test('a time-out that takes its record out of the queue where it was, not where it is', () => {
    finds(
      {
        name: 'unlinks where it was',
        threads: (world) => [
          [waitsOnce(world, 1, unlinksByFirstKey)],
          [after(1, produces(world, 0, 1, true))],
        ],
        bounds: { preemptions: 3 },
      },
      /endless: T1/,
    )
  })
})

function unlocksFirst(lot: Lot, at: number, mutexAt: number, deadline: number): number {
  // The mutex is free from here on; what follows takes it for a moment, since it must be held to wait.
  unlock(lot, mutexAt)
  while (lot.cpu.compareExchange(mutexAt, 0, lot.thread.tid) !== 0)
    lot.thread.awaitChange(mutexAt, lot.cpu.load(mutexAt))
  return conditionWait(lot, at, mutexAt, deadline)
}

/** As notify() of two waiters with a free mutex, in the order that shipped for an hour. */
function marksTooLate(world: SyncWorld): typeof conditionNotify {
  return (lot, at, count) => {
    const home = lot.bucketOf(0, at)
    const first = lot.firstLocked(home, 0, at)
    const second = first === 0 ? 0 : lot.nextLocked(first, 0, at)
    if (second === 0 || lot.cpu.load(world.lockAt) !== 0) return conditionNotify(lot, at, count)
    const away = lot.bucketOf(0, world.lockAt)
    lot.lockBuckets(home, away)
    const woken: number[] = []
    if (lot.endLocked(home, first, WOKEN)) woken.push(first)
    lot.cpu.or(world.lockAt, WAITERS)
    lot.moveLocked(home, away, second, 0, world.lockAt)
    lot.cpu.store(at, 0)
    lot.unlockBuckets(home, away)
    lot.ring(woken)
    return 2
  }
}

function alwaysLate(lot: Lot, at: number, mutexAt: number, deadline: number): number {
  const careless = Object.assign(lot, {
    withdraw: (record: number, outcome: number) => {
      const ended = withdrawOf(lot, record, outcome)
      if (ended === outcome) lot.cpu.plainStore(record + key1, at)
      return ended
    },
  })
  return conditionWait(careless, at, mutexAt, deadline)
}

function withdrawOf(lot: Lot, record: number, outcome: number): number {
  const seen = lot.cpu.compareExchange(record + WaitRecord.state, WAITING, outcome)
  if (seen !== WAITING) return seen
  lot.unlink(record)
  return outcome
}

function unlinksByFirstKey(lot: Lot, at: number, mutexAt: number, deadline: number): number {
  const careless = Object.assign(lot, {
    unlink: (record: number) => {
      const home = lot.lockBucket(0, at)
      if (lot.cpu.plainLoad(record + bucket) !== 0) unlinkFrom(lot, home, record)
      lot.unlockBucket(home)
    },
  })
  return conditionWait(careless, at, mutexAt, deadline)
}

function unlinkFrom(lot: Lot, home: number, record: number): void {
  ;(lot as unknown as { unlinkLocked(bucket: number, record: number): void }).unlinkLocked(home, record)
}
