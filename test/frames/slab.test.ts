import { describe, expect, test } from 'vitest'
import { PAGE_SIZE, PAGE_WORDS } from '../../src/words/constants.ts'
import { EINVAL, ENOMEM, ENOSPC, ESTALE } from '../../src/words/errno.ts'
import { world } from './world.ts'

const KIND = 1001
const OTHER = 1003

test('a cell is zero, gets a generation, and is live from publish to its end', () => {
  const frames = world(512).frames(0)

  const at = frames.allocCell(KIND, 16)
  const generation = frames.generationOf(at)
  expect(generation).not.toBe(0)
  expect(frames.isLive(at, generation, KIND)).toBe(false)
  frames.publishCell(at)
  expect(frames.isLive(at, generation, KIND)).toBe(true)
  expect(frames.isLiveCell(at)).toBe(true)
  expect(frames.unpublishCell(at)).toBe(0)
  expect(frames.isLive(at, generation, KIND)).toBe(false)
  frames.freeCell(at)

  expect(frames.isLiveCell(at)).toBe(false)
  expect(frames.check()).toEqual([])
})

test('a handle to a cell that was used again is stale', () => {
  const each = world(512)
  const frames = each.frames(0)
  const at = frames.allocCell(KIND, 16)
  const old = frames.generationOf(at)
  frames.publishCell(at)
  each.words.fill(7, at + 2, at + 16)
  frames.unpublishCell(at)
  frames.freeCell(at)

  const again = frames.allocCell(KIND, 16)
  expect(again).toBe(at)
  expect(each.words.subarray(at + 2, at + 16).every((word) => word === 0)).toBe(true)
  frames.publishCell(again)

  expect(frames.isLive(at, old, KIND)).toBe(false)
  expect(frames.unpublishCell(at, old)).toBe(-ESTALE)
  expect(frames.isLive(at, frames.generationOf(at), KIND)).toBe(true)
})

test('of two threads that end one object, one does', () => {
  const each = world(512)
  const [first, second] = [each.frames(0), each.frames(1)]
  const at = first.allocCell(KIND, 16)
  first.publishCell(at)

  expect(second.unpublishCell(at)).toBe(0)
  expect(first.unpublishCell(at)).toBe(-ESTALE)
  expect(() => {
    first.freeCell(at)
  }).toThrow(/not this thread's/)
  second.freeCell(at)
})

test('a handle may hold any numbers: what is no live cell of the kind is not live', () => {
  const each = world(600)
  const frames = each.frames(0)
  const cells = Array.from({ length: 20 }, () => frames.allocCell(KIND, 24))
  for (const at of cells) frames.publishCell(at)
  const large = frames.allocCell(OTHER, 352)
  frames.publishCell(large)
  const data = frames.allocRun(PAGE_SIZE) * PAGE_WORDS
  each.words.fill(-1, data, data + PAGE_WORDS) // looks like a cell of generation 1, wherever one looks
  const good = new Set([...cells, large])

  for (let at = -10; at < each.words.length + 10; at++) {
    if (good.has(at)) continue
    if (frames.isLiveCell(at) || frames.isLive(at, 1, KIND)) expect.fail(`word ${at} is taken for a cell`)
  }
  const strange = [
    NaN,
    Infinity,
    -Infinity,
    0.5,
    cells[0] + 0.5,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    -(2 ** 31),
    -0,
    1e308,
  ]
  for (const at of strange) {
    expect(frames.isLiveCell(at)).toBe(false)
    expect(frames.isLive(at, 1, KIND)).toBe(false)
    expect(frames.isLive(cells[0], at, KIND)).toBe(false)
  }
  expect(frames.isLive(cells[0], frames.generationOf(cells[0]), OTHER)).toBe(false)
  expect(frames.isLive(cells[0], frames.generationOf(cells[0]), KIND)).toBe(true)
})

describe('cells of any size', () => {
  test.each([2, 3, 16, 33, 100, 257, 352, 511, 512])('of %i words do not overlap, in any number', (words) => {
    const each = world(2048)
    const frames = each.frames(0)
    const cells = Array.from({ length: 300 }, () => frames.allocCell(KIND, words))
    cells.forEach((at, i) => {
      each.words.fill(i + 1, at + 2, at + words)
      frames.publishCell(at)
    })

    expect(new Set(cells).size).toBe(cells.length)
    cells.forEach((at, i) => {
      expect(each.words.subarray(at + 2, at + words).every((word) => word === i + 1)).toBe(true)
    })
    expect([...frames.cellsOf(KIND)].sort((a, b) => a - b)).toEqual([...cells].sort((a, b) => a - b))
    expect(frames.check()).toEqual([])
  })

  test('cells with their own lines begin at a multiple of 128 bytes', () => {
    const frames = world(512).frames(0)

    for (let i = 0; i < 50; i++) expect(frames.allocCell(KIND, 40, true) % 32).toBe(0)
  })
})

test('a cell that is too small or too large, or a kind of two sizes, is EINVAL; a 65th kind ENOSPC', () => {
  const frames = world(1024).frames(0)

  expect(frames.allocCell(KIND, 1)).toBe(-EINVAL)
  expect(frames.allocCell(KIND, 513)).toBe(-EINVAL)
  for (let kind = 1; kind <= 64; kind++) expect(frames.allocCell(kind, 8)).toBeGreaterThan(0)
  expect(frames.allocCell(65, 8)).toBe(-ENOSPC)
})

test('a second thread that believes a kind has another size is refused', () => {
  const each = world(512)
  each.frames(0).allocCell(KIND, 16)

  expect(each.frames(1).allocCell(KIND, 32)).toBe(-EINVAL)
  expect(each.frames(1).allocCell(KIND, 16)).toBeGreaterThan(0)
})

test('when memory is out, a cell is ENOMEM, and after one was freed there is one again', () => {
  const each = world(512)
  const frames = each.frames(0)
  frames.allocCell(KIND, 512)
  const last = frames.allocCell(KIND, 512)
  frames.allocRun(frames.statistics().largestRun * PAGE_SIZE)
  while (frames.allocFrame() > 0);

  expect(frames.allocCell(KIND, 512)).toBe(-ENOMEM)
  frames.freeCell(last)
  expect(frames.allocCell(KIND, 512)).toBe(last)
})

test('all live cells of all kinds are found, and what a thread was building when it died', () => {
  const each = world(512)
  const frames = each.frames(0)
  const mine = frames.allocCell(KIND, 16)
  const other = frames.allocCell(OTHER, 40)
  frames.publishCell(mine)
  frames.publishCell(other)
  const unfinished = frames.allocCell(KIND, 16)

  expect([...frames.allCells()]).toEqual([
    { signature: KIND, at: mine },
    { signature: OTHER, at: other },
  ])
  expect([...frames.unfinishedCellsOf(KIND, each.tid(0))]).toEqual([unfinished])
  expect([...frames.cellsOf(4)]).toEqual([])
})
