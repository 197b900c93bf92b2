/** Single frames and runs together: against a plain model, and against those who free what is not theirs. */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { ENOMEM } from '../../src/words/errno.ts'
import { world } from './world.ts'

const CHUNK = 1024

test('a new memory is all free, and nothing of its frame table is written but for the chunks that are not whole', () => {
  const { frames, geometry, words } = world(5 * CHUNK + 100)

  const { freeFrames, blocks, largestRun } = frames(0).statistics()

  expect(freeFrames).toBe(geometry.frameCount - geometry.reservedFrames)
  expect(largestRun).toBe(freeFrames)
  expect(blocks[10]).toBe(4)
  const whole = geometry.tableAt + CHUNK * 8
  expect(words.subarray(whole, whole + 4 * CHUNK * 8).every((word) => word === 0)).toBe(true)
  expect(frames(0).check()).toEqual([])
})

test('a frame is allocated, owned and freed, and everything merges again', () => {
  const each = world(3 * CHUNK)
  const frames = each.frames(0)
  const before = frames.statistics()

  const pfn = frames.allocFrame()
  frames.own(pfn, 4711)
  expect(frames.check()).toEqual([])
  frames.freeFrame(pfn)
  frames.detach()

  expect(frames.check()).toEqual([])
  expect(frames.statistics()).toEqual({ ...before, peakFrames: 16 })
})

test('any sequence of allocations and frees keeps to a plain model, and all of it merges at the end', () => {
  const step = fc.record({
    thread: fc.nat(2),
    length: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 2600 })),
    free: fc.boolean(),
    which: fc.nat(1000),
    owned: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 0, max: 1500 }), (steps, reserved) => {
      const each = world(4 * CHUNK + 48, { reserved })
      const threads = [each.frames(0), each.frames(1), each.frames(2)]
      const start = threads[0].statistics()
      const held: { pfn: number; length: number; thread: number }[] = []
      const used = new Set<number>()

      for (const { thread, length, free, which, owned } of steps) {
        const frames = threads[thread]
        if (free && held.length > 0) {
          const [run] = held.splice(which % held.length, 1)
          threads[run.thread].freeFrame(run.pfn)
          for (let i = 0; i < run.length; i++) used.delete(run.pfn + i)
        } else {
          const pfn = length === 1 ? frames.allocFrame() : frames.allocRun(length * PAGE_SIZE)
          if (pfn < 0) {
            expect(pfn).toBe(-ENOMEM)
            expect(longestGap(used, each.geometry)).toBeLessThan(length)
            continue
          }
          for (let i = 0; i < length; i++) {
            expect(used.has(pfn + i)).toBe(false)
            used.add(pfn + i)
          }
          if (owned) frames.own(pfn, 99)
          held.push({ pfn, length, thread })
        }
        expect(frames.check()).toEqual([])
        expect(frames.statistics().freeFrames).toBe(start.freeFrames - used.size)
      }
      for (const run of held) threads[run.thread].freeFrame(run.pfn)
      for (const frames of threads) frames.detach()
      expect(threads[0].check()).toEqual([])
      expect(threads[0].statistics().blocks).toEqual(start.blocks)
    }),
    { numRuns: 60 },
  )
})

function longestGap(
  used: ReadonlySet<number>,
  geometry: { reservedFrames: number; frameCount: number },
): number {
  let longest = 0
  let length = 0
  for (let pfn = geometry.reservedFrames; pfn < geometry.frameCount; pfn++) {
    length = used.has(pfn) ? 0 : length + 1
    longest = Math.max(longest, length)
  }
  return longest
}

test('freeing twice, or what is not ours, is a bug that stops the program', () => {
  const each = world(512)
  const frames = each.frames(0)
  const pfn = frames.allocFrame()
  const theirs = each.frames(1).allocFrame()
  frames.freeFrame(pfn)

  expect(() => {
    frames.freeFrame(pfn)
  }).toThrow(/not this thread's to free/)
  expect(() => {
    frames.freeFrame(theirs)
  }).toThrow(/not this thread's to free/)
  expect(() => {
    frames.freeFrame(0)
  }).toThrow(/frame 0 is freed/)
})
