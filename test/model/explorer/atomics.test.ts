/** Code that uses `Atomics` and an Int32Array, as it stands, under the explorer. */

import { describe, expect, test } from 'vitest'
import { onAtomics, type AtomicsView } from '../../../src/testing/atomics.ts'
import type { Model } from '../../../src/testing/model.ts'
import { check, times, verdict } from './check.ts'

/** Somebody's lock, which knows nothing of the explorer. */
class Lock {
  readonly words: Int32Array
  readonly isCareless: boolean

  constructor(words: Int32Array, isCareless = false) {
    this.words = words
    this.isCareless = isCareless
  }

  lock(): void {
    let seen = Atomics.compareExchange(this.words, 0, 0, 1)
    while (seen !== 0) {
      if (seen === 2 || Atomics.compareExchange(this.words, 0, 1, 2) !== 0) Atomics.wait(this.words, 0, 2)
      // Whoever has slept cannot know whether others do.
      seen = Atomics.compareExchange(this.words, 0, 0, this.isCareless ? 1 : 2)
    }
  }

  unlock(): void {
    if (Atomics.sub(this.words, 0, 1) === 1) return
    Atomics.store(this.words, 0, 0)
    Atomics.notify(this.words, 0, 1)
  }
}

const increments = (isCareless: boolean, threads: number): Model => ({
  name: `increments under a lock${isCareless ? ' that forgets who waits' : ''}`,
  words: 2,
  raceCheck: true,
  threads: times(threads, [
    onAtomics(({ words }) => {
      const lock = new Lock(words, isCareless)
      lock.lock()
      words[1]++
      lock.unlock()
    }),
  ]),
  final: ({ cpu, assert }) => {
    assert(cpu.load(1) === threads, 'no increment is lost')
  },
})

describe('a lock on Atomics', () => {
  test('holds, and orders the plain accesses under it', () => {
    expect(verdict(increments(false, 3))).toBe('ok')
  })

  test('that forgets who waits leaves somebody asleep', () => {
    const report = check(increments(true, 3))

    expect(report.failures).toMatchObject([
      { kind: 'stuck', message: expect.stringContaining('waits for ever: wait(0, 2)') as string },
    ])
  })

  test('the global is the real one again afterwards', () => {
    const real = Atomics
    check(increments(true, 2))

    expect(Atomics).toBe(real)
  })

  test('plain increments without a lock race', () => {
    const model: Model = {
      name: 'no lock',
      words: 1,
      threads: times(2, [onAtomics(({ words }) => words[0]++)]),
    }

    expect(verdict(model)).toBe('race')
  })
})

