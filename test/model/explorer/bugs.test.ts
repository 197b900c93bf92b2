/** The checker can see: each kind of bug that two threads can make is planted and must be found, and its repair must pass. */

import { describe, expect, test } from 'vitest'
import type { Model, ModelThread, Run } from '../../../src/testing/model.ts'
import { check, times, verdict } from './check.ts'
import { lock, unlock } from './locks.ts'

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
