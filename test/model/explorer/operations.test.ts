/** Operations: what they get from their instructions, what becomes of those that misbehave, and how it is told. */

import { describe, expect, test } from 'vitest'
import { atomicsCpu, type Cpu } from '../../../src/host/cpu.ts'
import { explore, replay } from '../../../src/testing/explore.ts'
import type { Model, ModelThread, Run } from '../../../src/testing/model.ts'
import { formatReport, type Report } from '../../../src/testing/report.ts'
import { check } from './check.ts'

describe('operations', () => {
  const alone = (name: string, run: Run): Report => check({ name, words: 4, threads: [[run]] })

  test('get from each instruction what Atomics give', () => {
    const real = atomicsCpu(new SharedArrayBuffer(16))
    const results: number[][] = [[], []]
    const run = (cpu: Cpu, into: number[]): void => {
      cpu.store(0, 0x01020304)
      cpu.plainStore(1, -5)
      into.push(
        cpu.add(0, 0x7fffffff),
        cpu.sub(1, 0x7fffffff),
        cpu.and(0, 0xff00),
        cpu.or(0, 3),
        cpu.xor(1, -1),
      )
      into.push(cpu.exchange(2, 7), cpu.compareExchange(2, 6, 1), cpu.compareExchange(2, 7, 9))
      cpu.copy(5, 1, 6)
      cpu.copy(1, 0, 7)
      cpu.fill(13, 0x1ff, 2)
      into.push(Math.sign(cpu.compare(0, 4, 3)), Math.sign(cpu.compare(4, 0, 3)), cpu.compare(3, 3, 9))
      into.push(cpu.spinWhileEqual(0, 1, 5), ...[0, 1, 2, 3].map((at) => cpu.load(at)), cpu.plainLoad(1))
    }

    run(real, results[0])
    alone('every instruction', ({ cpu }) => {
      results[1] = []
      run(cpu, results[1])
    })

    expect(results[1]).toEqual(results[0])
  })

  test('that throw are reported with what they threw', () => {
    const report = alone('an operation that throws', ({ cpu }) => {
      if (cpu.load(0) === 0) throw new RangeError('no room')
    })

    expect(report.failures).toMatchObject([
      { kind: 'exception', message: 'T0: RangeError: no room', trace: ['T0 load(0) = 0'] },
    ])
  })

  test('that depend on more than their results are reported', () => {
    let runs = 0
    const report = alone('an operation that remembers', ({ cpu }) => {
      cpu.load(runs++ % 2)
      cpu.load(0)
    })

    expect(report.failures).toMatchObject([
      { kind: 'assertion', message: expect.stringContaining('deterministic') as string },
    ])
  })

  test('that are asynchronous are reported', () => {
    // eslint-disable-next-line @typescript-eslint/no-misused-promises, @typescript-eslint/require-await
    const report = alone('an asynchronous operation', async ({ cpu }) => {
      cpu.load(0)
    })

    expect(report.failures).toMatchObject([
      { kind: 'assertion', message: expect.stringContaining('synchronous') as string },
    ])
  })

  test('that leave the memory are reported', () => {
    for (const run of [
      ({ cpu }: ModelThread) => cpu.load(4),
      ({ cpu }: ModelThread) => cpu.load(0.5),
      ({ cpu }: ModelThread) => {
        cpu.fill(13, 0, 4)
      },
      ({ cpu }: ModelThread) => {
        cpu.store(0, 2 ** 31)
      },
    ]) {
      expect(alone('an operation that leaves the memory', run).failures).toMatchObject([
        { kind: 'assertion' },
      ])
    }
  })

  test('may take the methods out of their thread', () => {
    const seen = new Set<string>()
    const report = check({
      name: 'methods without their thread',
      words: 4,
      handOff: true,
      threads: [
        [
          ({ cpu, choose, assert, ghost, sleep, awaitChange, count, now, deadlineIn, isStarving }) => {
            const chosen = choose(2)
            ghost((words) => (words[0] = 1))
            awaitChange(0, 1)
            count(0)
            assert(!sleep(1, 0, deadlineIn(5)) || cpu.load(1) === 1, 'it timed out, or was rung')
            seen.add(`${chosen} ${now()} ${isStarving(0)}`)
          },
        ],
        [
          ({ cpu, ring }) => {
            cpu.store(1, 1)
            ring(1)
          },
        ],
      ],
    })

    expect(report.failures).toEqual([])
    expect([...seen].sort()).toEqual(
      [0, 1].flatMap((i) => [0, 5].flatMap((ms) => [`${i} ${ms} false`, `${i} ${ms} true`])),
    )
  })

  test('run their finally blocks when they end, and not before', () => {
    const report = alone('an operation with finally', (thread) => {
      try {
        thread.cpu.load(0)
        thread.cpu.load(0)
      } finally {
        thread.assert(thread.cpu.add(1, 1) === 0, 'once')
      }
    })

    expect(report).toMatchObject({ failures: [], depth: 3 })
  })
})

test('a report shows how a loop without end began, and each turn of it once', () => {
  const model: Model = {
    name: 'two flags',
    words: 3,
    threads: [
      [
        ({ cpu }) => {
          cpu.store(0, 1)
          while (cpu.load(1) === 0 && cpu.load(2) === 0);
        },
      ],
    ],
    bounds: { steps: 500 },
  }
  const report = explore(model)

  const [, ...trace] = formatReport(report).split('\n')

  expect(report.failures[0].trace).toHaveLength(5)
  expect(replay(model, report.failures[0].schedule).trace).toEqual(report.failures[0].trace)
  expect(trace).toEqual([
    '    T0 store(0, 1)',
    '    T0 load(1) = 0',
    '    T0 load(2) = 0',
    '    ... and again, 248 times',
    '    T0 load(1) = 0',
    `    schedule '${report.failures[0].schedule}'`,
  ])
})

test('a report of a long run shows its beginning and its end', () => {
  const report = explore({
    name: 'long',
    words: 1,
    threads: [
      [
        (thread) => {
          for (let i = 0; i < 100; i++) thread.cpu.add(0, i)
          thread.assert(false, 'never')
        },
      ],
    ],
  })

  const [, ...trace] = formatReport(report).split('\n')

  expect(trace[0]).toBe('    T0 add(0, 0) = 0')
  expect(trace[20]).toBe('    ... 40 lines are left out')
  expect(trace.at(-2)).toBe('    T0 add(0, 99) = 4851')
})

test('a report is one line, and a failure its trace in the words of the model', () => {
  const report = explore({
    name: 'a lock that nobody opens',
    words: 1,
    init: (cpu) => {
      cpu.store(0, 1)
    },
    threads: [[(thread) => void thread.sleep(0, 1, Infinity)]],
    label: () => 'lock',
  })

  const [line, ...trace] = formatReport({ ...report, ms: 7 }).split('\n')

  expect(line.replace(/ +/g, ' ')).toBe(
    'a lock that nobody opens full 2 states 1 transitions 7 ms stuck: T0 waits for ever: sleep(lock, 1)',
  )
  expect(trace).toEqual(['    T0 sleep(lock, 1) falls asleep', "    schedule '0'"])
})
