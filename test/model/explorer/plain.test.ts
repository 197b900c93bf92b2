/** Accesses without order: what races is told, and what cannot race is not tried in every order. */

import { describe, expect, test } from 'vitest'
import type { Model, ModelThread, Run } from '../../../src/testing/model.ts'
import { check, times, verdict } from './check.ts'
import { NOTES, robustLock, unlockRobust, unlockTooEarly } from './locks.ts'

describe('the reduction of plain accesses', () => {
  test('finds what the full search finds, in fewer states', () => {
    for (const [name, release, expected] of [
      ['robust lock', unlockRobust, 'ok'],
      ['robust lock, note cleared first', unlockTooEarly, 'stuck'],
    ] as const) {
      const model = robustLock(name, release)
      const full = check({ ...model, name: `${name}, step by step`, raceCheck: false })
      const checked = check(model)
      const trusted = check({
        ...model,
        name: `${name}, trusted`,
        raceCheck: false,
        notes: [[NOTES, NOTES + 2]],
      })

      for (const report of [full, checked, trusted]) expect(report.failures[0]?.kind ?? 'ok').toBe(expected)
      if (expected === 'ok') expect(checked.states).toBeLessThan(full.states)
      if (expected === 'ok') expect(checked.states).toBe(trusted.states)
    }
  })

  test('keeps two deaths in both orders', () => {
    const orders = (raceCheck: boolean): string[] => {
      const seen = new Set<string>()
      const report = check({
        name: `plain stores of two that die, ${raceCheck ? 'reduced' : 'step by step'}`,
        words: 4,
        threads: [0, 1].map((own) => [
          ({ cpu }: ModelThread) => {
            cpu.plainStore(own, 1)
          },
        ]),
        kill: [0, 1],
        reaper: [
          ({ cpu }, deadTid) => {
            const dead = deadTid & 0xff
            cpu.store(3, cpu.load(3) * 10 + 1 + dead * 2 + cpu.plainLoad(dead))
          },
        ],
        bounds: { kills: 2 },
        final: ({ cpu }) => void seen.add(String(cpu.load(3))),
        raceCheck,
      })
      expect(report.failures).toEqual([])
      return [...seen].sort()
    }

    expect(orders(true)).toEqual(orders(false))
  })
})

describe('plain accesses', () => {
  test('a note that is read while its writer lives races', () => {
    const model: Model = {
      name: 'a note read by the wrong thread',
      words: 1,
      threads: [
        [
          ({ cpu }) => {
            cpu.plainStore(0, 1)
          },
        ],
        [({ cpu }) => void cpu.plainLoad(0)],
      ],
    }

    expect(verdict(model)).toBe('race')
  })

  test('an access that is over races still, until its thread goes on to an instruction with order', () => {
    const late: Run = ({ cpu }) => {
      cpu.load(2)
      cpu.plainLoad(0)
    }
    const store: Run = ({ cpu }) => {
      cpu.plainStore(0, 1)
    }
    const load: Run = ({ cpu }) => {
      cpu.load(1)
    }

    const name = 'a plain store that is over'
    expect(verdict({ name, words: 3, threads: [[store, load], [late]] })).toBe('race')
    expect(verdict({ name: `${name}, last`, words: 3, threads: [[store], [late]] })).toBe('race')
  })

  const message = (name: string, publish: (thread: ModelThread) => void): Model => ({
    name,
    words: 2,
    threads: [
      [
        (thread) => {
          thread.cpu.plainStore(0, 42)
          publish(thread)
        },
      ],
      [
        ({ cpu }) => {
          if (cpu.load(1) === 1) cpu.plainLoad(0)
        },
      ],
    ],
    label: (at) => ['payload', 'flag'][at],
  })

  test('a payload that is published by a store does not race', () => {
    expect(
      verdict(
        message('payload published by store', ({ cpu }) => {
          cpu.store(1, 1)
        }),
      ),
    ).toBe('ok')
  })

  test('a payload that is read unpublished does', () => {
    const model: Model = {
      ...message('payload read unpublished', ({ cpu }) => {
        cpu.store(1, 1)
      }),
      threads: [
        [
          ({ cpu }) => {
            cpu.plainStore(0, 42)
          },
        ],
        [({ cpu }) => void cpu.plainLoad(0)],
      ],
    }

    expect(check(model).failures).toMatchObject([
      { kind: 'race', message: 'T0 and T1 access payload without order, one of them plainly' },
    ])
    expect(verdict({ ...model, name: 'the same, declared racy', racy: [[0, 1]] })).toBe('ok')
  })

  test('a payload that is published by a plain store races for its flag', () => {
    expect(
      verdict(
        message('payload published plainly', ({ cpu }) => {
          cpu.plainStore(1, 1)
        }),
      ),
    ).toBe('race')
  })

  test('bytes that are copied race with words that are written', () => {
    const model: Model = {
      name: 'copy against store',
      words: 4,
      threads: [
        [
          ({ cpu }) => {
            cpu.copy(8, 0, 7)
          },
        ],
        [
          ({ cpu }) => {
            cpu.store(1, 7)
          },
        ],
      ],
    }

    expect(check(model).failures).toMatchObject([
      { kind: 'race', message: expect.stringContaining('word 1') as string },
    ])
  })

  /** Word 0 is the sequence, words 1 and 2 are the value, words 4 and 5 the reader's copy. */
  const seqlock = (name: string, isValid: (before: number, after: number) => boolean): Model => ({
    name,
    words: 6,
    threads: [
      [
        ({ cpu }) => {
          cpu.add(0, 1)
          cpu.fill(4, 1, 8)
          cpu.add(0, 1)
        },
      ],
      [
        (thread) => {
          const before = thread.cpu.load(0)
          thread.cpu.copy(16, 4, 8)
          if (!isValid(before, thread.cpu.load(0))) return
          thread.assert(thread.cpu.load(4) === thread.cpu.load(5), 'the copy is not torn')
        },
      ],
    ],
    racy: [[1, 3]],
  })

  test('a copy of racy words is seen torn, unless it is validated', () => {
    expect(verdict(seqlock('seqlock, not validated', () => true))).toBe('assertion')
    expect(
      verdict(seqlock('seqlock, validated', (before, after) => before % 2 === 0 && before === after)),
    ).toBe('ok')
  })

  test('hints are dropped', () => {
    const report = check({
      name: 'hints',
      words: 1,
      threads: times(2, [
        (thread) => {
          thread.cpu.plainStore(0, thread.tid)
          thread.assert(thread.cpu.plainLoad(0) === 0, 'a hint is always 0')
        },
      ]),
      hints: (at) => at === 0,
    })

    expect(report).toMatchObject({ failures: [], states: 1 })
  })
})
