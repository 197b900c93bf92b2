/** Loops that spin, under the explorer: a turn that sees what the last two saw waits until a word of it is another. */

import { describe, expect, test } from 'vitest'
import { onAtomics, type AtomicsView } from '../../../src/testing/atomics.ts'
import { outcomesOf } from '../../../src/testing/explore.ts'
import type { Model, Operation } from '../../../src/testing/model.ts'
import { check, times, verdict } from './check.ts'

/** A model of one word row whose threads are functions of Atomics. */
function spinning(name: string, words: number, ...threads: ((view: AtomicsView) => void)[]): Model {
  return { name, words, spinLoops: true, threads: threads.map((run) => [onAtomics(run)]) }
}

describe("Peterson's lock, whose turn has two loads", () => {
  const [TURN, INSIDE] = [2, 3]

  const section = (me: number, yieldsFirst: boolean): Operation =>
    onAtomics(({ words, thread }) => {
      const other = 1 - me
      if (yieldsFirst) Atomics.store(words, TURN, other)
      Atomics.store(words, me, 1)
      if (!yieldsFirst) Atomics.store(words, TURN, other)
      while (Atomics.load(words, other) === 1 && Atomics.load(words, TURN) === other);
      thread.assert(Atomics.add(words, INSIDE, 1) === 0, 'two inside')
      Atomics.sub(words, INSIDE, 1)
      Atomics.store(words, me, 0)
    })
  const peterson = (sections: number, yieldsFirst = false): Model => ({
    name: `peterson, ${sections} sections${yieldsFirst ? ', yields first' : ''}`,
    words: 4,
    spinLoops: true,
    threads: [times(sections, section(0, yieldsFirst)), times(sections, section(1, yieldsFirst))],
  })

  test.each([1, 2])('holds for %i sections a thread', (sections) => {
    expect(verdict(peterson(sections))).toBe('ok')
  })

  test.each([1, 2])('lets two in if the turn is given away too early, %i sections', (sections) => {
    expect(check(peterson(sections, true)).failures).toMatchObject([
      { kind: 'assertion', message: expect.stringContaining('two inside') as string },
    ])
  })
})

describe('a seqlock', () => {
  const write = ({ words }: AtomicsView): void => {
    Atomics.add(words, 0, 1)
    words[1]++
    words[2]++
    Atomics.add(words, 0, 1)
  }
  const model = (name: string, looksAgain: boolean): Model => ({
    ...spinning(name, 3, write, ({ words, thread }) => {
      let seen, left, right
      do {
        seen = Atomics.load(words, 0)
        left = words[1]
        right = words[2]
      } while (seen % 2 === 1 || (looksAgain && Atomics.load(words, 0) !== seen))
      thread.assert(left === right, 'both of one write')
    }),
    racy: [[1, 3]],
  })

  test('whose reader looks again reads both words of one write', () => {
    expect(verdict(model('seqlock', true))).toBe('ok')
  })

  test('whose reader does not is found', () => {
    expect(verdict(model('seqlock, looks once', false))).toBe('assertion')
  })
})

test('what nobody will change is waited for for ever, and all that the loop looks at is named', () => {
  const { failures } = check(
    spinning('two words that nobody sets', 2, ({ words }) => {
      while (Atomics.load(words, 0) === 0 && Atomics.load(words, 1) === 0);
    }),
  )

  expect(failures).toMatchObject([{ kind: 'stuck', message: 'T0 waits for ever: load(0) and load(1)' }])
})

test('a bit that is set again and again is waited for, too', () => {
  const section = ({ words, thread }: AtomicsView): void => {
    while ((Atomics.or(words, 0, 1) & 1) === 1);
    thread.assert(Atomics.add(words, 1, 1) === 0, 'two inside')
    Atomics.sub(words, 1, 1)
    Atomics.and(words, 0, ~1)
  }

  expect(verdict(spinning('test and set by or()', 2, section, section))).toBe('ok')
})

test('what is read three times, and not in a loop, waits for nothing', () => {
  const read = ({ words }: AtomicsView): number => Atomics.load(words, 0) + Atomics.load(words, 1)

  expect(verdict(spinning('three times one word', 1, ({ words }) => times(3, 0).map(() => Atomics.load(words, 0))))).toBe('ok') // prettier-ignore
  expect(verdict(spinning('five times two words', 2, (view) => times(5, 0).map(() => read(view))))).toBe('ok')
})

test('a loop that counts its turns and gives up does so', () => {
  const model = spinning('gives up', 2, ({ words, thread }) => {
    for (let turn = 0; Atomics.load(words, 0) === 0 && Atomics.load(words, 1) === 0; turn++) {
      if (turn < 20) continue
      thread.ghost((ghost) => (ghost[0] = 1))
      return
    }
  })

  expect(outcomesOf(model, ({ ghost }) => `${ghost[0]}`)).toEqual(['1'])
})

test('a loop that waits ends as one does that takes all its turns', () => {
  const MOST = 8
  // What it ends with tells in which order it saw the words change.
  const looker =
    (isCounted: boolean) =>
    ({ words, thread }: AtomicsView): void => {
      const seen: number[] = []
      for (let turn = 0; ; turn++) {
        const [a, b, c] = [Atomics.load(words, 0), Atomics.load(words, 1), Atomics.load(words, 2)]
        if (seen.at(-1) !== 100 * a + 10 * b + c) seen.push(100 * a + 10 * b + c)
        if (b === 2) break
        if (isCounted && turn === MOST) {
          thread.ghost((ghost) => (ghost[15] = 1))
          break
        }
      }
      thread.ghost((ghost) => {
        seen.forEach((value, index) => (ghost[index] = value + 1))
        return 0
      })
    }
  const writers = [0, 1].map((me) => ({ words }: AtomicsView) => {
    Atomics.store(words, 2 * me, 1)
    Atomics.add(words, 1, 1)
    Atomics.store(words, 2 * me, 0)
  }) // prettier-ignore
  const endsOf = (isCounted: boolean): string[] => {
    const model = spinning(`looks, ${isCounted ? 'counted' : 'for ever'}`, 3, looker(isCounted), ...writers)
    const ends = outcomesOf({ ...model, spinLoops: !isCounted }, ({ ghost }) =>
      ghost[15] === 1 ? '' : Array.from(ghost).join(),
    )
    return ends.filter((end) => end !== '')
  }

  expect(endsOf(false)).toEqual(endsOf(true))
})
