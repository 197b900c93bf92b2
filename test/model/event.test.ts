/** The event as it ships, under every interleaving: no set() is lost, and none counts twice. */

import { describe, test } from 'vitest'
import {
  abandonEvent,
  AUTO,
  awaitEvent,
  beginEvent,
  eventWait,
  onBellEvent,
  resetEvent,
  setEvent,
  tryAwaitEvent,
} from '../../src/sync/event.ts'
import type { Lot } from '../../src/sync/lot.ts'
import { waitBlocked } from '../../src/sync/wait.ts'
import { ABORTED, HANDED, TIMED_OUT, UNUSED, WAITING, WaitRecord } from '../../src/sync/wait-record.ts'
import { takeOverBuckets } from '../../src/sync/repair.ts'
import type { Operation, ReaperOperation, Snapshot } from '../../src/testing/model.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import {
  abandons,
  finds,
  FLAGS,
  holds,
  isWaiting,
  PASSED,
  PROMISED,
  promises,
  task,
  waits,
  type Shape,
  type Steps,
} from './event-models.ts'
import type { SyncWorld } from './sync-world.ts'

const async: Steps = { begin: beginEvent, onBell: onBellEvent, abandon: abandonEvent }
const SET = 1

describe('an automatic event', () => {
  test('2 waiters, each of 2 sets lets one pass, 3 preemptions', () => {
    holds({ ...twoForTwo(setEvent), bounds: { preemptions: 3 } })
  })

  test('a sleep that ends for no reason lets nobody pass, in full', () => {
    holds({
      name: 'event, auto, spurious',
      word: AUTO,
      threads: (world) => [[sets(world)], [waits(world, awaitEvent)]],
      bounds: { spurious: 1 },
    })
  })

  test('2 setters at once: what nobody took is remembered once, in full', () => {
    holds({
      name: 'event, auto, 2 setters, a waiter',
      word: AUTO,
      threads: (world) => [[sets(world)], [sets(world)], [waits(world, awaitEvent)]],
    })
  })

  test('a time-out takes no set() from the one who waits for ever, 3 preemptions', () => {
    holds({
      name: 'event, auto, a timed waiter and another',
      word: AUTO,
      threads: (world) => [
        [sets(world)],
        [waits(world, awaitEvent, 1)],
        [waits(world, awaitEvent)],
        [setsIf(world, ({ ghost, isFinished }) => isFinished(1) && ghost[FLAGS + 1] === 0)],
      ],
      bounds: { preemptions: 3 },
    })
  })

  test('the longest waiting comes first, in full', () => {
    holds({
      name: 'event, auto, in order',
      word: AUTO,
      threads: (world) => [
        [waits(world, awaitEvent)],
        [{ when: ({ isAsleep }) => isAsleep(0), run: waits(world, awaitEvent) as never }],
        [
          {
            when: ({ isAsleep }) => isAsleep(0) && isAsleep(1),
            run: (thread) => {
              promises(thread, 1)
              setEvent(world.lot(thread), world.lockAt)
            },
          },
          { when: ({ isFinished }) => isFinished(0), run: sets(world) },
        ],
      ],
    })
  })
})

describe('tasks that wait for an automatic event', () => {
  test('two of them, and 2 sets, in full', () => {
    holds({
      name: 'event, auto, 2 tasks, 2 sets',
      word: AUTO,
      threads: (world) => [
        { tasks: [task(world, 1, async), task(world, 2, async)] },
        [
          { when: (state) => isWaiting(world, state, 1) && isWaiting(world, state, 2), run: sets(world) },
          sets(world),
        ],
      ],
    })
  })

  test.each([
    ['aborts', ABORTED],
    ['runs out of time', TIMED_OUT],
  ])('one that %s gives back the set() that was on its way, in full', (how, outcome) => {
    holds({
      name: `event, auto, a task ${how}`,
      word: AUTO,
      threads: (world) => [{ tasks: [abandons(world, 1, async, outcome)] }, [sets(world)]],
      final: passedOrSet,
    })
  })

  test('the same, and the next one in the queue gets it, 2 preemptions', () => {
    holds({
      name: 'event, auto, a task aborts, another thread waits',
      word: AUTO,
      threads: (world) => [
        { tasks: [abandons(world, 1, async, ABORTED)] },
        [sets(world)],
        [waits(world, awaitEvent)],
        [setsIf(world, ({ ghost, isFinished }) => isFinished(0) && ghost[PASSED] === 1)],
      ],
      bounds: { preemptions: 2 },
    })
  })
})

