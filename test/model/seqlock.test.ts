/** The sequence lock, as it ships, under every interleaving: nobody goes on with what is torn. */

import { describe, test } from 'vitest'
import type { Lot } from '../../src/sync/lot.ts'
import { repairSync } from '../../src/sync/repair.ts'
import {
  awaitEven,
  beginSeqRead,
  beginSeqWrite,
  endSeqWrite,
  RawSeqLock,
  releaseDeadSeqWriter,
  validateSeqRead,
} from '../../src/sync/seqlock.ts'
import type { Bounds, Model, Operation, Run } from '../../src/testing/model.ts'
import { lock, RawMutex, unlock } from '../../src/sync/mutex.ts'
import { EOWNERDEAD, ETIMEDOUT } from '../../src/words/errno.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { syncWorld, type SyncWorld } from './sync-world.ts'
import { finds, holds } from './verdicts.ts'

interface Shape {
  name: string
  threads: (world: SyncWorld) => Operation[][]
  kill?: readonly number[]
  bounds?: Bounds
}

function modelOf({ name, threads: make, kill = [], bounds = {} }: Shape): Model {
  const world = syncWorld(make(syncWorld(0)).length)
  const at = world.lockAt
  const mutexAt = at + RawSeqLock.mutex
  return {
    name: `seqlock, ${name}`,
    ...world.base,
    notes: (word) =>
      word === mutexAt + RawMutex.mode ||
      (word < world.bucketsAt && word % ThreadSlot.sizeof === ThreadSlot.admitted) ||
      (word < at && (world.base.notes as (at: number) => boolean)(word)),
    hints: (word) => word === mutexAt + RawMutex.spins || word === mutexAt + RawMutex.since,
    threads: make(world),
    kill,
    bounds,
    ...(kill.length === 0
      ? {}
      : {
          reaper: [
            (thread, dead) => {
              const lot = world.lot(thread)
              repairSync(lot, dead)
              releaseDeadSeqWriter(lot, at, dead)
            },
            writes(world), // there may be no next writer: the program sends one
          ],
        }),
    final: (state) => {
      state.assert(state.cpu.load(mutexAt) === 0 || kill.length > 0, 'nobody writes in the end')
      state.assert(world.isQuiet(state), 'nothing is left in the lot')
    },
  }
}

type Validate = (lot: Lot, at: number, began: number) => boolean

/** Reads both words until they are of one write. A reader that gives up has seen nothing. */
function reads(world: SyncWorld, deadline = Infinity, validate: Validate = validateSeqRead): Operation {
  return (thread) => {
    const lot = world.lot(thread)
    for (;;) {
      const began = beginSeqRead(lot, world.lockAt)
      if (began < 0) {
        if (awaitEven(lot, world.lockAt, deadline) === -ETIMEDOUT) return
        continue
      }
      const one = thread.cpu.plainLoad(world.scratch)
      const two = thread.cpu.plainLoad(world.scratch + 1)
      if (!validate(lot, world.lockAt, began)) continue
      thread.assert(one === two, `torn: ${one} and ${two}`)
      return
    }
  }
}

interface Lock {
  begin: (lot: Lot, at: number, deadline: number) => number
  end: (lot: Lot, at: number) => void
}

const shipped: Lock = { begin: beginSeqWrite, end: endSeqWrite }

/** Makes both words one more than the first was; a writer that was told of a death does just that. */
function writes(world: SyncWorld, its = shipped): Run {
  return (thread) => {
    const lot = world.lot(thread)
    const got = its.begin(lot, world.lockAt, Infinity)
    thread.assert(got === 0 || got === EOWNERDEAD, `begin: ${got}`)
    const one = thread.cpu.plainLoad(world.scratch)
    const two = thread.cpu.plainLoad(world.scratch + 1)
    thread.assert(one === two || got === EOWNERDEAD, 'a writer finds it torn and was not told')
    thread.cpu.plainStore(world.scratch, one + 1)
    thread.cpu.plainStore(world.scratch + 1, one + 1)
    its.end(lot, world.lockAt)
  }
}

describe('nobody goes on with what is torn, and nobody waits for ever', () => {
  test('a reader and a writer, in full', () => {
    holds(modelOf({ name: 'r w', threads: (w) => [[reads(w)], [writes(w)]] }))
  })

  test('a reader and 2 writers, 2 preemptions', () => {
    holds(
      modelOf({
        name: 'r w w',
        threads: (w) => [[reads(w)], [writes(w)], [writes(w)]],
        bounds: { preemptions: 2 },
      }),
    )
  })

  test('2 readers, one that may give up, and a writer, 2 preemptions', () => {
    holds(
      modelOf({
        name: 'r r w',
        threads: (w) => [[reads(w)], [reads(w, 1)], [writes(w)]],
        bounds: { preemptions: 2 },
      }),
    )
  })

  test('a writer killed anywhere: readers wait until the next one has made it whole, 1 preemption', () => {
    holds(
      modelOf({
        name: 'r w w, kill 1',
        threads: (w) => [[reads(w)], [writes(w)], [writes(w)]],
        kill: [1],
        bounds: { preemptions: 1 },
      }),
    )
  })
})

describe('planted bugs are found', () => {
  test('a reader that does not look at the sequence again', () => {
    finds(
      modelOf({ name: 'looks once', threads: (w) => [[reads(w, Infinity, () => true)], [writes(w)]] }),
      /torn/,
    )
  })

  test('a writer that leaves the sequence even while it writes', () => {
    const quiet: Lock = {
      begin: (lot, at, deadline) => lock(lot, at + RawSeqLock.mutex, deadline),
      end: (lot, at) => {
        unlock(lot, at + RawSeqLock.mutex)
      },
    }

    finds(modelOf({ name: 'even', threads: (w) => [[reads(w)], [writes(w, quiet)]] }), /torn/)
  })
})
