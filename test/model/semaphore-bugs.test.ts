/** Bugs of semaphores and their reapers, planted: the explorer must find each. */

import { describe, test } from 'vitest'
import type { Lot } from '../../src/sync/lot.ts'
import { ABORTED, HANDED, UNUSED, WaitRecord } from '../../src/sync/wait-record.ts'
import { takeOverBuckets, withdrawRecords } from '../../src/sync/repair.ts'
import { release, semaphoreWait } from '../../src/sync/semaphore.ts'
import { PENDING, waitBlocked } from '../../src/sync/wait.ts'
import type { Operation, ReaperOperation } from '../../src/testing/model.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { enters, finds, lotOf, post, restores, sections, take } from './semaphore-models.ts'
import type { SyncWorld } from './sync-world.ts'

describe('planted bugs are found', () => {
  test('a release that adds permits and wakes nobody', () => {
    finds(
      { name: 'release without wake', permits: 0, threads: (world) => [[addsOnly(world)], [take(world)]] },
      /waits for ever/,
    )
  })

  test('an acquire that decides by load and store', () => {
    finds(
      {
        name: 'take by load and store',
        permits: 1,
        threads: (world) => [[sloppySection(world)], [sloppySection(world)]],
      },
      /in two places/,
    )
  })

  test('a release(2) that wakes one', () => {
    finds(
      {
        name: 'release(2) wakes one',
        permits: 0,
        threads: (world) => [[wakesOne(world)], [take(world)], [take(world)]],
        bounds: { preemptions: 3 },
      },
      /waits for ever/,
    )
  })

  test('a reaper that does not return the permit which the dead had in hand', () => {
    finds(
      {
        name: 'a permit in a dead hand',
        permits: 0,
        handOff: true,
        threads: (world) => [[post(world, 2)], [take(world)], [take(world)]],
        kill: [1],
        reaper: keepsHanded,
        bounds: { preemptions: 2 },
      },
      /permits are conserved/,
    )
  })

  test('a reaper that returns a permit for each wake-up, taken or not', () => {
    finds(
      {
        name: 'a permit too many',
        permits: 1,
        threads: (world) => [sections(world, 1), sections(world, 1)],
        kill: [1],
        reaper: returnsForWakeUps,
      },
      /permits are conserved/,
    )
  })

  test('a reaper that does not pass on a wake-up', () => {
    finds(
      {
        name: 'a wake-up that died',
        permits: 1,
        threads: (world) => [sections(world, 1), sections(world, 1), sections(world, 1)],
        kill: [1],
        reaper: swallowsWakeUps,
        bounds: { preemptions: 3 },
      },
      /waits for ever/,
    )
  })
})

function addsOnly(world: SyncWorld): Operation {
  return (thread) => {
    thread.cpu.add(world.lockAt, 1)
    enters(thread, -1)
  }
}

function sloppySection(world: SyncWorld): Operation {
  return (thread) => {
    const lot = lotOf(world, thread)
    const sloppy = {
      ...semaphoreWait,
      take: (its: Lot, at: number) => {
        const seen = its.cpu.load(at)
        if (seen <= 0) return PENDING
        its.cpu.store(at, seen - 1)
        enters(thread, 1)
        return 0
      },
    }
    if (sloppy.take(lot, world.lockAt) !== 0) waitBlocked(lot, sloppy, world.lockAt, Infinity)
    release(lot, world.lockAt, 1)
  }
}

function wakesOne(world: SyncWorld): Operation {
  return (thread) => {
    const lot = lotOf(world, thread)
    const woken: number[] = []
    const bucket = lot.lockBucket(0, world.lockAt)
    lot.wakeLocked(bucket, 0, world.lockAt, 1, woken)
    thread.cpu.add(world.lockAt, 2)
    enters(thread, -2)
    lot.unlockBucket(bucket)
    lot.ring(woken)
  }
}

/** As repairSync(), but a record in HANDED is cleared and nothing else. */
function keepsHanded(world: SyncWorld): ReaperOperation[] {
  return reaps(world, (lot, record) => {
    if (lot.stateOf(record) === HANDED) lot.cpu.store(record + WaitRecord.state, UNUSED)
  })
}

/** As repairSync(), but it takes a wake-up for a permit. */
function returnsForWakeUps(world: SyncWorld): ReaperOperation[] {
  return reaps(world, (lot, record) => {
    if (lot.stateOf(record) !== UNUSED) release(lot, world.lockAt, 1)
  })
}

/** As repairSync(), but it ends the wait of the dead without a look at what became of it. */
function swallowsWakeUps(world: SyncWorld): ReaperOperation[] {
  return reaps(world, (lot, record) => {
    if (lot.stateOf(record) === UNUSED) return
    lot.withdraw(record, ABORTED)
    lot.cpu.store(record + WaitRecord.state, UNUSED)
  })
}

/** The reaper's steps, with one more before the records are withdrawn; then the dead's permits are given back. */
function reaps(world: SyncWorld, bug: (lot: Lot, record: number) => void): ReaperOperation[] {
  return [
    (thread, dead) => {
      const lot = lotOf(world, thread)
      takeOverBuckets(lot, dead)
      bug(lot, (dead & 0xff) * ThreadSlot.sizeof + ThreadSlot.record)
      withdrawRecords(lot, dead)
      lot.ringEverybody()
    },
    ...restores(world).slice(1),
  ]
}