describe('a manual event', () => {
  test('lets all pass, 3 preemptions', () => {
    holds({
      name: 'event, manual, 2 waiters',
      word: 0,
      threads: (world) => [[opens(world)], [waits(world, awaitEvent)], [waits(world, awaitEvent)]],
      bounds: { preemptions: 3 },
    })
  })

  test('reset() right after set() takes nothing back from those who wait, in full', () => {
    holds({
      name: 'event, manual, set and reset',
      word: 0,
      threads: (world) => [[waits(world, awaitEvent)], [pulses(world)]],
    })
  })

  test('reset() of another thread beside set(), 3 preemptions', () => {
    holds({
      name: 'event, manual, set beside reset',
      word: 0,
      threads: (world) => [
        [waits(world, awaitEvent)],
        [{ when: ({ isAsleep }) => isAsleep(0), run: opens(world) }],
        [
          (thread) => {
            resetEvent(world.lot(thread), world.lockAt)
          },
        ],
      ],
      bounds: { preemptions: 3 },
    })
  })
})

describe('deaths', () => {
  test('a killed waiter swallows no set(), 2 preemptions', () => {
    holds(killedWaiter())
  })

  test('a task that is killed swallows no set(), 1 preemption', () => {
    holds({
      name: 'event, auto, kill a task',
      word: AUTO,
      threads: (world) => [
        { tasks: [task(world, 1, async)] },
        [{ when: (state) => isWaiting(world, state, 1) || state.isDead(0), run: sets(world) }],
        [waits(world, awaitEvent)],
        [helps(world)],
      ],
      kill: [0],
      bounds: { preemptions: 1 },
    })
  })

  test('a killed setter has set it or not, 2 preemptions', () => {
    holds({
      name: 'event, auto, kill a setter',
      word: AUTO,
      threads: (world) => [
        [sets(world)],
        [waits(world, awaitEvent)],
        [{ when: ({ isDead, isFinished }) => isDead(0) || isFinished(0), run: sets(world) }],
      ],
      kill: [0],
      bounds: { preemptions: 2 },
    })
  })
})

describe('planted bugs are found', () => {
  test('a set() that goes through the word: two in a row are one', () => {
    finds(twoForTwo(setsByWord), /waits for ever/)
  })

  test('a set() that looks for waiters before it sets', () => {
    finds(
      {
        name: 'event, looks too early',
        word: AUTO,
        threads: (world) => [[sets(world, 1, looksTooEarly)], [waits(world, awaitEvent)]],
      },
      /waits for ever/,
    )
  })

  test('a reaper that forgets a set() which was handed to the dead', () => {
    finds(killedWaiter(forgetsHanded), /waits for ever/)
  })

  test('a task that aborts and keeps the set() which was on its way', () => {
    finds(
      {
        name: 'event, keeps the set()',
        word: AUTO,
        threads: (world) => [
          { tasks: [abandons(world, 1, { ...async, abandon: keeps }, ABORTED)] },
          [sets(world)],
        ],
        final: passedOrSet,
      },
      /neither/,
    )
  })

  test('a waiter that queues without looking again under the bucket lock', () => {
    finds(
      {
        name: 'event, no second look',
        word: AUTO,
        threads: (world) => [[sets(world)], [waits(world, withoutRecheck)]],
      },
      /waits for ever/,
    )
  })

  test('a waiter that takes by load and store: one set() lets two pass', () => {
    finds(
      {
        name: 'event, takes by store',
        word: AUTO | SET,
        threads: (world) => [[takesByStore(world)], [takesByStore(world)]],
      },
      /before it may/,
    )
  })
})

type SetEvent = (lot: Lot, at: number) => void

function sets(
  world: SyncWorld,
  count = 1,
  how: SetEvent = setEvent,
): (thread: Parameters<typeof promises>[0]) => void {
  return (thread) => {
    promises(thread, count)
    how(world.lot(thread), world.lockAt)
  }
}

function opens(world: SyncWorld) {
  return sets(world, 100)
}

function setsIf(world: SyncWorld, when: (state: Snapshot) => boolean): Operation {
  return {
    when: (state) => when(state) || isOver(state),
    run: (thread) => {
      sets(world)(thread)
    },
  }
}

