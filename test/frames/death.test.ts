import { expect, test } from 'vitest'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { Blocked, world } from './world.ts'

const KIND = 7

test('what a dead thread had allocated and not linked is free again; what was linked stays', () => {
  const each = world(3 * 1024 + 16)
  const dying = each.frames(0)
  const before = dying.statistics()
  const kept = dying.allocFrame()
  dying.own(kept, 5)
  const object = dying.allocCell(KIND, 16)
  dying.publishCell(object)
  const unfinished = dying.allocCell(KIND, 16)
  dying.allocFrame()
  dying.allocRun(1500 * PAGE_SIZE)
  dying.allocRun(17)
  each.kill(0)
  const reaper = each.frames(1)

  reaper.repair(each.tid(0))
  reaper.repair(each.tid(0))

  expect(reaper.check()).toEqual([])
  expect(reaper.statistics().freeFrames).toBe(before.freeFrames - 2) // the owned frame and the slab
  expect(reaper.isLiveCell(object)).toBe(true)
  expect([...reaper.unfinishedCellsOf(KIND, each.tid(0))]).toEqual([])
  expect(reaper.allocCell(KIND, 16)).toBe(unfinished)
})

test('the zone lock of a dead thread is taken over before anybody allocates', () => {
  const each = world(512)
  const dead = each.tid(0)
  each.cpu.store(each.geometry.zoneAt, dead)
  each.frames(0)
  each.kill(0)
  const reaper = each.frames(1)
  expect(() => reaper.allocRun(1)).toThrow(Blocked)

  reaper.takeOver(dead)
  reaper.takeOver(dead)

  expect(reaper.allocRun(1)).toBeGreaterThan(0)
})

test.each([false, true])(
  'a reaper may free for the dead, and forgets no run when it gives up (debug: %s)',
  (debug) => {
    const each = world(512, { debug })
    const run = each.frames(0).allocRun(3 * PAGE_SIZE)
    each.kill(0)
    const reaper = each.frames(1)
    const { freeFrames } = reaper.statistics()
    each.cpu.store(each.geometry.zoneAt, each.tid(2)) // a living thread holds the zone lock
    expect(() => {
      reaper.freeRun(run)
    }).toThrow(Blocked)
    each.cpu.store(each.geometry.zoneAt, 0)

    reaper.repair(each.tid(0))
    reaper.drainRetired()

    expect(reaper.statistics().freeFrames).toBe(freeFrames + 3 + (debug ? 1 : 0))
    expect(reaper.check()).toEqual([])
  },
)

test('frames and cells that a dead thread had retired wait for a grace period of the reaper', () => {
  const each = world(512)
  const [dying, reader] = [each.frames(0), each.frames(1)]
  const cell = dying.allocCell(KIND, 16)
  dying.publishCell(cell)
  const frame = dying.allocFrame()
  each.words[cell + 2] = 77
  dying.own(frame, 1)
  reader.enterKernel()
  dying.retireCell(cell)
  dying.retireFrame(frame)
  each.kill(0)
  const reaper = each.frames(2)

  reaper.repair(each.tid(0))
  expect(reaper.drainRetired()).toBe(2)
  expect(each.words[cell + 2]).toBe(77)
  reader.leaveKernel()
  expect(reaper.drainRetired()).toBe(0)

  expect(each.words[cell + 2]).toBe(0)
  expect(reaper.check()).toEqual([])
})

test('what was retired is freed when each reader has left once, and not before; nesting counts as one stay', () => {
  const each = world(512)
  const [writer, reader] = [each.frames(0), each.frames(1)]
  const run = writer.allocRun(5 * PAGE_SIZE)
  writer.own(run, 1)
  const { freeFrames } = writer.statistics()
  reader.enterKernel()
  reader.enterKernel()
  writer.retireFrame(run)

  expect(writer.drainRetired()).toBe(1)
  reader.leaveKernel()
  expect(writer.drainRetired()).toBe(1)
  reader.leaveKernel()
  reader.enterKernel() // again, but it cannot have found what was unlinked before
  expect(writer.drainRetired()).toBe(0)

  expect(writer.statistics().freeFrames).toBe(freeFrames + 5)
})

test('a reader that is dead is waited for until it is reaped: its reaper reads what its notes point at', () => {
  const each = world(512)
  const [writer, reader] = [each.frames(0), each.frames(1)]
  const frame = writer.allocFrame()
  reader.enterKernel()
  writer.retireFrame(frame)
  expect(writer.drainRetired()).toBe(1)

  each.kill(1)
  expect(writer.drainRetired()).toBe(1)
  each.reaped(1)

  expect(writer.drainRetired()).toBe(0)
})

test('what a reaper had retired it frees later, when another holds the zone lock', () => {
  const each = world(512)
  const reaper = each.frames(0)
  const { freeFrames } = reaper.statistics()
  const held = Array.from({ length: 40 }, () => reaper.allocFrame())
  for (const pfn of held) reaper.retireFrame(pfn)
  each.frames(2)
  each.cpu.store(each.geometry.zoneAt, each.tid(2))

  expect(() => reaper.drainRetired()).toThrow(Blocked) // its magazine is full
  each.cpu.store(each.geometry.zoneAt, 0)

  expect(reaper.drainRetired()).toBe(0)
  expect(reaper.statistics().freeFrames).toBe(freeFrames)
})

test('a refill of the magazine frees what was retired', () => {
  const each = world(512)
  const frames = each.frames(0)
  const held: number[] = []
  for (let pfn = frames.allocFrame(); pfn > 0; pfn = frames.allocFrame()) held.push(pfn)
  frames.retireFrame(held[0])

  expect(frames.allocFrame()).toBe(held[0])
})

test('the slot of a dead thread is left with an empty magazine', () => {
  const each = world(512)
  const dying = each.frames(0)
  dying.freeFrame(dying.allocFrame())
  const magazine = each.geometry.slotsAt + ThreadSlot.magazine
  expect(each.words[magazine]).toBeGreaterThan(0)
  each.kill(0)

  each.frames(1).repair(each.tid(0))

  expect(each.words[magazine]).toBe(0)
})
