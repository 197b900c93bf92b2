/** The read-write lock between three and four threads: in the queue, inside again, out of time, counted. */

import { describe, test } from 'vitest'
import { COUNTED, PREFER_WRITERS } from '../../src/sync/rwlock-word.ts'
import { holds, reads, readsTwice, writes } from './rwlock-models.ts'

const PREFERENCES = [
  { say: 'prefer readers', how: 0 },
  { say: 'prefer writers', how: PREFER_WRITERS },
] as const

describe.each(PREFERENCES)(
  'nobody reads while somebody writes, and nobody sleeps for ever: $say',
  ({ say, how }) => {
    test('2 writers and 2 readers, 2 preemptions', () => {
      holds({
        name: `${say}, r r w w`,
        how,
        threads: (world) => [[reads(world)], [reads(world)], [writes(world)], [writes(world)]],
        bounds: { preemptions: 2 },
      })
    })

    test('a reader who reads again inside, and 2 writers, 2 preemptions', () => {
      holds({
        name: `${say}, rr w w`,
        how,
        threads: (world) => [[readsTwice(world)], [writes(world)], [writes(world)]],
        bounds: { preemptions: 2 },
      })
    })

    test('with time-outs, 1 preemption', () => {
      holds({
        name: `${say}, time-outs`,
        how,
        threads: (world) => [[reads(world, 1)], [writes(world, 1)], [writes(world)], [reads(world)]],
        bounds: { preemptions: 1, timeouts: 2 },
      })
    })

    test('counted, 2 writers and 2 readers, 1 preemption', () => {
      holds({
        name: `${say}, counted`,
        how: how | COUNTED,
        threads: (world) => [[reads(world)], [reads(world, 1)], [writes(world)], [writes(world, 1)]],
        bounds: { preemptions: 1, timeouts: 1 },
      })
    })
  },
)
