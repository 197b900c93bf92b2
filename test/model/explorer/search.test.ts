/** The search: how many interleavings there are, which bounds leave some out, what a failure is good for. */

import { describe, expect, test } from 'vitest'
import { explore, replay } from '../../../src/testing/explore.ts'
import type { Model, ModelThread, Run } from '../../../src/testing/model.ts'
import { check, times, verdict } from './check.ts'
import { robustLock, section, unlockRobust, unlockTooEarly } from './locks.ts'
import { visitAll } from './visit-all.ts'

describe('the search', () => {
  const stores = (count: number, first: number): Run[] =>
    times(count, 0).map((_, i) => ({ cpu }) => {
      cpu.store(first + i, 1)
    })

  test('counts interleavings: n and m independent steps come in (n+m)! / n! m! orders', () => {
    const report = check({ name: 'independent steps', words: 8, threads: [stores(3, 0), stores(4, 4)] })

    expect(report).toMatchObject({
      interleavings: 35,
      states: 20,
      transitions: 31,
      endings: 1,
      depth: 7,
      failures: [],
    })
  })

  test('bounds preemptions: two threads of two steps have 2, 4 and 6 orders with up to 0, 1 and 2', () => {
    const orders = [0, 1, 2].map((preemptions) => {
      const model: Model = {
        name: 'bounded',
        words: 8,
        threads: [stores(2, 0), stores(2, 4)],
        bounds: { preemptions },
      }
      return check(model).interleavings
    })

    expect(orders).toEqual([2, 4, 6])
  })

  test('a bug that needs two preemptions is found with two and not with one', () => {
    const model = (preemptions: number): Model => ({
      name: 'seen twice',
      words: 1,
      threads: [
        [
          ({ cpu }) => {
            cpu.store(0, 1)
            cpu.store(0, 0)
          },
        ],
        [
          (thread) => {
            const first = thread.cpu.load(0)
            thread.assert(!(first === 1 && thread.cpu.load(0) === 0), 'not 1 and then 0')
          },
        ],
      ],
      bounds: { preemptions },
    })

    expect(verdict(model(1))).toBe('ok')
    expect(verdict(model(2))).toBe('assertion')
  })

  test('a mutex of two threads with two sections has the 322140 interleavings that were counted by other means', () => {
    const report = check({
      name: 'mutex, two threads, two sections',
      words: 2,
      threads: times(2, times(2, section)),
    })

    expect(report).toMatchObject({ interleavings: 322_140, failures: [] })
  })

  test('no two states are taken for one: exact keys give as many states as hashes', () => {
    for (const model of [
      { ...robustLock('robust lock, step by step', unlockRobust), raceCheck: false },
      { name: 'mutex of three threads', words: 2, threads: times(3, [section]) },
    ]) {
      expect(check(model).states).toBe(visitAll(model))
    }
  })

  test('is the same each time', () => {
    const model = robustLock('robust lock, again', unlockTooEarly)
    const [first, second] = [explore(model), explore(model)]

    expect({ ...first, ms: 0 }).toEqual({ ...second, ms: 0 })
  })

  test('replay() of a failure takes the same steps to the same end', () => {
    const model = robustLock('robust lock, replayed', unlockTooEarly)
    const [failure] = explore(model).failures

    const replayed = replay(model, failure.schedule)

    expect(replayed.trace).toEqual(failure.trace)
    expect(replayed.trouble).toEqual({ kind: failure.kind, message: failure.message })
  })

  test('replay() refuses what is no schedule, and what cannot happen', () => {
    const model: Model = { name: 'one store', words: 1, threads: [stores(1, 0)] }

    expect(() => replay(model, 'zero')).toThrow(SyntaxError)
    expect(() => replay(model, '0*2')).toThrow(RangeError)
    expect(() => replay(model, 'k0')).toThrow(RangeError)
  })

  test('choose() tries every alternative', () => {
    const seen = new Set<number>()
    check({
      name: 'choices',
      words: 1,
      threads: [
        [
          (thread) => {
            thread.cpu.store(0, thread.choose(3) * 2 + thread.choose(2))
          },
        ],
      ],
      final: ({ cpu }) => void seen.add(cpu.load(0)),
    })

    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5])
  })

  test('isStarving() is a free choice when the model hands off, and false otherwise', () => {
    const answers = (handOff: boolean): number[] => {
      const seen = new Set<number>()
      check({
        name: `hand-off ${handOff}`,
        words: 1,
        threads: [
          [
            (thread) => {
              thread.cpu.store(0, thread.isStarving(0) ? 1 : 0)
            },
          ],
        ],
        handOff,
        final: ({ cpu }) => void seen.add(cpu.load(0)),
      })
      return [...seen].sort()
    }

    expect(answers(false)).toEqual([0])
    expect(answers(true)).toEqual([0, 1])
  })

  test('rings wake sleepers first come, first served, and rings for nobody are counted', () => {
    const report = check({
      name: 'rings',
      words: 2,
      threads: [
        ...times(2, [
          (thread: ModelThread) => {
            const place = thread.cpu.add(1, 1)
            if (place === 0) thread.sleep(0, 0, Infinity)
            thread.ghost((ghost) => (ghost[place] = 1))
          },
        ]),
        [
          (thread) => {
            thread.cpu.store(0, 1)
            thread.ring(0)
          },
        ],
      ],
    })

    expect(report.failures).toEqual([])
    expect(report.emptyRings).toBeGreaterThan(0)
  })

  test('awaitChange() and spinWhileEqual() go on when the word differs, and wait for ever if it never does', () => {
    const waits: readonly Run[] = [
      (thread) => {
        thread.awaitChange(0, 0)
      },
      ({ cpu }) => {
        cpu.spinWhileEqual(0, 0, 10)
      },
    ]
    for (const wait of waits) {
      const late: Run = (thread) => {
        wait(thread)
        thread.assert(thread.cpu.load(0) === 1, 'it differs')
      }

      expect(verdict({ name: 'a change that comes', words: 1, threads: [[late], stores(1, 0)] })).toBe('ok')
      expect(verdict({ name: 'a change that does not come', words: 1, threads: [[late]] })).toBe('stuck')
    }
  })

  test('a wait in slices ends where time-outs are bounded', () => {
    const model: Model = {
      name: 'a wait in slices',
      words: 1,
      threads: [
        [
          (thread) => {
            while (thread.cpu.load(0) === 0) thread.sleep(0, 0, 1000)
          },
        ],
        [
          (thread) => {
            thread.cpu.store(0, 1)
            thread.ring(0)
          },
        ],
      ],
      bounds: { timeouts: 3 },
    }

    expect(verdict(model)).toBe('ok')
    expect(verdict({ ...model, name: 'a wait in slices without end', bounds: { steps: 50 } })).toBe('endless')
  })

  test('what is endless by its time-outs is told of their bound, and what spins is asked for its loop', () => {
    const endless = (name: string, wait: Run) =>
      check({ name, words: 1, threads: [[wait]], bounds: { steps: 50 } }).failures

    const sliced = endless('slices', (thread) => {
      while (thread.cpu.load(0) === 0) thread.sleep(0, 0, 10)
    })
    const spinning = endless('spins', ({ cpu }) => {
      while (cpu.load(0) === 0);
    })

    expect(sliced).toMatchObject([
      {
        kind: 'endless',
        message: expect.stringMatching(/time-outs may come for ever; bounds: \{ timeouts: N \}/) as string,
      },
    ])
    expect(spinning).toMatchObject([
      { kind: 'endless', message: expect.stringContaining('does it wait in a loop') as string },
    ])
  })

  test('says so when it could not finish', () => {
    const model: Model = {
      name: 'too many states',
      words: 8,
      threads: [stores(3, 0), stores(4, 4)],
      bounds: { states: 10 },
    }

    expect(check(model).failures).toMatchObject([
      { kind: 'unfinished', message: expect.stringContaining('10') as string },
    ])
  })

  test('reports a loop that waits by loading', () => {
    const model: Model = {
      name: 'a loop without end',
      words: 1,
      threads: [
        [
          ({ cpu }) => {
            while (cpu.load(0) === 0);
          },
        ],
      ],
    }

    expect(verdict(model)).toBe('endless')
  })
})
