import { expect, test } from 'vitest'
import { FrameDamageError } from '../../src/frames/poison.ts'
import { PAGE_SIZE, PAGE_WORDS } from '../../src/words/constants.ts'
import { world } from './world.ts'

function damageOf(act: () => unknown): FrameDamageError {
  try {
    act()
  } catch (error) {
    if (error instanceof FrameDamageError) return error
    throw error
  }
  throw new Error('no damage was told')
}

test('a write after free is told when the frame is allocated: frame, byte, value, and who had freed it', () => {
  const each = world(512, { debug: true })
  const frames = each.frames(3)
  const pfn = frames.allocFrame()
  frames.freeFrame(pfn)
  each.bytes[pfn * PAGE_SIZE + 1234] = 0x42

  expect(frames.check()).toEqual([expect.stringMatching(/write after free: frame \d+ has 0x42 at byte 1234/)])
  const damage = damageOf(() => frames.allocFrame())

  expect(damage).toMatchObject({ pfn, offsetBytes: 1234, found: 0x42, freedBy: each.tid(3) })
  expect(damage.code).toBe('ERR_PAGEFRAME_DAMAGED')
  expect(damage.message).toContain('after thread 3')
  expect(frames.check()).toEqual([])
  expect(frames.allocFrame()).toBe(pfn)
})

test('a write into a freed run is told to whoever gets the frame next, though blocks were merged meanwhile', () => {
  const each = world(512, { debug: true })
  const frames = each.frames(0)
  const run = frames.allocRun(20 * PAGE_SIZE)
  frames.freeRun(run)
  each.bytes[(run + 7) * PAGE_SIZE] = 1

  const damage = damageOf(() => each.frames(1).allocRun(20 * PAGE_SIZE))

  expect(damage).toMatchObject({ pfn: run + 7, offsetBytes: 0, found: 1, freedBy: each.tid(0) })
  expect(frames.check()).toEqual([])
})

test('a write to a frame that was never allocated is told', () => {
  const each = world(512, { debug: true })
  each.bytes[each.geometry.reservedFrames * PAGE_SIZE + 9] = 5

  const damage = damageOf(() => {
    const { largestRun } = each.frames(0).statistics()
    return each.frames(0).allocRun((largestRun - 1) * PAGE_SIZE)
  })

  expect(damage).toMatchObject({ offsetBytes: 9, found: 5, freedBy: 0 })
  expect(damage.message).toContain('never allocated')
})

test('a write past the end is told when the run is freed, and by check(): run, distance and value', () => {
  const each = world(512, { debug: true })
  const frames = each.frames(0)
  for (const [length, past] of [
    [5000, 0],
    [4096, 0],
    [4096, 4095],
    [1, 4000],
    [5000, 7287],
  ] as const) {
    const run = frames.allocRun(length)
    each.bytes[run * PAGE_SIZE + length - 1] = 9 // the last byte that is ours
    expect(frames.check()).toEqual([])
    each.bytes[run * PAGE_SIZE + length + past] = 0x17

    const [problem] = frames.check()
    const damage = damageOf(() => {
      frames.freeRun(run)
    })

    const text = `the run at frame ${run} has ${length} bytes, and 0x17 was found ${past} bytes past its end`
    expect(problem).toContain(text)
    expect(damage.message).toContain(text)
    expect(damage).toMatchObject({ pfn: run, offsetBytes: past, found: 0x17 })
    expect(frames.check()).toEqual([])
  }
})

test('the red zone stays when a run gets an owner, and damage told once is not told again', () => {
  const each = world(512, { debug: true })
  const frames = each.frames(0)
  const run = frames.allocRun(100)
  frames.own(run, 42)
  each.bytes[run * PAGE_SIZE + 100] = 0

  expect(frames.check()).toHaveLength(1)
  damageOf(() => {
    frames.freeRun(run)
  })
  frames.freeRun(frames.allocRun(100))

  expect(frames.check()).toEqual([])
})

test('in debug mode too, what is handed out reads as zero, and all of it merges', () => {
  const each = world(3 * 1024, { debug: true })
  const frames = each.frames(0)
  const { blocks } = frames.statistics()

  for (let round = 0; round < 2; round++) {
    const run = frames.allocRun(1500 * PAGE_SIZE)
    const single = frames.allocFrame()
    const used = each.words.subarray(run * PAGE_WORDS, (run + 1500) * PAGE_WORDS)
    expect(used.every((word) => word === 0)).toBe(true)
    expect(
      each.words.subarray(single * PAGE_WORDS, (single + 1) * PAGE_WORDS).every((word) => word === 0),
    ).toBe(true)
    used.fill(-1)
    frames.freeFrame(single)
    frames.freeRun(run)
  }

  frames.detach()
  expect(frames.statistics().blocks).toEqual(blocks)
  expect(frames.check()).toEqual([])
})

test('frames of a dead thread are poisoned when the reaper frees them', () => {
  const each = world(512, { debug: true })
  const frames = each.frames(0)
  const run = frames.allocRun(3000)
  each.kill(0)
  const reaper = each.frames(1)
  reaper.repair(each.tid(0))
  each.bytes[run * PAGE_SIZE] = 1

  const damage = damageOf(() => reaper.allocRun(3000))

  expect(damage).toMatchObject({ pfn: run, freedBy: each.tid(0) })
})
