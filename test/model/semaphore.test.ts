/** The semaphore as it ships, under every interleaving. */

import { describe, test } from 'vitest'
import { ABORTED, ASYNC, WAITING, WaitRecord, type Lot } from '../../src/sync/lot.ts'
import { repairSync } from '../../src/sync/repair.ts'
import {
  abandonAcquire,
  acquire,
  beginAcquire,
  onBellAcquire,
  release,
  SEM_VALUE_MAX,
  semaphoreWait,
} from '../../src/sync/semaphore.ts'
import { PENDING, waitBlocked } from '../../src/sync/wait.ts'
import type { Bounds, Model, ModelThread, Operation, Snapshot } from '../../src/testing/model.ts'
import { EOVERFLOW, ETIMEDOUT } from '../../src/words/errno.ts'
import { syncWorld, type SyncWorld } from './sync-world.ts'
import * as verdicts from './verdicts.ts'

/** Ghost words: permits taken and not given back, permits given in all, what task n's wait has come to. */
const TAKEN = 0
const GIVEN = 1
const TIMED = 2
const RESULT = 4

interface Shape {
  name: string
  permits: number
  threads: (world: SyncWorld) => Model['threads']
  kill?: readonly number[]
  handOff?: boolean
  bounds?: Bounds
  final?: (world: SyncWorld, state: Snapshot) => void
}

describe('no more permits are taken than there are, and nobody sleeps beside a free one', () => {
  test('2 threads take one of 1 and give it back, twice each', () => {
    holds({
      name: '2 x 2 on 1 permit',
      permits: 1,
      threads: (world) => [
        [use(world), use(world)],
        [use(world), use(world)],
      ],
    })
  })

  test('3 threads on 2 permits', () => {
    holds({
      name: '3 x 1 on 2 permits',
      permits: 2,
      threads: (world) => [[use(world)], [use(world)], [use(world)]],
      bounds: { preemptions: 3 },
    })
  })

  test('2 posters and 2 waiters', () => {
    holds({
      name: '2 posters, 2 waiters',
      permits: 0,
      threads: (world) => [[post(world, 1)], [post(world, 1)], [take(world)], [take(world)]],
      bounds: { preemptions: 2 },
    })
  })

  test('one release(2) wakes two', () => {
    holds({
      name: 'release(2), 2 waiters',
      permits: 0,
      threads: (world) => [[post(world, 2)], [take(world)], [take(world)]],
      bounds: { preemptions: 3 },
    })
  })

  test('a starved waiter is handed its permit', () => {
    holds({
      name: '2 x 2 on 1 permit, hand-off',
      permits: 1,
      handOff: true,
      threads: (world) => [
        [use(world), use(world)],
        [use(world), use(world)],
      ],
      bounds: { preemptions: 4 },
    })
  })

  test('with time-outs: a permit is taken or left, never lost', () => {
    holds({
      name: 'poster, 2 timed waiters, hand-off',
      permits: 0,
      handOff: true,
      threads: (world) => [[post(world, 1)], [take(world, 1)], [take(world, 1)]],
      bounds: { preemptions: 3, timeouts: 2 },
      final: (world, state) => {
        const there = state.cpu.load(world.lockAt) & SEM_VALUE_MAX
        state.assert(there + state.ghost[TAKEN] === 1, 'the permit is in the word or with one waiter')
      },
    })
  })
})

describe('deaths', () => {
  test('a killed waiter swallows no wake-up', () => {
    holds({
      name: 'poster, 2 waiters, kill a waiter',
      permits: 0,
      threads: (world) => [[post(world, 1)], [post(world, 1)], [take(world)], [take(world)]],
      kill: [2],
      bounds: { preemptions: 1 },
      // The dead may have taken one before it died; the living has one in any case, or `stuck` is reported.
      final: (_world, state) => {
        state.assert(state.ghost[TAKEN] >= 1, 'the living waiter has its permit')
      },
    })
  })

  test('a killed waiter returns a permit that it had in hand', () => {
    holds({
      name: 'release(2), 2 waiters, hand-off, kill a waiter',
      permits: 0,
      handOff: true,
      threads: (world) => [[post(world, 2)], [take(world)], [take(world)]],
      kill: [1],
      bounds: { preemptions: 2 },
    })
  })

  test('a killed poster has posted or not, and leaves nobody asleep beside a permit', () => {
    holds({
      name: '2 posters, waiter, kill a poster',
      permits: 0,
      threads: (world) => [[post(world, 1)], [post(world, 1)], [take(world)]],
      kill: [0],
      bounds: { preemptions: 3 },
    })
  })
})

