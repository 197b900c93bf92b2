/** The read-write lock and the lot, as they ship, under every interleaving: with both preferences. (rwlock-crowded.test.ts: more than two threads.). */

import { describe, test } from 'vitest'
import { PREFER_WRITERS } from '../../src/sync/rwlock-word.ts'
import { holds, reads, writes } from './rwlock-models.ts'

const PREFERENCES = [
  { say: 'prefer readers', how: 0 },
  { say: 'prefer writers', how: PREFER_WRITERS },
] as const

describe.each(PREFERENCES)(
  'nobody reads while somebody writes, and nobody sleeps for ever: $say',
  ({ say, how }) => {
    test('a reader and a writer, in full', () => {
      holds({ name: `${say}, r w`, how, threads: (world) => [[reads(world)], [writes(world)]] })
    })

    test('a reader and a writer, neither known before, in full', () => {
      holds({
        name: `${say}, r w, unknown`,
        how,
        registered: [],
        threads: (world) => [[reads(world)], [writes(world)]],
      })
    })
  },
)
