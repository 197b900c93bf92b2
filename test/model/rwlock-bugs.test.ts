/** Bugs of read-write locks, planted: the explorer must find each. */

import { describe, test } from 'vitest'
import { readLock, readUnlock, releaseDeadRw, writeLock } from '../../src/sync/rwlock.ts'
import { writeWait } from '../../src/sync/rwlock-tries.ts'
import { PREFER_WRITERS } from '../../src/sync/rwlock-word.ts'
import { entryOf, homeEntry } from '../../src/sync/readers.ts'
import { repairSync } from '../../src/sync/repair.ts'
import { waitBlocked } from '../../src/sync/wait.ts'
import type { Operation } from '../../src/testing/model.ts'
import { finds, holds, outside, reads, shipped, writes, type Lock, type Shape } from './rwlock-models.ts'
import type { SyncWorld } from './sync-world.ts'

describe('planted bugs are found', () => {
  test('a reader that looks at the word first, and says that it reads afterwards', () => {
    finds(
      {
        name: 'looks first',
        how: 0,
        threads: (world) => [[reads(world, Infinity, looksFirst)], [writes(world)]],
      },
      /one writes while another reads/,
    )
  })

  test('a writer that looks for readers first, and writes its id afterwards', () => {
    finds(
      {
        name: 'claims last',
        how: 0,
        threads: (world) => [[reads(world)], [writes(world, Infinity, claimsLast)]],
      },
      /one writes while another reads/,
    )
  })

  test('a last reader that tells nobody', () => {
    finds(
      {
        name: 'tells nobody',
        how: 0,
        threads: (world) => [[reads(world, Infinity, tellsNobody)], [writes(world)]],
      },
      /waits for ever/,
    )
  })

  test.each([
    { say: 'planted', lock: givesUpQuietly },
    { say: 'shipped', lock: shipped },
  ])('a writer that gives up, and leaves those asleep who waited because of it: $say', ({ say, lock }) => {
    const shape: Shape = {
      name: `gives up, ${say}`,
      how: PREFER_WRITERS,
      threads: (world) => [[readsUntil(world)], [writes(world, 1, lock)], [reads(world), tells(world)]],
      bounds: { preemptions: 2 },
    }
    if (lock === shipped) holds(shape)
    else finds(shape, /waits for ever/)
  })

  test('a reaper that clears what the dead read, and wakes nobody', () => {
    finds(
      {
        name: 'wakes nobody',
        how: 0,
        threads: (world) => [[reads(world)], [writes(world)]],
        kill: [0],
        reaper: (world) => [outside, (thread, dead) => { repairSync(world.lot(thread), dead) }], // prettier-ignore
      },
      /waits for ever/,
    )
  })

  test('a reaper that hands a dead writer’s lock on as if nothing had happened', () => {
    finds(
      {
        name: 'no notice',
        how: 0,
        threads: (world) => [[writes(world)], [reads(world)]],
        kill: [0],
        reaper: (world) => [
          outside,
          (thread, dead) => {
            const lot = world.lot(thread)
            repairSync(lot, dead)
            writeWait.giveBack?.(lot, world.lockAt, dead)
            releaseDeadRw(lot, world.lockAt, dead)
          },
        ],
      },
      /nobody was told/,
    )
  })
})

const looksFirst: Lock = {
  ...shipped,
  readLock: (lot, at) => {
    for (let seen = lot.cpu.load(at); seen !== 0; seen = lot.cpu.load(at)) lot.thread.awaitChange(at, seen)
    lot.cpu.store(homeEntry(lot.thread.at, at), at)
    return 0
  },
}

const claimsLast: Lock = {
  ...shipped,
  writeLock: (lot, at, deadline) => {
    const reader = homeEntry(0, at)
    if (lot.cpu.load(reader) !== 0 || lot.cpu.compareExchange(at, 0, lot.thread.tid) !== 0)
      return writeLock(lot, at, deadline)
    return 0
  },
}

const tellsNobody: Lock = {
  ...shipped,
  readUnlock: (lot, at) => {
    lot.cpu.store(entryOf(lot, at), 0)
    return 0
  },
}

const givesUpQuietly: Lock = {
  ...shipped,
  writeLock: (lot, at, deadline) => {
    const quiet = { ...writeWait, withdrawn: () => undefined }
    return waitBlocked(lot, quiet, at, deadline)
  },
}

/** Reads until another thread has read too. */
function readsUntil(world: SyncWorld): Operation {
  return (thread) => {
    const lot = world.lot(thread)
    readLock(lot, world.lockAt, Infinity)
    thread.awaitChange(world.scratch + 1, 0)
    readUnlock(lot, world.lockAt)
  }
}

function tells(world: SyncWorld): Operation {
  return ({ cpu }) => {
    cpu.store(world.scratch + 1, 1)
  }
}
