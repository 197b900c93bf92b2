/**
 * How a thread hears of its asynchronous waits: it looks at the records that are marked, not at all that wait. The event loop
 * is a sleep at the bell (memory/async-waits.ts has the promises).
 *
 * Ghost: the waits that have ended.
 */

import { describe, test } from 'vitest'
import { Lot } from '../../src/sync/lot.ts'
import { RecordChunk } from '../../src/sync/records.ts'
import { repairSync } from '../../src/sync/repair.ts'
import { beginAcquire, onBellAcquire, release } from '../../src/sync/semaphore.ts'
import { WAITING, WaitRecord } from '../../src/sync/wait-record.ts'
import { PENDING } from '../../src/sync/wait.ts'
import type { Bounds, Model, ModelThread } from '../../src/testing/model.ts'
import { ASLEEP, ThreadSlot } from '../../src/threads/slot.ts'
import { syncWorld, type SyncWorld } from './sync-world.ts'
import { finds, holds } from './verdicts.ts'

const ENDED = 0

describe('a thread looks at what is marked, and misses nothing', () => {
  test('a waker, in full', () => {
    holds(model({ name: 'a wait, a waker', wakers: 1 }))
  })

  test('two wakers, 3 preemptions', () => {
    holds(model({ name: 'two waits, two wakers', wakers: 2, bounds: { preemptions: 3 } }))
  })

  test('a waker dies anywhere: alone in full, and beside another, 1 preemption', () => {
    holds(model({ name: 'a wait, a waker', wakers: 1, kill: [1] }))
    holds(model({ name: 'two waits, two wakers', wakers: 2, kill: [1], bounds: { preemptions: 1 } }))
  })

  test('planted: a bell that is rung before the mark is set is found', () => {
    class MarksLate extends Lot {
      readonly #late: number[] = []

      override markWoken(record: number): void {
        this.#late.push(record)
      }

      override ring(woken: readonly number[]): void {
        super.ring(woken)
        for (const record of this.#late) super.markWoken(record)
      }
    }
    finds(model({ name: 'marks late', wakers: 2, Lot: MarksLate }), /waits for ever/)
  })

  test('planted: a reaper that rings and marks nothing is found', () => {
    class MarksNothing extends Lot {
      protected override markAllWoken(): void {
        // trusts that the dead had marked what it woke
      }
    }
    finds(
      model({
        name: 'no marks after a death',
        wakers: 2,
        kill: [1],
        ReapersLot: MarksNothing,
        bounds: { preemptions: 2 },
      }),
      /waits for ever/,
    )
  })
})

interface Parts {
  name: string
  wakers: number
  kill?: readonly number[]
  bounds?: Bounds
  Lot?: typeof Lot
  ReapersLot?: typeof Lot
}

/** Thread 0 has begun a wait for each of the permits that the others release. */
function model({ name, wakers, kill = [], bounds = {}, ...kinds }: Parts): Model {
  const world = syncWorld(1 + wakers, true)
  const numbers = Array.from({ length: wakers }, (_, i) => i + 1)
  const { geometry } = world.lot({ index: 0 } as ModelThread)
  const make = (thread: ModelThread, Kind = Lot) => new Kind(thread, geometry)
  const isMark = (at: number) => {
    const offset = at - world.record({ index: 0 }, 0)
    return offset === RecordChunk.woken || offset === RecordChunk.woken + 1
  }
  return {
    name: `bell, ${name}${kill.length === 0 ? '' : `, kill ${kill.join(' ')}`}`,
    ...world.base,
    notes: (at) => !isMark(at) && (world.base.notes as (at: number) => boolean)(at),
    init: (cpu) => {
      world.giveRecords(cpu, 0)
    },
    kill,
    bounds,
    threads: [
      [
        (thread) => {
          for (const number of numbers) {
            const got = beginAcquire(world.lot(thread), world.lockAt, world.record(thread, number))
            if (got !== PENDING) ends(thread)
          }
        },
        ...numbers.map(() => (thread: ModelThread) => {
          turn(world, thread, make(thread))
        }),
      ],
      ...numbers.map(() => [
        (thread: ModelThread) => {
          release(make(thread, kinds.Lot), world.lockAt, 1)
        },
      ]),
    ],
    ...(kill.length === 0
      ? {}
      : {
          reaper: [
            (thread: ModelThread, dead: number) => {
              const lot = make(thread, kinds.ReapersLot)
              repairSync(lot, dead)
              release(lot, world.lockAt, 1) // it may have died before
            },
          ],
        }),
  }
}

/** One wait ends, at least, unless all have: sleeps as the event loop does, and carries on what is marked. */
function turn(world: SyncWorld, thread: ModelThread, lot: Lot): void {
  const before = thread.ghost((ghost) => ghost[ENDED])
  const count = [1, 2].filter((number) => lot.stateOf(world.record(thread, number)) !== 0).length
  if (count === 0) return
  for (;;) {
    if (lot.listen()) thread.sleep(thread.at + ThreadSlot.bell, ASLEEP, Infinity)
    lot.heed()
    for (const record of lot.takeWoken()) {
      const state = thread.cpu.load(record + WaitRecord.state)
      if (state === 0 || state === WAITING) continue
      if (onBellAcquire(lot, world.lockAt, record) !== PENDING) ends(thread)
    }
    if (thread.ghost((ghost) => ghost[ENDED]) > before) return
  }
}

function ends(thread: ModelThread): void {
  thread.ghost((ghost) => ++ghost[ENDED])
}
