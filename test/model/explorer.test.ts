/** The checker can see: each kind of bug is planted and must be found, and its repair must pass. */

import { describe, expect, test } from 'vitest'
import { atomicsCpu, type Cpu } from '../../src/host/cpu.ts'
import { explore, replay } from '../../src/testing/explore.ts'
import type { Model, ModelThread, Operation, Run } from '../../src/testing/model.ts'
import { formatReport, type Report } from '../../src/testing/report.ts'
import { visitAll } from './visit-all.ts'

function check(model: Model): Report {
  const report = explore({ raceCheck: true, ...model })
  console.log(formatReport(report).split('\n')[0])
  return report
}

/** The kind of the first failure, or 'ok'. */
function verdict(model: Model): string {
  return check(model).failures[0]?.kind ?? 'ok'
}

function times<T>(count: number, value: T): T[] {
  return Array.from({ length: count }, () => value)
}

describe('bugs that two threads can make', () => {
  const increment = (how: Run, name: string): Model => ({
    name,
    words: 1,
    threads: [[how], [how]],
    final: ({ cpu, assert }) => {
      assert(cpu.load(0) === 2, 'no increment is lost')
    },
  })

  test('an increment by load and store is lost in some interleaving', () => {
    const report = check(
      increment(({ cpu }) => {
        cpu.store(0, cpu.load(0) + 1)
      }, 'increment by load and store'),
    )

    expect(report.failures).toMatchObject([{ kind: 'final', message: 'no increment is lost' }])
    expect(report.failures[0].trace).toEqual([
      'T0 load(0) = 0',
      'T1 load(0) = 0',
      'T1 store(0, 1)',
      'T0 store(0, 1)',
    ])
  })

  test('an increment by add is lost in none', () => {
    const model = increment(({ cpu }) => {
      cpu.add(0, 1)
    }, 'increment by add')

    expect(verdict(model)).toBe('ok')
  })

  const twoLocks = (name: string, second: readonly [number, number]): Model => {
    const both = (first: number, last: number) => (thread: ModelThread) => {
      lock(thread, first)
      lock(thread, last)
      unlock(thread, last)
      unlock(thread, first)
    }
    return { name, words: 2, threads: [[both(0, 1)], [both(...second)]] }
  }

  test('two locks taken in opposite order get stuck', () => {
    const report = check(twoLocks('two locks, opposite order', [1, 0]))

    expect(report.failures).toMatchObject([
      { kind: 'stuck', message: 'T0 waits for ever: sleep(1, 2), T1 waits for ever: sleep(0, 2)' },
    ])
  })

  test('two locks taken in the same order do not', () => {
    expect(verdict(twoLocks('two locks, same order', [0, 1]))).toBe('ok')
  })

  test('an unlock without a ring leaves somebody asleep', () => {
    const silent = (thread: ModelThread) => {
      lock(thread, 0)
      thread.cpu.exchange(0, 0)
    }

    expect(verdict({ name: 'unlock without ring', words: 1, threads: [[silent], [silent]] })).toBe('stuck')
  })

  const freeList = (name: string, tagged: boolean): Model => ({
    name,
    words: 4,
    // Word 0 is the head, word i the link of node i: 1, 2, 3.
    init: (cpu) => {
      cpu.store(0, 1)
      cpu.store(1, 2)
      cpu.store(2, 3)
    },
    threads: [
      times(2, (thread: ModelThread) => void pop(thread, tagged)),
      [
        (thread) => {
          const first = pop(thread, tagged)
          pop(thread, tagged)
          if (first !== 0) push(thread, tagged, first)
        },
      ],
    ],
  })

  test('a free list without a tag gives one node to two threads (ABA)', () => {
    const report = check(freeList('free list without tag', false))

    expect(report.failures).toMatchObject([
      { kind: 'assertion', message: expect.stringContaining('has an owner') as string },
    ])
  })

  test('a free list with a tag does not', () => {
    expect(verdict(freeList('free list with tag', true))).toBe('ok')
  })

  const WAITING = 0
  const WOKEN = 1
  const TIMED_OUT = 2

  /** One waiter with a deadline, one waker with one unit to give; `decide` moves the record out of WAITING. */
  const handOver = (name: string, decide: (thread: ModelThread, to: number) => boolean): Model => ({
    name,
    words: 2,
    threads: [
      [
        (thread) => {
          const wasRung = thread.sleep(1, 0, 1000)
          const got = wasRung || !decide(thread, TIMED_OUT)
          if (got) thread.ghost((ghost) => ++ghost[0])
        },
      ],
      [
        (thread) => {
          const gave = decide(thread, WOKEN)
          if (!gave) thread.ghost((ghost) => ++ghost[0])
          if (!gave) return
          thread.cpu.store(1, 1)
          thread.ring(1)
        },
      ],
    ],
    final: ({ ghost, assert }) => {
      assert(ghost[0] === 1, 'the unit belongs to exactly one of them')
    },
  })

  test('a time-out decided by load and store loses a unit', () => {
    const model = handOver('time-out by load and store', ({ cpu }, to) => {
      if (cpu.load(0) !== WAITING) return false
      cpu.store(0, to)
      return true
    })

    expect(verdict(model)).toBe('final')
  })

  test('a time-out decided by one compareExchange does not', () => {
    const model = handOver(
      'time-out by compareExchange',
      ({ cpu }, to) => cpu.compareExchange(0, WAITING, to) === WAITING,
    )

    expect(verdict(model)).toBe('ok')
  })

  test('a sleep without a loop around it fails only when wake-ups are spurious', () => {
    const model = (spurious: number): Model => ({
      name: `sleep without loop, ${spurious} spurious`,
      words: 1,
      threads: [
        [
          (thread) => {
            thread.sleep(0, 0, Infinity)
            thread.assert(thread.cpu.load(0) === 1, 'woken for a reason')
          },
        ],
        [
          (thread) => {
            thread.cpu.store(0, 1)
            thread.ring(0)
          },
        ],
      ],
      bounds: { spurious },
    })

    expect(verdict(model(0))).toBe('ok')
    expect(verdict(model(1))).toBe('assertion')
  })
})

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

