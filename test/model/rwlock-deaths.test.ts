/**
 * The read-write lock with a death between any two instructions: reads end, what was written goes on with notice. Where
 * readers are counted, at addresses of a process, both stay: only who waits for nothing of theirs goes on.
 */

import { describe, test } from 'vitest'
import { repairSync } from '../../src/sync/repair.ts'
import { COUNTED, PREFER_WRITERS } from '../../src/sync/rwlock-word.ts'
import { slotOf, ThreadSlot } from '../../src/threads/slot.ts'
import { finds, holds, reads, reapsCounted, unlocksForDead, writes, type Shape } from './rwlock-models.ts'

describe.each([
  { say: 'prefer readers', how: 0 },
  { say: 'prefer writers', how: PREFER_WRITERS },
])('$say', ({ say, how }) => {
  test.each([0, 1])('a reader and a writer, thread %i killed anywhere, 3 preemptions', (victim) => {
    holds({
      name: `${say}, r w`,
      how,
      threads: (world) => [[reads(world)], [writes(world)]],
      kill: [victim],
      bounds: { preemptions: 3 },
    })
  })

  test.each([0, 1])('a reader and 2 writers, thread %i killed anywhere, 1 preemption', (victim) => {
    holds({
      name: `${say}, r w w`,
      how,
      threads: (world) => [[reads(world)], [writes(world)], [writes(world)]],
      kill: [victim],
      bounds: { preemptions: 1 },
    })
  })

  test('2 readers and a writer, a reader killed anywhere, 2 preemptions', () => {
    holds({
      name: `${say}, r r w`,
      how,
      threads: (world) => [[reads(world)], [reads(world)], [writes(world)]],
      kill: [0],
      bounds: { preemptions: 2 },
    })
  })

  test('a writer that may time out is killed: who waited because of it goes on, 1 preemption', () => {
    holds({
      name: `${say}, r r w with time-out`,
      how,
      threads: (world) => [[reads(world)], [reads(world)], [writes(world, 1)]],
      kill: [2],
      bounds: { preemptions: 1, timeouts: 1 },
    })
  })

  test.each([0, 1])(
    'a reader whose place in its line is taken, and a writer, thread %i killed anywhere, 2 preemptions',
    (victim) => {
      holds({
        name: `${say}, r w, crowded`,
        how,
        crowded: [0],
        threads: (world) => [[reads(world)], [writes(world)]],
        kill: [victim],
        bounds: { preemptions: 2 },
      })
    },
  )

  describe('counted: the dead keep what they had, and who waits for nothing of it goes on', () => {
    const counted: Omit<Shape, 'name' | 'threads'> = {
      how: how | COUNTED,
      registered: [],
      reaper: reapsCounted,
    }

    test.each([0, 1])('a reader and a writer, thread %i killed anywhere, 3 preemptions', (victim) => {
      holds({
        ...counted,
        name: `${say}, counted, r w`,
        threads: (world) => [[reads(world)], [writes(world)], [unlocksForDead(world, victim, [1 - victim])]],
        kill: [victim],
        bounds: { preemptions: 3 },
      })
    })

    test.each([0, 2])('2 readers and a writer, thread %i killed anywhere, 2 preemptions', (victim) => {
      holds({
        ...counted,
        name: `${say}, counted, r r w`,
        threads: (world) => [
          [reads(world)],
          [reads(world)],
          [writes(world)],
          [unlocksForDead(world, victim, [1, 2 - victim])],
        ],
        kill: [victim],
        bounds: { preemptions: 2 },
      })
    })
  })
})

test('planted: a reaper that forgets what the dead was leaving', () => {
  finds(
    {
      name: 'forgets who was leaving',
      how: COUNTED,
      registered: [],
      threads: (world) => [[reads(world)], [writes(world)], [unlocksForDead(world, 0, [1])]],
      kill: [0],
      reaper: (world) =>
        reapsCounted(world, (lot, dead) => {
          lot.cpu.store(slotOf(lot.geometry.slotsAt, dead) + ThreadSlot.leaving, 0)
          repairSync(lot, dead)
        }),
    },
    /waits for ever/,
  )
})
