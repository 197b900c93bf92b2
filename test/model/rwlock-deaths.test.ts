/** The read-write lock with a death between any two instructions: reads end, what was written goes on with notice. */

import { describe, test } from 'vitest'
import { PREFER_WRITERS } from '../../src/sync/rwlock-word.ts'
import { holds, reads, writes } from './rwlock-models.ts'

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

  test('2 readers and a writer, a reader killed anywhere, 1 preemption', () => {
    holds({
      name: `${say}, r r w`,
      how,
      threads: (world) => [[reads(world)], [reads(world)], [writes(world)]],
      kill: [0],
      bounds: { preemptions: 1 },
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
})
