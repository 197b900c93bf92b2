import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AreaNode } from '../../src/space/area.ts'
import { VmaTree } from '../../src/space/vma-tree.ts'

const PAGES = 200

type Step =
  | { readonly do: 'insert'; readonly start: number; readonly pages: number }
  | { readonly do: 'remove'; readonly which: number }
  | { readonly do: 'resize'; readonly which: number; readonly start: number; readonly end: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('insert' as const), start: fc.nat(PAGES - 1), pages: fc.integer({ min: 1, max: 8 }) }) }, // prettier-ignore
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), which: fc.nat(1000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('resize' as const), which: fc.nat(1000), start: fc.nat(100), end: fc.nat(100) }) }, // prettier-ignore
)

/** The tree, and the list of the same areas, which is looked through from one end to the other. */
class Both {
  readonly tree = new VmaTree()
  list: AreaNode[] = []

  apply(step: Step): void {
    if (step.do === 'insert') this.insert(step.start, Math.min(step.start + step.pages, PAGES))
    else if (this.list.length === 0) return
    else if (step.do === 'remove') this.remove(this.list[step.which % this.list.length])
    else this.resize(step.which % this.list.length, step.start / 100, step.end / 100)
  }

  insert(start: number, end: number): void {
    if (this.list.some((area) => area.start < end && area.end > start)) return
    const area = new AreaNode(0, start, end, { flags: 0, prot: 0, mayProt: 7, object: 0, file: 0 }, start)
    this.tree.insert(area)
    this.list = [...this.list, area].sort((one, other) => one.start - other.start)
  }

  remove(area: AreaNode): void {
    this.tree.remove(area)
    this.list = this.list.filter((other) => other !== area)
  }

  /** To bounds between those of the neighbours: two fractions of that range. */
  resize(index: number, first: number, second: number): void {
    const area = this.list[index]
    const low = index === 0 ? 0 : this.list[index - 1].end
    const high = index === this.list.length - 1 ? PAGES : this.list[index + 1].start
    const start = low + Math.floor(first * (high - 1 - low))
    this.tree.resize(area, start, start + 1 + Math.floor(second * (high - 1 - start)))
  }

  /** Every gap, the lowest first, clipped. */
  gaps(low: number, high: number): (readonly [number, number])[] {
    const starts = [0, ...this.list.map((area) => area.end)]
    const ends = [...this.list.map((area) => area.start), Infinity]
    return starts.map((start, i) => [Math.max(start, low), Math.min(ends[i], high)] as const)
  }
}

const steps = fc.array(step, { maxLength: 120 })

function built(todo: readonly Step[]): Both {
  const both = new Both()
  for (const each of todo) both.apply(each)
  return both
}

describe('the tree of areas answers as a list would', () => {
  test(
    'its own figures are right after each step, and the order is that of addresses',
    { timeout: 30_000 },
    () => {
      fc.assert(
        fc.property(steps, (todo) => {
          const both = new Both()
          for (const each of todo) {
            both.apply(each)
            expect([...both.tree.problems()]).toEqual([])
            expect([...both.tree]).toEqual(both.list)
            expect(both.tree.first).toBe(both.list[0])
            expect(both.tree.last).toBe(both.list.at(-1))
          }
        }),
      )
    },
  )

  test('find, and the first area that ends behind a page', { timeout: 30_000 }, () => {
    fc.assert(
      fc.property(steps, fc.array(fc.nat(PAGES), { minLength: 10 }), (todo, pages) => {
        const { tree, list } = built(todo)
        for (const page of pages) {
          expect(tree.find(page)).toBe(list.find((area) => area.start <= page && area.end > page))
          expect(tree.firstEndingAfter(page)).toBe(list.find((area) => area.end > page))
        }
      }),
    )
  })

  test('what was found last is not found again when it is gone, or has moved', { timeout: 30_000 }, () => {
    fc.assert(
      fc.property(steps, fc.nat(PAGES), (todo, page) => {
        const both = new Both()
        for (const each of todo) {
          both.apply(each)
          expect(both.tree.find(page)).toBe(both.list.find((area) => area.start <= page && area.end > page))
        }
      }),
    )
  })

  test('the highest and the lowest gap of a size within bounds', { timeout: 30_000 }, () => {
    const bounds = fc.tuple(fc.integer({ min: 1, max: 30 }), fc.nat(PAGES), fc.nat(PAGES + 50))
    fc.assert(
      fc.property(steps, fc.array(bounds, { minLength: 5 }), (todo, asked) => {
        const both = built(todo)
        for (const [pages, low, high] of asked) {
          const fitting = both.gaps(low, high).filter(([from, to]) => to - from >= pages)
          expect(both.tree.lowestGap(pages, low, high)).toBe(fitting.at(0)?.[0] ?? -1)
          const last = fitting.at(-1)
          expect(both.tree.highestGap(pages, low, high)).toBe(last === undefined ? -1 : last[1] - pages)
        }
      }),
    )
  })

  test('a hundred thousand areas in a row make a tree of 17 to 24 levels', { timeout: 30_000 }, () => {
    const tree = new VmaTree()
    const traits = { flags: 0, prot: 0, mayProt: 7, object: 0, file: 0 }
    for (let i = 0; i < 100_000; i++) tree.insert(new AreaNode(0, 2 * i, 2 * i + 1, traits, 2 * i))

    expect(tree.height).toBeGreaterThanOrEqual(17)
    expect(tree.height).toBeLessThanOrEqual(24)
    expect(tree.find(131_072)?.start).toBe(131_072)
    expect(tree.find(131_073)).toBeUndefined()
  })
})