/** All but the last thread have finished. */
function isOver({ isFinished, isDead }: Snapshot): boolean {
  return [0, 1, 2].every((thread) => isFinished(thread) || isDead(thread))
}

/** Sets it while the other sleeps, and resets it at once. */
function pulses(world: SyncWorld): Operation {
  return {
    when: ({ isAsleep }) => isAsleep(0),
    run: (thread) => {
      opens(world)(thread)
      resetEvent(world.lot(thread), world.lockAt)
    },
  }
}

/** Both wait, then both sets come. */
function twoForTwo(how: SetEvent): Shape {
  return {
    name: `event, auto, 2 sets for 2 who sleep, ${how.name}`,
    word: AUTO,
    threads: (world) => [
      [waits(world, awaitEvent)],
      [waits(world, awaitEvent)],
      [
        {
          when: ({ isAsleep }) => isAsleep(0) && isAsleep(1),
          run: sets(world, 1, how),
        },
        sets(world, 1, how),
      ],
    ],
    final: ({ ghost, assert }) => {
      assert(ghost[PASSED] === 2, 'both have passed')
    },
  }
}

/** The set() comes when thread 0 sleeps, so it never finds it in the word. */
function killedWaiter(reaper?: Shape['reaper']): Shape {
  return {
    name: 'event, auto, kill a waiter',
    word: AUTO,
    threads: (world) => [
      [waits(world, awaitEvent)],
      [{ when: ({ isAsleep, isDead }) => isAsleep(0) || isDead(0), run: sets(world) }],
      [waits(world, awaitEvent)],
      [helps(world)],
    ],
    kill: [0],
    bounds: { preemptions: 2 },
    ...(reaper === undefined ? {} : { reaper }),
  }
}

/** One of two waiters has passed: one more set() for the other. */
function helps(world: SyncWorld): Operation {
  return { when: ({ ghost }) => ghost[PASSED] >= 1, run: sets(world) }
}

function passedOrSet({ ghost, cpu, assert }: Snapshot, world: SyncWorld): void {
  const isSet = (cpu.load(world.lockAt) & SET) !== 0
  assert(
    ghost[PASSED] === ghost[PROMISED] || isSet,
    'a set() has let nobody pass, and is not remembered: neither',
  )
}

function setsByWord(lot: Lot, at: number): void {
  const woken: number[] = []
  const bucket = lot.lockBucket(0, at)
  lot.wakeLocked(bucket, 0, at, 1, woken)
  const more = lot.firstLocked(bucket, 0, at) !== 0
  lot.cpu.store(at, AUTO | SET | (more ? 0x80000000 : 0))
  lot.unlockBucket(bucket)
  lot.ring(woken)
}

function looksTooEarly(lot: Lot, at: number): void {
  if (lot.cpu.load(at) < 0) setEvent(lot, at)
  else lot.cpu.store(at, AUTO | SET)
}

function forgetsHanded(world: SyncWorld): ReaperOperation {
  return (thread, dead) => {
    const lot = world.lot(thread)
    takeOverBuckets(lot, dead)
    const record = (dead & 0xff) * ThreadSlot.sizeof + ThreadSlot.record
    if (lot.stateOf(record) !== UNUSED) {
      if (lot.cpu.compareExchange(record + WaitRecord.state, WAITING, ABORTED) !== HANDED) lot.unlink(record)
      lot.cpu.store(record + WaitRecord.state, UNUSED)
    }
    lot.ringEverybody()
  }
}

function keeps(lot: Lot, _at: number, record: number, outcome: number): void {
  lot.withdraw(record, outcome)
  lot.freeRecord(record)
}

function withoutRecheck(lot: Lot, at: number): number {
  if (tryAwaitEvent(lot, at)) return 0
  eventWait.announce(lot, at)
  return waitBlocked(lot, { ...eventWait, announce: () => true }, at, Infinity)
}

function takesByStore(world: SyncWorld): Operation {
  return (thread) => {
    if (thread.ghost((ghost) => (ghost[PROMISED] = 1)) !== 1) return
    const seen = thread.cpu.load(world.lockAt)
    if ((seen & SET) === 0) return
    thread.cpu.store(world.lockAt, seen & ~SET)
    const isEarly = thread.ghost((ghost) => (++ghost[PASSED] > 1 ? 1 : 0))
    thread.assert(isEarly === 0, 'it passes before it may')
  }
}
