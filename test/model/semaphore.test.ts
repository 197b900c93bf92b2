/** The semaphore as it ships, under every interleaving. */

import { describe, test } from 'vitest'
import { release, SEM_VALUE_MAX } from '../../src/sync/semaphore.ts'
import { EOVERFLOW } from '../../src/words/errno.ts'
import { holds, post, sections, take } from './semaphore-models.ts'
import { syncWorld } from './sync-world.ts'
import * as verdicts from './verdicts.ts'

describe('no more permits are taken than there are, and nobody sleeps beside a free one', () => {
  test('2 threads take one of 1 and give it back, twice each, in full', () => {
    holds({
      name: '2 x 2 on 1 permit',
      permits: 1,
      threads: (world) => [sections(world, 2), sections(world, 2)],
    })
  })

  test('3 threads on 1 permit, 3 preemptions', () => {
    holds({
      name: '3 x 1 on 1 permit',
      permits: 1,
      threads: (world) => [sections(world, 1), sections(world, 1), sections(world, 1)],
      bounds: { preemptions: 3 },
    })
  })

  test('3 threads on 2 permits, 3 preemptions', () => {
    holds({
      name: '3 x 1 on 2 permits',
      permits: 2,
      threads: (world) => [sections(world, 1), sections(world, 1), sections(world, 1)],
      bounds: { preemptions: 3 },
    })
  })

  test('2 posters and 2 waiters, 2 preemptions', () => {
    holds({
      name: '2 posters, 2 waiters',
      permits: 0,
      threads: (world) => [[post(world, 1)], [post(world, 1)], [take(world)], [take(world)]],
      bounds: { preemptions: 2 },
    })
  })

  test('one release(2) wakes two, 3 preemptions', () => {
    holds({
      name: 'release(2), 2 waiters',
      permits: 0,
      threads: (world) => [[post(world, 2)], [take(world)], [take(world)]],
      bounds: { preemptions: 3 },
    })
  })

  test('a starved waiter is handed its permit, 4 preemptions', () => {
    holds({
      name: '2 x 2 on 1 permit, hand-off',
      permits: 1,
      handOff: true,
      threads: (world) => [sections(world, 2), sections(world, 2)],
      bounds: { preemptions: 4 },
    })
  })

  test('with time-outs, a permit is taken or left, never lost, 3 preemptions', () => {
    holds({
      name: 'poster, 2 timed waiters, hand-off',
      permits: 0,
      handOff: true,
      threads: (world) => [[post(world, 1)], [take(world, 1)], [take(world, 1)]],
      bounds: { preemptions: 3, timeouts: 2 },
    })
  })

  test('a time-out takes no wake-up from the one who waits for ever, 3 preemptions', () => {
    holds({
      name: 'poster, 2 sections, one of them timed',
      permits: 0,
      threads: (world) => [[post(world, 1)], sections(world, 1), sections(world, 1, 1)],
      bounds: { preemptions: 3, timeouts: 1 },
    })
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
