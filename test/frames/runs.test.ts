/** Runs: found wherever there is a row of free frames that is long enough, and not where there is none. */

import { expect, test } from 'vitest'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { EINVAL, ENOMEM } from '../../src/words/errno.ts'
import { world } from './world.ts'

const CHUNK = 1024

test('a run may take all of a memory, from the reserved frames to the end', () => {
  for (const frameCount of [512, CHUNK, 3 * CHUNK, 3 * CHUNK + 16]) {
    const each = world(frameCount)
    const frames = each.frames(0)
    const { freeFrames, blocks } = frames.statistics()

    const run = frames.allocRun(freeFrames * PAGE_SIZE)
    expect(run).toBe(each.geometry.reservedFrames)
    expect(frames.statistics().freeFrames).toBe(0)
    expect(frames.allocFrame()).toBe(-ENOMEM)
    expect(frames.check()).toEqual([])
    frames.own(run, 1)
    frames.freeRun(run)

    expect(frames.check()).toEqual([])
    expect(frames.statistics().blocks).toEqual(blocks)
  }
})

test('a run takes exactly the frames it needs, whatever its length', () => {
  const each = world(4 * CHUNK)
  const frames = each.frames(0)
  const { freeFrames } = frames.statistics()

  for (const length of [1, 3, 5, 511, 513, 1023, 1024, 1025, 2000, 2048, 2049]) {
    const run = frames.allocRun(length * PAGE_SIZE - 1)
    expect(run).toBeGreaterThan(0)
    expect(frames.statistics().freeFrames).toBe(freeFrames - length)
    expect(frames.check()).toEqual([])
    frames.freeRun(run)
    expect(frames.check()).toEqual([])
  }
})

test('free frames that do not lie side by side make no run: ENOMEM, and nothing changes', () => {
  const each = world(2 * CHUNK)
  const frames = each.frames(0)
  const all: number[] = []
  for (let pfn = frames.allocFrame(); pfn >= 0; pfn = frames.allocFrame()) all.push(pfn)
  for (const pfn of all) if (pfn % 2 === 0) frames.freeFrame(pfn)
  frames.detach()
  const before = frames.statistics()

  expect(frames.allocRun(2 * PAGE_SIZE)).toBe(-ENOMEM)

  expect(before.freeFrames).toBe(all.filter((pfn) => pfn % 2 === 0).length)
  expect(before.largestRun).toBe(1)
  expect(frames.statistics()).toEqual(before)
  expect(frames.check()).toEqual([])
})

test('a run is found where alignment hides it: across the boundary of two blocks', () => {
  const each = world(2 * CHUNK, { reserved: 101 })
  const frames = each.frames(0)
  const { largestRun } = frames.statistics()
  const all = frames.allocRun(largestRun * PAGE_SIZE)
  expect(frames.allocRun(1)).toBe(-ENOMEM)
  frames.freeRun(all)

  const run = frames.allocRun((CHUNK + 200) * PAGE_SIZE)

  expect(run).toBe(each.geometry.reservedFrames)
  expect(run % 2).toBe(1)
  expect(frames.check()).toEqual([])
  frames.freeRun(run)
  expect(frames.check()).toEqual([])
  expect(frames.statistics().largestRun).toBe(largestRun)
})

test('a length that is no length is EINVAL', () => {
  const frames = world(512).frames(0)

  for (const length of [0, -1, 0.5, NaN, Infinity]) expect(frames.allocRun(length)).toBe(-EINVAL)
})
