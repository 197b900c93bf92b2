/** Magazines hold free frames for their threads, and for everybody when nothing else is left. */

import { expect, test } from 'vitest'
import type { Frames } from '../../src/frames/frames.ts'
import { MAGAZINE_CAPACITY } from '../../src/frames/magazine.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { ENOMEM } from '../../src/words/errno.ts'
import { world, type World } from './world.ts'

/** All is free, but eight frames in the magazine of each of these threads, far apart. Returns how many frames there are. */
function scattered(each: World, threads: readonly number[]): number {
  const owner = each.frames(0)
  const all = allOf(owner)
  for (const [i, pfn] of all.entries()) {
    owner.own(pfn, 1)
    const holder = i % 10 === 0 && i < 80 * threads.length ? threads[Math.floor(i / 80)] : 0
    each.frames(holder).freeFrame(pfn)
  }
  owner.detach()
  return all.length
}

/** Every frame that is free, allocated. */
function allOf(frames: Frames): number[] {
  const all: number[] = []
  for (let pfn = frames.allocFrame(); pfn >= 0; pfn = frames.allocFrame()) all.push(pfn)
  return all
}

test('a run that takes all of a memory gets what lies in the magazines of threads that are asleep', () => {
  const each = world(512)
  const total = scattered(each, [1, 2, 3])
  const frames = each.frames(0)
  expect(frames.statistics()).toMatchObject({ freeFrames: total, magazineFrames: 24 })
  expect(frames.statistics().largestRun).toBeLessThan(total)

  const run = frames.allocRun(total * PAGE_SIZE)

  expect(run).toBe(each.geometry.reservedFrames)
  expect(frames.statistics()).toMatchObject({ freeFrames: 0, magazineFrames: 0 })
  expect(frames.check()).toEqual([])
})

test("the last free frames are had by whoever wants one, in whoever else's magazine they lie", () => {
  const each = world(512)
  const [first, second] = [each.frames(0), each.frames(1)]
  const all = allOf(first)
  first.freeFrame(all[7])
  first.freeFrame(all[40])

  const had = [second.allocFrame(), second.allocFrame(), second.allocFrame()]

  expect(had.toSorted()).toEqual([all[7], all[40], -ENOMEM].toSorted())
  expect(first.allocFrame()).toBe(-ENOMEM)
  expect(first.check()).toEqual([])
})

test('a thread whose magazine was taken goes on: it gets other frames, and none that somebody has', () => {
  const each = world(512)
  const total = scattered(each, [1])
  const [thief, robbed] = [each.frames(0), each.frames(1)]
  const run = thief.allocRun(total * PAGE_SIZE)
  expect(robbed.allocFrame()).toBe(-ENOMEM)
  thief.freeRun(run)

  const mine = Array.from({ length: 100 }, () => robbed.allocFrame())
  const theirs = Array.from({ length: total - 100 }, () => thief.allocFrame())

  expect(new Set([...mine, ...theirs]).size).toBe(total)
  expect(Math.min(...mine, ...theirs)).toBeGreaterThan(0)
  expect(thief.statistics().freeFrames).toBe(0)
  expect(thief.check()).toEqual([])
})

test('a frame that comes back to the thread it was taken from counts once, though its list names it twice', () => {
  const each = world(512)
  const [thief, robbed] = [each.frames(0), each.frames(1)]
  const all = allOf(robbed)
  robbed.freeFrame(all[3])
  const taken = thief.allocFrame()
  thief.own(taken, 1)

  robbed.freeFrame(taken)

  expect(taken).toBe(all[3])
  expect(robbed.statistics()).toMatchObject({ freeFrames: 1, magazineFrames: 1 })
  expect(robbed.check()).toEqual([])
  expect([robbed.allocFrame(), robbed.allocFrame()]).toEqual([taken, -ENOMEM])
})

test('a list full of frames that others took makes room for more', () => {
  const each = world(512)
  const [thief, robbed] = [each.frames(0), each.frames(1)]
  const all = allOf(robbed)
  for (const pfn of all.slice(0, MAGAZINE_CAPACITY)) robbed.freeFrame(pfn)
  const taken = Array.from({ length: MAGAZINE_CAPACITY }, () => thief.allocFrame())
  expect(taken).not.toContain(-ENOMEM)

  for (const pfn of all.slice(MAGAZINE_CAPACITY)) robbed.freeFrame(pfn)
  robbed.detach()

  expect(robbed.check()).toEqual([])
  expect(robbed.statistics()).toMatchObject({ freeFrames: all.length - MAGAZINE_CAPACITY, magazineFrames: 0 })
})

test("what somebody took out of a dead thread's magazine is not freed once more by its reaper", () => {
  const each = world(512)
  const total = scattered(each, [1])
  const [thief, reaper] = [each.frames(0), each.frames(2)]
  each.kill(1)
  const run = thief.allocRun(total * PAGE_SIZE)

  reaper.repair(each.tid(1))

  expect(run).toBeGreaterThan(0)
  expect(reaper.statistics().freeFrames).toBe(0)
  expect(reaper.check()).toEqual([])
})
