import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PAGE_SIZE, PAGE_WORDS } from '../../src/words/constants.ts'
import { EINVAL, ENOMEM } from '../../src/words/errno.ts'
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

test('who registered for pressure is asked with no lock held, and the allocation is tried again', () => {
  const each = world(512)
  const frames = each.frames(0)
  const hoard = frames.allocRun(frames.statistics().largestRun * PAGE_SIZE)
  const asked: number[] = []
  frames.onPressure((wanted) => {
    asked.push(wanted)
    if (asked.length > 1) return false
    frames.freeRun(hoard) // would wait for ever if the zone were locked
    return true
  })

  const run = frames.allocRun(3 * PAGE_SIZE)

  expect(run).toBeGreaterThan(0)
  expect(asked).toEqual([3])
  expect(frames.allocRun(512 * PAGE_SIZE)).toBe(-ENOMEM)
  expect(asked).toEqual([3, 512])
})

test('a single frame asks for pressure relief too', () => {
  const each = world(512)
  const frames = each.frames(0)
  const hoard = frames.allocRun(frames.statistics().largestRun * PAGE_SIZE)
  let asked = 0
  frames.onPressure(() => {
    if (asked++ > 0) return false
    frames.freeRun(hoard)
    return true
  })

  expect(frames.allocFrame()).toBeGreaterThan(0)
  expect(asked).toBe(1)
})

test('what one thread has written, no other thread is ever given', () => {
  const each = world(512)
  const writer = each.frames(0)
  const reader = each.frames(1)
  const canary = (pfn: number, frames: number) =>
    each.words.fill(0x0ca9a5, pfn * PAGE_WORDS, (pfn + frames) * PAGE_WORDS)
  const seen = (pfn: number, frames: number) =>
    each.words.subarray(pfn * PAGE_WORDS, (pfn + frames) * PAGE_WORDS).some((word) => word !== 0)

  for (let round = 0; round < 5; round++) {
    const single = writer.allocFrame()
    const run = writer.allocRun(100 * PAGE_SIZE)
    canary(single, 1)
    canary(run, 100)
    writer.freeFrame(single)
    writer.freeRun(run)
    writer.detach()

    const all = reader.allocRun(reader.statistics().largestRun * PAGE_SIZE)
    expect(seen(all, reader.framesOf(all))).toBe(false)
    reader.freeRun(all)
    for (let i = 0; i < 40; i++) {
      const pfn = reader.allocFrame()
      expect(seen(pfn, 1)).toBe(false)
      canary(pfn, 1)
      reader.freeFrame(pfn)
    }
    reader.detach()
  }
})

test('a single frame that was used is not taken for untouched when it comes back among untouched ones', () => {
  const each = world(512)
  const [writer, reader] = [each.frames(0), each.frames(1)]
  const pfn = writer.allocFrame()
  each.words[pfn * PAGE_WORDS + 9] = 0x0ca9a5
  writer.freeFrame(pfn)
  writer.detach()

  for (let given = reader.allocFrame(); given > 0; given = reader.allocFrame()) {
    expect(each.words[given * PAGE_WORDS + 9]).toBe(0)
  }
})

test('keepContents leaves what is there', () => {
  const each = world(512)
  const frames = each.frames(0)
  const pfn = frames.allocFrame()
  each.words[pfn * PAGE_WORDS] = 77
  frames.freeFrame(pfn)

  expect(frames.allocFrame(true)).toBe(pfn)
  expect(each.words[pfn * PAGE_WORDS]).toBe(77)
})

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
