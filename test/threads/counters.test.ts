/** What threads count: waits that spun, slept, were ended, and rings that nobody needed. */

import { expect, test } from 'vitest'
import { defaultAttachment } from '../../src/memory/inventory.ts'
import { countersOf, EMPTY_RINGS, PARKS, sumCounters, WAKES } from '../../src/threads/counters.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { Mutex } from '../../src/sync.ts'
import { deadlineAfter } from '../../src/host/clock.ts'

const attachment = defaultAttachment()
const sums = () => sumCounters(attachment.buffer, attachment.map.slotsAt, attachment.map.frames.slotCount)

test('a ring that finds nobody asleep is counted by who rang', () => {
  const { thread, buffer } = attachment
  const before = countersOf(buffer, thread.at)[EMPTY_RINGS]

  thread.ring(thread.at + ThreadSlot.park)

  expect(countersOf(buffer, thread.at)[EMPTY_RINGS]).toBe(before + 1)
})

test("a wait that sleeps is a park, and its end by time-out is nobody's wake", () => {
  const before = sums()

  attachment.sleepUntil(deadlineAfter(5))

  const after = sums()
  expect(after[PARKS] - before[PARKS]).toBe(1)
  expect(after[WAKES] - before[WAKES]).toBe(0)
})

test('unlocking what somebody waits for is one wake', async () => {
  const lock = new Mutex()
  const before = sums()
  lock.lock()
  const waiter = lock.lockAsync()

  lock.unlock()
  ;(await waiter).unlock()

  expect(sums()[WAKES] - before[WAKES]).toBe(1)
})
