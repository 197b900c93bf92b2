import { expect, test } from 'vitest'
import { Pins, PinRecord } from '../../src/paging/pins.ts'
import { limboWorld } from './limbo-world.ts'

type World = ReturnType<typeof limboWorld>

function hasRecords({ frames }: World): boolean {
  return [...frames.cellsOf(PinRecord.signature)].length > 0
}

/** Pages that the records of a space cover, each as often as they do. */
function pagesOf({ frames }: World, space: number): number {
  const { cpu } = frames
  let pages = 0
  for (const cell of frames.cellsOf(PinRecord.signature)) {
    if (cpu.load(cell + PinRecord.space) !== space) continue
    const runs = cpu.load(cell + PinRecord.runCount)
    for (let i = 0; i < runs; i++) pages += cpu.load(cell + PinRecord.runs + 2 * i + 1)
  }
  return pages
}

test('a frame is pinned while a record covers it, in whatever run of it', () => {
  const world = limboWorld()
  const pins = new Pins(world.frames)
  const runs = Array.from({ length: 40 }, (_, i) => ({ pfn: 1000 + 10 * i, count: 3 }))
  expect([hasRecords(world), pins.hasOwn, pins.isPinned(1000)]).toEqual([false, false, false])

  const cells = pins.pin(runs, world.at(1)) as number[]

  expect(cells).toHaveLength(3) // 14 runs each
  for (const { pfn } of runs) {
    const seen = [pfn - 1, pfn, pfn + 1, pfn + 2, pfn + 3].map((each) => pins.isPinned(each))
    expect(seen).toEqual([false, true, true, true, false])
    expect([pins.isPinned(pfn - 5, 5), pins.isPinned(pfn - 5, 6), pins.isPinned(pfn + 2, 5)]).toEqual([
      false,
      true,
      true,
    ])
  }
  expect([hasRecords(world), pins.hasOwn, pagesOf(world, world.at(1))]).toEqual([true, true, 120])
  expect(pagesOf(world, world.at(2))).toBe(0)

  pins.unpin(cells)
  expect([hasRecords(world), pins.hasOwn, pins.isPinned(1000)]).toEqual([false, false, false])
})

test('what is asked of many frames agrees with what is asked of one, with runs that overlap and touch', () => {
  const world = limboWorld()
  const pins = new Pins(world.frames)
  let seed = 7
  const random = (below: number) => (seed = (seed * 48271) % 0x7fffffff) % below
  for (let i = 0; i < 30; i++) {
    pins.pin([{ pfn: 1 + random(900), count: 1 + random(20) }], world.at(i % 3))
  }

  const snapshot = pins.snapshot()

  for (let pfn = 1; pfn < 1000; pfn++) {
    const count = 1 + random(5)
    expect(snapshot.covers(pfn, count)).toBe(pins.isPinned(pfn, count))
    expect(snapshot.covers(pfn)).toBe(pins.isPinned(pfn))
  }
})

test('where memory is out nothing is pinned', () => {
  const world = limboWorld()
  const pins = new Pins(world.frames)
  const runs = Array.from({ length: 14 * 100 }, (_, i) => ({ pfn: 1000 + 2 * i, count: 1 }))
  const held: number[] = []
  for (let pfn = world.frames.allocFrame(); pfn > 0; pfn = world.frames.allocFrame()) held.push(pfn)
  world.frames.freeFrame(held[0])

  expect(pins.pin(runs, world.at(1))).toBe(-12)
  expect([hasRecords(world), pins.hasOwn]).toEqual([false, false])
})

test('pins outlive their thread, until the space is released; a record that was not published does not', () => {
  const world = limboWorld()
  const frames = world.threadFrames(5)
  const theirs = new Pins(frames)
  const mine = new Pins(world.frames)
  theirs.pin([{ pfn: 100, count: 2 }], world.at(5))
  mine.pin([{ pfn: 200, count: 1 }], world.at(0))
  frames.allocCell(PinRecord.signature, PinRecord.sizeof)
  world.kill(5)
  world.frames.repair(world.tid(5))

  expect([mine.isPinned(101), mine.isPinned(200)]).toEqual([true, true])
  mine.releaseAll(world.at(5))
  mine.releaseAll(world.at(5))
  expect([mine.isPinned(101), mine.isPinned(200)]).toEqual([false, true])
  expect([...world.frames.unfinishedCellsOf(PinRecord.signature, world.tid(5))]).toEqual([])
  expect(world.frames.check()).toEqual([])
})
