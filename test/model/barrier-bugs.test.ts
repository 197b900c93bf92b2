/** Bugs of barriers, planted into this one: the explorer must find each. */

import { describe, test } from 'vitest'
import { arrive, Arrival, BROKEN, enter, nextPhase, resultOf, sleepForPhase } from '../../src/sync/barrier.ts'
import type { Lot } from '../../src/sync/lot.ts'
import { repairSync } from '../../src/sync/repair.ts'
import { BUSY, waitBlocked } from '../../src/sync/wait.ts'
import type { ReaperOperation } from '../../src/testing/model.ts'
import { ETIMEDOUT } from '../../src/words/errno.ts'
import {
  diesOrPasses,
  finds,
  lastIsKilled,
  MEMBERS,
  mendsOrPasses,
  phases,
  phasesUntilBroken,
  triesTwice,
  type Arrive,
} from './barrier-models.ts'
import type { SyncWorld } from './sync-world.ts'

describe('planted bugs are found', () => {
  test('an arrival by load and store: two are one', () => {
    finds(twice(arriveByStore), /waits for ever|passes before/)
  })

  test('a last one who ends the phase first and looks for sleepers then', () => {
    finds(lastIsKilled(endsUnlocked), /waits for ever/)
  })

  test('a waiter that queues without looking again under the bucket lock', () => {
    finds(twice(withoutRecheck), /waits for ever/)
  })

  test('a time-out that takes the arrival back without asking whether the phase is over', () => {
    finds(
      {
        name: 'takes back blindly',
        parties: 2,
        threads: (world) => [triesTwice(world, 2, takesBackBlindly), phases(world, 2, 1)],
        phases: 1,
      },
      /waits for ever|arrived|the phase goes on|phases have ended|one serial arrival/,
    )
  })

  test('a time-out that leaves its arrival behind', () => {
    finds(
      {
        name: 'leaves its arrival',
        parties: 2,
        threads: (world) => [triesTwice(world, 2, leavesItsArrival), phases(world, 2, 1)],
        phases: 1,
      },
      /passes before|waits for ever/,
    )
  })

  test('a reaper that breaks nothing', () => {
    finds(
      {
        name: 'breaks nothing',
        parties: 2,
        threads: (world) => [phasesUntilBroken(world, 2, 1), phasesUntilBroken(world, 2, 1)],
        members: [0, 1],
        kill: [0],
        reaper: (world) => (thread, dead) => {
          repairSync(world.lot(thread), dead)
        },
      },
      /waits for ever/,
    )
  })

  test('a phase that broke is taken for one that ended, once it is mended', () => {
    finds(
      {
        name: 'no note of what broke',
        parties: 3,
        threads: (world) => [diesOrPasses(world), phasesUntilBroken(world, 3, 1), mendsOrPasses(world)],
        mayKill: (_thread, operation) => operation === 0,
        members: [0, 1, 2],
        kill: [0],
        reaper: breaksWithoutNote,
      },
      /passes before/,
    )
  })
})

function twice(how: Arrive) {
  return {
    name: how.name,
    parties: 2,
    threads: (world: SyncWorld) => [phases(world, 2, 2, how), phases(world, 2, 2, how)],
  }
}

function arriveByStore(lot: Lot, at: number): number {
  const seen = lot.cpu.load(at)
  if ((seen & 1) === 1) return arrive(lot, at, Infinity)
  lot.cpu.store(at, seen + 1)
  return sleepForPhase(lot, at, seen + 1, Infinity)
}

/** Invariant 2 not kept: between the two a death leaves sleepers whom nobody wakes. */
function endsUnlocked(lot: Lot, at: number): number {
  const { cpu } = lot
  for (let seen = cpu.load(at); ;) {
    const isLast = (seen & 1) === 1
    const now = cpu.compareExchange(at, seen, isLast ? nextPhase(seen, 2) : seen + 1)
    if (now !== seen) {
      seen = now
      continue
    }
    if (!isLast) return sleepForPhase(lot, at, seen + 1, Infinity)
    const handed: number[] = []
    const bucket = lot.lockBucket(0, at)
    lot.handEachLocked(bucket, 0, at, Infinity, handed)
    lot.unlockBucket(bucket)
    lot.ring(handed)
    return 1
  }
}

function withoutRecheck(lot: Lot, at: number): number {
  const word = enter(lot, at, 2, lot.cpu.load(at))
  const result = resultOf(word, 2)
  if (result !== BUSY) return result
  const hasty = new Arrival(word)
  lot.cpu.or(at, 0x80000000 | 0)
  hasty.announce = () => true
  return waitBlocked(lot, hasty, at, Infinity)
}

function takesBackBlindly(lot: Lot, at: number, deadline: number): number {
  return givesUp(lot, at, deadline, (word) => {
    lot.cpu.compareExchange(at, word, word - 1)
  })
}

function leavesItsArrival(lot: Lot, at: number, deadline: number): number {
  return givesUp(lot, at, deadline, () => undefined)
}

function givesUp(lot: Lot, at: number, deadline: number, takeBack: (word: number) => void): number {
  const word = enter(lot, at, 2, lot.cpu.load(at))
  const result = resultOf(word, 2)
  if (result !== BUSY) return result
  const ended = waitBlocked(lot, new Arrival(word), at, deadline)
  if (ended === -ETIMEDOUT) takeBack(lot.cpu.load(at))
  return ended
}

function breaksWithoutNote(world: SyncWorld): ReaperOperation {
  return (thread, dead) => {
    const lot = world.lot(thread)
    repairSync(lot, dead)
    const woken: number[] = []
    const bucket = lot.lockBucket(0, world.lockAt)
    thread.cpu.or(world.lockAt, BROKEN)
    lot.wakeLocked(bucket, 0, world.lockAt, Infinity, woken)
    lot.unlockBucket(bucket)
    lot.ring(woken)
    thread.cpu.and(world.lockAt + MEMBERS, ~1)
  }
}
