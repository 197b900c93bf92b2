/** The memory of tests of watched locks: a new one for each test, which is sound and destroyed at its end. */

import { SharedMemory } from 'pageframe'
import { waitGraph } from 'pageframe/inspect'
import { afterEach, beforeEach, expect } from 'vitest'
import { eventually } from '../support.ts'

export let memory: SharedMemory

beforeEach(() => {
  memory = new SharedMemory({ size: '64MiB', locks: { deadlocks: true, statistics: true } })
})

afterEach(async () => {
  await eventually(() => memory.check().ok, 'the reaper').catch(() => undefined)
  expect(memory.check().problems).toEqual([])
  memory.destroy()
})

/** Until so many wait. */
export function waits(count: number): Promise<void> {
  return eventually(() => waitGraph(memory).waits.length === count, `${count} waits`)
}
