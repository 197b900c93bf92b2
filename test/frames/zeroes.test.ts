/** What is handed out reads as zero, unless the caller wants what is there. */

import { expect, test } from 'vitest'
import { PAGE_SIZE, PAGE_WORDS } from '../../src/words/constants.ts'
import { world } from './world.ts'

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
