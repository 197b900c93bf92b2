/** Deaths: where they come, what they leave, who comes for it. */

import { describe, expect, test } from 'vitest'
import type { Model } from '../../../src/testing/model.ts'
import { check, times, verdict } from './check.ts'

describe('deaths', () => {
  const twoStores = (kill: readonly number[]): Model => ({
    name: `two stores, ${kill.length} may die`,
    words: 2,
    threads: [
      [
        ({ cpu }) => {
          cpu.store(0, 1)
          cpu.store(1, 1)
        },
      ],
    ],
    kill,
    final: ({ cpu, assert }) => {
      assert(cpu.load(0) === cpu.load(1), 'both or neither')
    },
  })

  test('a death between two stores is reached', () => {
    const report = check(twoStores([0]))

    expect(report.failures).toMatchObject([{ kind: 'final', trace: ['T0 store(0, 1)', 'KILL T0'] }])
    expect(verdict(twoStores([]))).toBe('ok')
  })

  test('mayKill() narrows where a death may come', () => {
    const model: Model = { ...twoStores([0]), mayKill: (_thread, _operation, step) => step !== 1 }

    expect(verdict(model)).toBe('ok')
  })

  test('a thread dies asleep too, and leaves its queue', () => {
    const report = check({
      name: 'death of the first of two sleepers',
      words: 1,
      threads: [
        [(thread) => void thread.sleep(0, 0, Infinity)],
        [(thread) => void thread.sleep(0, 0, Infinity)],
        [
          (thread) => {
            thread.cpu.store(0, 1)
            thread.ring(0)
          },
        ],
      ],
      kill: [0],
      reaper: [
        (thread) => {
          thread.ring(0)
        },
      ],
      bounds: { failures: 10 },
    })

    expect(new Set(report.failures.map((failure) => failure.message))).toEqual(
      new Set(['T0 waits for ever: sleep(0, 0)', 'T1 waits for ever: sleep(0, 0)']),
    )
  })

  test('the reaper runs once for each death, in the order of the deaths', () => {
    const seen = new Set<string>()
    const report = check({
      name: 'two deaths',
      words: 1,
      threads: times(2, [
        ({ cpu }) => {
          cpu.add(0, 1)
        },
      ]),
      kill: [0, 1],
      reaper: [
        (thread, deadTid) => {
          thread.cpu.load(0)
          thread.ghost((ghost) => (ghost[ghost[0]++ + 1] = 1 + (deadTid & 0xff)))
        },
      ],
      bounds: { kills: 2 },
      final: ({ ghost, isDead, assert }) => {
        const deaths = [0, 1].filter((thread) => isDead(thread)).length
        assert(ghost[0] === deaths, 'once for each')
        seen.add(`${ghost[1]}${ghost[2]}`)
      },
    })

    expect(report.failures).toEqual([])
    expect([...seen].sort()).toEqual(['00', '10', '12', '20', '21'])
  })
})
