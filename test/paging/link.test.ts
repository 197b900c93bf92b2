import { describe, expect, test } from 'vitest'
import { FLOATING, Frame, kindOf, OWNED } from '../../src/frames/frame.ts'
import type { Frames } from '../../src/frames/frames.ts'
import { flagsOf, frameAt } from '../../src/frames/zone.ts'
import { linkFrame, repairLinks } from '../../src/paging/link.ts'
import { LP64 } from '../../src/paging/addresses.ts'
import { HIDDEN, markerOf, pfnOf, PRESENT, pteOf, TAKEN } from '../../src/paging/pte.ts'
import { PageTable } from '../../src/paging/table.ts'
import { PAGE_WORDS } from '../../src/words/constants.ts'
import { limboWorld } from './limbo-world.ts'

test('a frame that was linked is its owner’s, with its index', () => {
  const { frames, entryAt, at, cpu, objectOf, pteOf: pteFor } = limboWorld()
  const pfn = frames.allocFrame()

  expect(linkFrame(frames, pfn, entryAt(1), 0, pteFor(pfn), at(1), 77)).toBe(true)

  expect(cpu.load(entryAt(1))).toBe(pteFor(pfn))
  expect(kindOf(flagsOf(frames, pfn))).toBe(OWNED)
  expect([objectOf(pfn), cpu.load(frameAt(frames.geometry, pfn) + Frame.index)]).toEqual([at(1), 77])
})

test('who comes second has his frame freed, and the entry stays as it is', () => {
  const { frames, entryAt, at, cpu, pteOf: pteFor, isFree } = limboWorld()
  cpu.store(entryAt(1), 4711)
  const pfn = frames.allocFrame()

  expect(linkFrame(frames, pfn, entryAt(1), 0, pteFor(pfn), at(1), 0)).toBe(false)

  expect(cpu.load(entryAt(1))).toBe(4711)
  expect(isFree(pfn)).toBe(true)
})

test('two threads that need one table get the same one', () => {
  const world = limboWorld()
  const [mine, theirs] = [world.frames, world.threadFrames(1)]
  const rootAt = world.at(2)
  const table = new PageTable(mine, LP64, rootAt, rootAt)
  const other = new PageTable(theirs, LP64, rootAt, rootAt)
  // The other is faster, between the look and the compareExchange: while a frame is allocated.
  let isFirst = true
  const allocFrame = mine.allocFrame.bind(mine)
  mine.allocFrame = (keepContents) => {
    if (isFirst) {
      isFirst = false
      other.ensure(5)
    }
    return allocFrame(keepContents)
  }

  const at = table.ensure(6)

  expect(at).toBe(other.find(6))
  expect(table.countTables()).toEqual([1, 1, 1, 1])
  expect(mine.check()).toEqual([])
})

describe('after a death', () => {
  /** The state right before own(): thread 5 has linked a frame into a table of space 5, or into space 5 itself. */
  function linked(entry: (pfn: number) => number, where: 'table' | 'root' | 'elsewhere') {
    const world = limboWorld()
    const frames = world.threadFrames(5)
    const owner = world.at(5)
    let entryAt = owner + 7
    if (where !== 'root') {
      const table = frames.allocFrame()
      frames.own(table, where === 'table' ? owner : world.at(6))
      entryAt = table * PAGE_WORDS + 9
    }
    const pfn = frames.allocFrame()
    const frame = frameAt(world.geometry, pfn)
    world.cpu.store(frame + Frame.object, owner)
    world.cpu.store(frame + Frame.link, entryAt)
    world.cpu.store(entryAt, entry(pfn))
    world.kill(5)
    repairLinks(world.frames, world.tid(5))
    repairLinks(world.frames, world.tid(5))
    const kind = kindOf(flagsOf(world.frames, pfn))
    world.frames.repair(world.tid(5))
    return { kind, isFree: world.isFree(pfn), object: world.objectOf(pfn), owner }
  }

  test.each(['table', 'root'] as const)('what was linked into a %s is owned', (where) => {
    for (const entry of [(pfn: number) => pteOf(pfn, PRESENT), (pfn: number) => markerOf(pfn, HIDDEN)]) {
      const { kind, isFree, object, owner } = linked(entry, where)
      expect([kind, isFree, object]).toEqual([OWNED, false, owner])
    }
    expect(linked((pfn) => markerOf(pfn, TAKEN), where).kind).toBe(OWNED)
  })

  test('what was not linked is freed, and so is what a note points at that is out of date', () => {
    expect(linked(() => 0, 'table')).toMatchObject({ kind: FLOATING, isFree: true })
    expect(linked((pfn) => pteOf(pfn + 1, PRESENT), 'table')).toMatchObject({ kind: FLOATING, isFree: true })
    expect(linked((pfn) => pteOf(pfn, PRESENT), 'elsewhere')).toMatchObject({ kind: FLOATING, isFree: true })
  })

  test('nothing of the living is touched', () => {
    const world = limboWorld()
    const before = world.frames.statistics()
    const pfn = world.frames.allocFrame()
    world.threadFrames(5)
    world.kill(5)

    repairLinks(world.frames, world.tid(5))

    expect(kindOf(flagsOf(world.frames, pfn))).toBe(FLOATING)
    world.frames.freeFrame(pfn)
    expect(world.frames.statistics().freeFrames).toBe(before.freeFrames)
    expect(unownedBy(world.frames, world.tid(5))).toEqual([])
  })

  function unownedBy(frames: Frames, tid: number): readonly number[] {
    return frames.floatingOf(tid).map((pfn) => pfnOf(pteOf(pfn, 0)))
  }
})