describe('asynchronous waits', () => {
  test('two tasks of one thread and a poster of two', () => {
    holds({
      name: 'two tasks, release(2)',
      permits: 0,
      threads: (world) => [{ tasks: [task(world, 1), task(world, 2)] }, [post(world, 2)]],
      bounds: { preemptions: 3 },
    })
  })

  test('one of two tasks aborts, and the other still gets the permit', () => {
    holds({
      name: 'two tasks, one aborts',
      permits: 0,
      threads: (world) => [{ tasks: [aborts(world, 1), task(world, 2)] }, [post(world, 1), post(world, 1)]],
      bounds: { preemptions: 3 },
    })
  })
})

describe('planted bugs are found', () => {
  test('a release that adds permits and wakes nobody', () => {
    finds(
      {
        name: 'release without wake',
        permits: 0,
        threads: (world) => [[addsOnly(world)], [take(world)]],
      },
      /waits for ever/,
    )
  })

  test('an acquire that decides by load and store', () => {
    finds(
      {
        name: 'take by load and store',
        permits: 1,
        threads: (world) => [[sloppyTake(world)], [sloppyTake(world)]],
      },
      /more permits/,
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
})

test('EOVERFLOW beyond SEM_VALUE_MAX, and nothing changed', () => {
  const world = syncWorld(1)
  verdicts.holds({
    name: 'semaphore, overflow',
    ...world.base,
    init: (cpu) => {
      cpu.store(world.lockAt, SEM_VALUE_MAX)
    },
    threads: [
      [
        (thread) => {
          thread.assert(release(world.lot(thread), world.lockAt, 1) === -EOVERFLOW, 'overflow is told')
          thread.assert(thread.cpu.load(world.lockAt) === SEM_VALUE_MAX, 'nothing changed')
        },
      ],
    ],
  })
})

// ── models ────────────────────────────────────────────────────────────────────────────────────────────────────────

function modelOf(shape: Shape): Model {
  const count = shape.threads(syncWorld(0, true)).length
  const world = syncWorld(count, true)
  const { kill = [], handOff = false, bounds = {} } = shape
  return {
    name: `semaphore, ${shape.name}`,
    ...world.base,
    handOff,
    kill,
    bounds,
    init: (cpu) => {
      cpu.store(world.lockAt, shape.permits)
      const first = world.record({ index: 0 } as ModelThread, 0)
      for (let i = 1; i < 4; i++) cpu.store(first + i * WaitRecord.sizeof + WaitRecord.kind, ASYNC)
    },
    threads: shape.threads(world),
    ...(kill.length === 0 ? {} : { reaper: [(thread, dead) => { repairSync(world.lot(thread), dead) }] }), // prettier-ignore
    invariant: ({ ghost, assert }) => {
      assert(ghost[TAKEN] <= shape.permits + ghost[GIVEN], 'more permits are taken than there are')
    },
    final: (state) => {
      state.assert(world.isQuiet(state), 'nothing is left in the lot')
      shape.final?.(world, state)
    },
  }
}

function holds(shape: Shape): void {
  verdicts.holds(modelOf(shape))
}

function finds(shape: Shape, what: RegExp): void {
  verdicts.finds(modelOf(shape), what)
}

// ── what threads do ───────────────────────────────────────────────────────────────────────────────────────────────

function take(world: SyncWorld, deadline = Infinity): Operation {
  return (thread) => {
    const got = acquire(world.lot(thread), world.lockAt, deadline)
    thread.ghost((ghost) => (got === -ETIMEDOUT ? ++ghost[TIMED] : ++ghost[TAKEN]))
  }
}

function post(world: SyncWorld, count: number): Operation {
  return (thread) => {
    // Counted first: a waiter may have it before release() returns.
    thread.ghost((ghost) => (ghost[GIVEN] += count))
    thread.assert(release(world.lot(thread), world.lockAt, count) === 0, 'release')
  }
}

function use(world: SyncWorld): Operation {
  return (thread) => {
    const lot = world.lot(thread)
    acquire(lot, world.lockAt, Infinity)
    thread.ghost((ghost) => ++ghost[TAKEN])
    thread.cpu.load(world.scratch) // where the others come in
    thread.ghost((ghost) => --ghost[TAKEN])
    release(lot, world.lockAt, 1)
  }
}

function task(world: SyncWorld, number: number): Operation[] {
  return [
    (thread) => {
      settle(thread, number, beginAcquire(world.lot(thread), world.lockAt, world.record(thread, number)))
    },
    ...[0, 1].map((): Operation => ({
      when: (state) => state.ghost[RESULT + number] !== PENDING || hasRung(world, state, number),
      run: (thread) => {
        if (thread.ghost((ghost) => ghost[RESULT + number]) !== PENDING) return
        settle(thread, number, onBellAcquire(world.lot(thread), world.lockAt, world.record(thread, number)))
      },
    })),
    { when: (state) => state.ghost[RESULT + number] !== PENDING, run: () => undefined },
  ]
}

function aborts(world: SyncWorld, number: number): Operation[] {
  return [
    (thread) => {
      settle(thread, number, beginAcquire(world.lot(thread), world.lockAt, world.record(thread, number)))
    },
    (thread) => {
      if (thread.ghost((ghost) => ghost[RESULT + number]) !== PENDING) return
      abandonAcquire(world.lot(thread), world.lockAt, world.record(thread, number), ABORTED)
    },
  ]
}

function settle(thread: ModelThread, number: number, got: number): void {
  thread.ghost((ghost) => {
    ghost[RESULT + number] = got
    return got === PENDING ? 0 : ++ghost[TAKEN]
  })
}

function hasRung(world: SyncWorld, state: Snapshot, number: number): boolean {
  return state.cpu.load(world.record({ index: 0 } as ModelThread, number) + WaitRecord.state) !== WAITING
}

// ── planted bugs ──────────────────────────────────────────────────────────────────────────────────────────────────

function sloppyTake(world: SyncWorld): Operation {
  return (thread) => {
    const sloppy = {
      ...semaphoreWait,
      take: (lot: Lot, at: number) => {
        const seen = lot.cpu.load(at)
        if (seen <= 0) return PENDING
        lot.cpu.store(at, seen - 1)
        return 0
      },
    }
    if (sloppy.take(world.lot(thread), world.lockAt) !== 0)
      waitBlocked(world.lot(thread), sloppy, world.lockAt, Infinity)
    thread.ghost((ghost) => ++ghost[TAKEN])
    thread.cpu.load(world.scratch) // where the others come in
    thread.ghost((ghost) => --ghost[TAKEN])
    release(world.lot(thread), world.lockAt, 1)
  }
}

function addsOnly(world: SyncWorld): Operation {
  return (thread) => {
    thread.ghost((ghost) => ++ghost[GIVEN])
    thread.cpu.add(world.lockAt, 1)
  }
}

function wakesOne(world: SyncWorld): Operation {
  return (thread) => {
    const lot = world.lot(thread)
    const woken: number[] = []
    thread.ghost((ghost) => (ghost[GIVEN] += 2))
    const bucket = lot.lockBucket(0, world.lockAt)
    lot.wakeLocked(bucket, 0, world.lockAt, 1, woken)
    thread.cpu.add(world.lockAt, 2)
    lot.unlockBucket(bucket)
    lot.ring(woken)
  }
}
