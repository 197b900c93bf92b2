/** The semaphore with a death between any two instructions: the dead takes with it what it had taken, and nothing else. */

import { describe, test } from 'vitest'
import { holds, post, restores, sections, take } from './semaphore-models.ts'

describe('sections, and a program that gives back what the dead had taken', () => {
  test.each([0, 1])(
    '2 threads x 2 sections, thread %i killed anywhere, 3 preemptions',
    (victim) => {
      holds({
        name: `2 x 2 on 1 permit, kill ${victim}`,
        permits: 1,
        threads: (world) => [sections(world, 2), sections(world, 2)],
        kill: [victim],
        reaper: restores,
        bounds: { preemptions: 3 },
      })
    },
    240_000,
  )

  test('2 x 1, either killed anywhere, with hand-off, in full', () => {
    holds({
      name: '2 x 1 on 1 permit, kill 0 1, hand-off',
      permits: 1,
      handOff: true,
      threads: (world) => [sections(world, 1), sections(world, 1)],
      kill: [0, 1],
      reaper: restores,
    })
  })

  // The three run the same program: which of them dies makes no difference.
  test.each([1])(
    '3 x 1, thread %i killed anywhere, 2 preemptions',
    (victim) => {
      holds({
        name: `3 x 1 on 1 permit, kill ${victim}`,
        permits: 1,
        threads: (world) => [sections(world, 1), sections(world, 1), sections(world, 1)],
        kill: [victim],
        reaper: restores,
        bounds: { preemptions: 2 },
      })
    },
    240_000,
  )
})

describe('waiters and posters', () => {
  test('a killed waiter swallows no wake-up, 1 preemption', () => {
    holds({
      name: '2 posters, 2 waiters, kill a waiter',
      permits: 0,
      threads: (world) => [[post(world, 1)], [post(world, 1)], [take(world)], [take(world)]],
      kill: [2],
      bounds: { preemptions: 1 },
    })
  })

  test('a killed waiter returns a permit that it had in hand, 2 preemptions', () => {
    holds({
      name: 'release(2), 2 waiters, hand-off, kill a waiter',
      permits: 0,
      handOff: true,
      threads: (world) => [[post(world, 2)], [take(world)], [take(world)]],
      kill: [1],
      bounds: { preemptions: 2 },
    })
  })

  test('a killed poster has posted or not, and leaves nobody asleep beside a permit, 3 preemptions', () => {
    holds({
      name: '2 posters, waiter, kill a poster',
      permits: 0,
      threads: (world) => [[post(world, 1)], [post(world, 1)], [take(world)]],
      kill: [0],
      bounds: { preemptions: 3 },
    })
  })
})