describe('the double of Atomics', () => {
  const alone = (run: (view: AtomicsView) => void) =>
    check({ name: 'alone', words: 4, threads: [[onAtomics(run)]] })

  test('answers as the real one does', () => {
    const calls = (words: Int32Array): unknown[] => [
      Atomics.store(words, 0, 2 ** 31),
      Atomics.add(words, 0, -1),
      Atomics.sub(words, 0, 5),
      Atomics.and(words, 0, 0xff),
      Atomics.or(words, 0, 0x100),
      Atomics.xor(words, 0, -1),
      Atomics.exchange(words, 0, 3),
      Atomics.compareExchange(words, 0, 4, 5),
      Atomics.compareExchange(words, 0, 3, 2 ** 32 + 7),
      Atomics.load(words, 0),
      Atomics.wait(words, 0, 1),
      Atomics.notify(words, 0),
      Atomics.isLockFree(4),
      words.length,
      words.subarray(1).length,
      Atomics.add(words.subarray(1, -1), 0, 9),
      words[1],
    ]
    let ours: unknown[] = []
    const { failures } = alone(({ words }) => {
      ours = calls(words)
    })

    expect(failures).toEqual([])
    expect(ours).toEqual(calls(new Int32Array(new SharedArrayBuffer(16))))
  })

  test('tells how many were woken, and whether a wait slept', () => {
    const seen = new Set<string>()
    const sleeps = onAtomics(({ words, thread }) => {
      const outcome = Atomics.wait(words, 0, 0, 100)
      thread.ghost((ghost) => (ghost[thread.index] = ['timed-out', 'ok', 'not-equal'].indexOf(outcome)))
    })
    check({
      name: 'two sleepers',
      words: 1,
      threads: [
        [sleeps],
        [sleeps],
        [
          onAtomics(({ words, thread }) => {
            Atomics.store(words, 0, 1)
            const woken = Atomics.notify(words, 0)
            thread.ghost((ghost) => (ghost[2] = woken))
          }),
        ],
      ],
      final: ({ ghost, assert }) => {
        const woken = [0, 1].filter((thread) => ghost[thread] === 1).length
        assert(ghost[2] === woken, 'as many as notify() says')
        seen.add([ghost[0], ghost[1]].join())
      },
    })

    expect([...seen].sort()).toEqual(['0,0', '0,1', '0,2', '1,0', '1,1', '1,2', '2,0', '2,1', '2,2'])
  })

  test('shows in traces how many notify() was told to wake, if it was told', () => {
    const { failures } = alone(({ words, thread }) => {
      Atomics.notify(words, 1)
      Atomics.notify(words, 1, 2)
      Atomics.notify(words, 1, NaN)
      thread.assert(false, 'shown')
    })

    expect(failures[0].trace.map((line) => line.replace(' finds nobody', ''))).toEqual([
      'T0 notify(1)',
      'T0 notify(1, 2)',
      'T0 notify(1, 0)',
    ])
  })

  test('refuses what is not modelled, and says so', () => {
    const refused = [
      () => void Atomics.load(new Int32Array(new SharedArrayBuffer(4)), 0),
      ({ words }: AtomicsView) => void Atomics.load(words, 4),
      ({ words }: AtomicsView) => void Atomics.waitAsync(words, 0, 0),
      ({ words }: AtomicsView) => void words.fill(0),
      ({ words }: AtomicsView) => void (words[4] = 1),
    ]
    for (const run of refused) expect(alone(run).failures).toHaveLength(1)
    expect(() => {
      onAtomics(() => undefined)({} as never)
    }).toThrow(expect.objectContaining({ code: 'ERR_PAGEFRAME_INVALID_ARGUMENT' }) as Error)
  })
})

describe('a spin lock', () => {
  const spin = (name: string, more: Partial<Model>, lock: (words: Int32Array) => void): Model => ({
    name,
    words: 2,
    threads: times(2, [
      onAtomics(({ words, thread }) => {
        lock(words)
        thread.assert(thread.ghost((ghost) => ++ghost[0]) === 1, 'mutual exclusion')
        Atomics.load(words, 1)
        thread.ghost((ghost) => --ghost[0])
        Atomics.store(words, 0, 0)
      }),
    ]),
    ...more,
  })
  const byExchange = (words: Int32Array): void => {
    while (Atomics.compareExchange(words, 0, 0, 1) !== 0);
  }
  const byLoad = (words: Int32Array): void => {
    while (Atomics.load(words, 0) !== 0);
    Atomics.store(words, 0, 1)
  }

  test('that loops is endless, unless the model knows of its loops', () => {
    expect(verdict(spin('spin lock', {}, byExchange))).toBe('endless')
    expect(verdict(spin('spin lock, loops', { spinLoops: true }, byExchange))).toBe('ok')
  })

  test('that looks first and takes it then is no lock', () => {
    expect(verdict(spin('spin lock, look and take', { spinLoops: true }, byLoad))).toBe('assertion')
  })

  test('that nobody unlocks is stuck', () => {
    const report = check({
      name: 'spin lock, not unlocked',
      words: 1,
      threads: times(2, [
        onAtomics(({ words }) => {
          byExchange(words)
        }),
      ]),
      spinLoops: true,
    })

    expect(report.failures).toMatchObject([{ kind: 'stuck' }])
  })
})
