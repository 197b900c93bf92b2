/** Asynchronous tasks of one thread, and operations that wait for a condition. */

import { describe, expect, test } from 'vitest'
import type { Model, Operation, Run } from '../../../src/testing/model.ts'
import { check, verdict } from './check.ts'

describe('tasks of one thread', () => {
  const step: Run = (thread) => {
    thread.assert(thread.ghost((ghost) => ++ghost[0]) === 1, 'no other operation of the thread is under way')
    thread.cpu.load(0)
    thread.cpu.add(0, 1)
    thread.ghost((ghost) => --ghost[0])
  }

  test('take turns, and never interrupt one another', () => {
    expect(verdict({ name: 'two tasks', words: 1, threads: [{ tasks: [[step, step], [step]] }] })).toBe('ok')
    expect(verdict({ name: 'two threads', words: 1, threads: [[step, step], [step]] })).toBe('assertion')
  })

  test('take turns in every order', () => {
    const seen = new Set<number>()
    const write =
      (digit: number): Run =>
      ({ cpu }) => {
        cpu.store(0, cpu.load(0) * 10 + digit)
      }
    check({
      name: 'turns of two tasks',
      words: 1,
      threads: [{ tasks: [[write(1), write(2)], [write(3)]] }],
      final: ({ cpu }) => void seen.add(cpu.load(0)),
    })

    expect([...seen].sort()).toEqual([123, 132, 312])
  })

  const bell = (name: string, ring: Operation): Model => ({
    name,
    words: 2,
    threads: [
      {
        tasks: [
          [
            ({ cpu }) => {
              cpu.store(0, 1)
            },
            {
              when: ({ cpu }) => cpu.load(1) === 1,
              run: (thread) => {
                thread.assert(thread.cpu.load(1) === 1, 'started after the bell')
              },
            },
          ],
          [({ cpu }) => void cpu.load(0)],
        ],
      },
      [ring],
    ],
    kill: [0],
    reaper: [
      ({ cpu }) => {
        cpu.load(1)
      },
    ],
  })

  test('an operation starts when its condition holds', () => {
    expect(
      verdict(
        bell('bell', ({ cpu }) => {
          cpu.store(1, 1)
        }),
      ),
    ).toBe('ok')
  })

  test('an operation whose condition never comes true is stuck', () => {
    const model = bell('bell that is forgotten', ({ cpu }) => {
      if (cpu.load(0) === 1) cpu.store(1, 1)
    })

    expect(check(model).failures).toMatchObject([
      { kind: 'stuck', message: 'T0.0 waits for ever: start of operation 1' },
    ])
  })
})
