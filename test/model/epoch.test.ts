/** The epoch, as it ships, under every interleaving: what was unlinked before synchronize() is looked at by nobody after it. */

import { describe, test } from 'vitest'
import {
  awaitGrace,
  enterEpoch,
  graceTarget,
  leaveEpoch,
  RawEpoch,
  releaseDeadSections,
} from '../../src/sync/epoch.ts'
import { homeEntry, register } from '../../src/sync/readers.ts'
import { repairSync } from '../../src/sync/repair.ts'
import type { Lot } from '../../src/sync/lot.ts'
import type { Bounds, Model, Operation } from '../../src/testing/model.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { syncWorld, type SyncWorld } from './sync-world.ts'
import { finds, holds } from './verdicts.ts'

/** Ghost words: what was freed, by version; and what each thread looks at, + 1. */
const FREED = 0
const LOOKS = 8

interface Shape {
  name: string
  threads: (world: SyncWorld) => Operation[][]
  kill?: readonly number[]
  bounds?: Bounds
}

function modelOf({ name, threads: make, kill = [], bounds = {} }: Shape): Model {
  const count = make(syncWorld(0)).length
  const world = syncWorld(count)
  const at = world.lockAt
  const isLine = (word: number) => {
    const offset = word % ThreadSlot.sizeof
    return word < world.bucketsAt && (offset >= ThreadSlot.readers || offset === ThreadSlot.reads)
  }
  return {
    name: `epoch, ${name}`,
    ...world.base,
    notes: (word) =>
      word >= at
        ? word > at && word < at + RawEpoch.sizeof
        : (world.base.notes as (at: number) => boolean)(word) || isLine(word),
    hints: () => false,
    init: (cpu) => {
      for (let index = 0; index < count; index++) {
        const thread = { tid: index, at: index * ThreadSlot.sizeof }
        register({ cpu, thread } as unknown as Lot, at + RawEpoch.set)
      }
    },
    threads: make(world),
    kill,
    bounds,
    ...(kill.length === 0
      ? {}
      : {
          reaper: [
            (thread, dead) => {
              const lot = world.lot(thread)
              thread.ghost((ghost) => (ghost[LOOKS + (dead & 0xff)] = 0))
              repairSync(lot, dead)
              releaseDeadSections(lot, at, dead)
            },
          ],
        }),
    invariant: ({ ghost, assert }) => {
      for (let thread = 0; thread < count; thread++) {
        const version = ghost[LOOKS + thread] - 1
        assert(version < 0 || ghost[FREED + version] === 0, 'a section looks at what was freed')
      }
    },
    final: (state) => {
      for (let thread = 0; thread < count; thread++) {
        state.assert(
          state.cpu.load(homeEntry(thread * ThreadSlot.sizeof, at)) === 0,
          'nobody is in, in the end',
        )
      }
      state.assert(world.isQuiet(state), 'nothing is left in the lot')
    },
  }
}

type Synchronize = (lot: Lot, at: number) => void

/** A section that looks at the present version. */
function looks(world: SyncWorld): Operation {
  return (thread) => {
    const lot = world.lot(thread)
    enterEpoch(lot, world.lockAt)
    const version = thread.cpu.load(world.scratch)
    thread.ghost((ghost) => (ghost[LOOKS + thread.index] = version + 1))
    thread.cpu.load(world.scratch + 1)
    thread.ghost((ghost) => (ghost[LOOKS + thread.index] = 0))
    leaveEpoch(lot, world.lockAt)
  }
}

const synchronize: Synchronize = (lot, at) => awaitGrace(lot, at, graceTarget(lot, at), Infinity)

/** Puts a new version in the place of the present one, and frees that after a grace period. */
function replaces(world: SyncWorld, how: Synchronize = synchronize): Operation {
  return (thread) => {
    const old = thread.cpu.add(world.scratch, 1)
    how(world.lot(thread), world.lockAt)
    thread.ghost((ghost) => (ghost[FREED + old] = 1))
  }
}

describe('nobody looks at what was freed, and nobody waits for ever', () => {
  test('a section and a replacement, in full', () => {
    holds(modelOf({ name: 'looks, replaces', threads: (w) => [[looks(w)], [replaces(w)]] }))
  })

  test('2 sections and 2 replacements, 4 preemptions', () => {
    holds(
      modelOf({
        name: 'looks x 2, replaces x 2',
        threads: (w) => [
          [looks(w), looks(w)],
          [replaces(w), replaces(w)],
        ],
        bounds: { preemptions: 4 },
      }),
    )
  })

  test('2 threads of sections, 1 that replaces twice, 2 preemptions', () => {
    holds(
      modelOf({
        name: '2 look, replaces x 2',
        threads: (w) => [[looks(w), looks(w)], [looks(w)], [replaces(w), replaces(w)]],
        bounds: { preemptions: 2 },
      }),
    )
  })

  test('2 that replace, 2 preemptions', () => {
    holds(
      modelOf({
        name: 'looks, 2 replace',
        threads: (w) => [[looks(w), looks(w)], [replaces(w)], [replaces(w)]],
        bounds: { preemptions: 2 },
      }),
    )
  })

  test.each([0, 1])('thread %i of 3 killed anywhere, 2 preemptions', (victim) => {
    holds(
      modelOf({
        name: `looks, 2 replace, kill ${victim}`,
        threads: (w) => [[looks(w)], [replaces(w)], [replaces(w)]],
        kill: [victim],
        bounds: { preemptions: 2 },
      }),
    )
  })
})

describe('planted bugs are found', () => {
  test('a grace period of one step', () => {
    const oneStep: Synchronize = (lot, at) => awaitGrace(lot, at, graceTarget(lot, at) - 1, Infinity)

    finds(
      modelOf({ name: 'one step', threads: (w) => [[looks(w)], [replaces(w, oneStep)]] }),
      /looks at what was freed/,
    )
  })

  test('a section that says where it is when it has looked', () => {
    const late =
      (world: SyncWorld): Operation =>
      (thread) => {
        const lot = world.lot(thread)
        const version = thread.cpu.load(world.scratch)
        enterEpoch(lot, world.lockAt)
        thread.ghost((ghost) => (ghost[LOOKS + thread.index] = version + 1))
        thread.cpu.load(world.scratch + 1)
        thread.ghost((ghost) => (ghost[LOOKS + thread.index] = 0))
        leaveEpoch(lot, world.lockAt)
      }

    finds(
      modelOf({ name: 'says late', threads: (w) => [[late(w)], [replaces(w)]] }),
      /looks at what was freed/,
    )
  })

  test('a section that tells nobody when it ends', () => {
    const tellsNobody =
      (world: SyncWorld): Operation =>
      (thread) => {
        enterEpoch(world.lot(thread), world.lockAt)
        thread.cpu.load(world.scratch)
        thread.cpu.store(homeEntry(thread.at, world.lockAt), 0)
      }

    finds(
      modelOf({ name: 'tells nobody', threads: (w) => [[tellsNobody(w)], [replaces(w)]] }),
      /waits for ever/,
    )
  })
})