/** Drepper's second mutex: 0 free, 1 locked, 2 locked and somebody may sleep ("Futexes Are Tricky", 2011). */
function lock(thread: ModelThread, at: number): void {
  let seen = thread.cpu.compareExchange(at, 0, 1)
  if (seen === 0) return
  if (seen !== 2) seen = thread.cpu.exchange(at, 2)
  while (seen !== 0) {
    thread.sleep(at, 2, Infinity)
    seen = thread.cpu.exchange(at, 2)
  }
}

function unlock(thread: ModelThread, at: number): void {
  if (thread.cpu.sub(at, 1) === 1) return
  thread.cpu.store(at, 0)
  thread.ring(at)
}

/** A critical section under the lock in word 0, with one instruction in it. */
function section(thread: ModelThread): void {
  lock(thread, 0)
  thread.assert(thread.ghost((ghost) => ++ghost[0]) === 1, 'mutual exclusion')
  thread.cpu.load(1)
  thread.ghost((ghost) => --ghost[0])
  unlock(thread, 0)
}

const TAG = 0x100
const INDEX = 0xff

function pop(thread: ModelThread, tagged: boolean): number {
  for (;;) {
    const head = thread.cpu.load(0)
    const node = head & INDEX
    if (node === 0) return 0
    const next = thread.cpu.load(node)
    if (thread.cpu.compareExchange(0, head, tagged ? ((head & ~INDEX) + TAG) | next : next) !== head) continue
    thread.assert(thread.ghost((ghost) => ++ghost[node]) === 1, `node ${node} has an owner`)
    return node
  }
}

function push(thread: ModelThread, tagged: boolean, node: number): void {
  thread.ghost((ghost) => --ghost[node])
  for (;;) {
    const head = thread.cpu.load(0)
    thread.cpu.store(node, head & INDEX)
    if (thread.cpu.compareExchange(0, head, tagged ? ((head & ~INDEX) + TAG) | node : node) === head) return
  }
}

const NOTES = 8
const WAITERS = 0x800
const OWNER = 0x7ff

/** A lock with its owner in the word; before it is touched, its note says so. Either of two threads may die. */
function robustLock(name: string, release: (thread: ModelThread) => void): Model {
  return {
    name,
    words: 16,
    threads: times(2, [
      (thread) => {
        lockRobust(thread)
        thread.assert(thread.ghost((ghost) => ++ghost[0]) === 1, 'mutual exclusion')
        thread.cpu.load(1)
        thread.ghost((ghost) => --ghost[0])
        release(thread)
      },
    ]),
    kill: [0, 1],
    reaper: [reapLock],
  }
}

function lockRobust(thread: ModelThread): void {
  thread.cpu.plainStore(NOTES + thread.index, 1)
  for (;;) {
    const seen = thread.cpu.compareExchange(0, 0, thread.tid)
    if (seen === 0) return
    if (thread.cpu.compareExchange(0, seen, seen | WAITERS) !== seen) continue
    thread.sleep(0, seen | WAITERS, Infinity)
  }
}

function unlockRobust(thread: ModelThread): void {
  if ((thread.cpu.exchange(0, 0) & WAITERS) !== 0) thread.ring(0)
  thread.cpu.plainStore(NOTES + thread.index, 0)
}

function unlockTooEarly(thread: ModelThread): void {
  thread.cpu.plainStore(NOTES + thread.index, 0)
  if ((thread.cpu.exchange(0, 0) & WAITERS) !== 0) thread.ring(0)
}

function reapLock(thread: ModelThread, deadTid: number): void {
  if (thread.cpu.plainLoad(NOTES + (deadTid & INDEX)) === 0) return
  const seen = thread.cpu.load(0)
  if ((seen & OWNER) === deadTid) {
    thread.cpu.store(0, 0)
    thread.ghost((ghost) => (ghost[0] = 0))
  }
  // Also when it is free: the dead one may have been woken for it.
  thread.ring(0)
}
