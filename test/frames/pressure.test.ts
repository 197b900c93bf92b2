/** Who registered for pressure is asked when memory is out. */

import { expect, test } from 'vitest'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { ENOMEM } from '../../src/words/errno.ts'
import { world } from './world.ts'

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
