import { expect, test } from 'vitest'
import { deadlineAfter } from '../../src/host/clock.ts'
import { atomicsCpu } from '../../src/host/cpu.ts'
import { LiveThread } from '../../src/threads/live-thread.ts'
import { ASLEEP, ThreadSlot, tidOf } from '../../src/threads/slot.ts'
import { thrownBy } from '../support.ts'

function thread(): LiveThread {
  const buffer = new SharedArrayBuffer(2 * ThreadSlot.sizeof * 4)
  const live = new LiveThread(atomicsCpu(buffer), new Int32Array(buffer), 0, tidOf(0, 1), 0)
  live.cpu.store(ThreadSlot.park, ASLEEP)
  return live
}

test('who was not rung, since it was not ASLEEP yet, looks around before it sleeps', () => {
  const live = thread()
  live.onSlice = (sinceMs) => {
    throw new Error(`looked after ${sinceMs} ms`)
  }

  expect(thrownBy(() => live.sleep(ThreadSlot.park, ASLEEP, Infinity)).message).toBe('looked after 0 ms')
})

test('who waits for a short lock of the kernel looks after each nap, for its holder may have died unnoticed', () => {
  const live = thread()
  const word = ThreadSlot.sizeof
  live.onSlice = (sinceMs) => {
    throw new Error(`looked after ${sinceMs} ms`)
  }

  expect(thrownBy(() => { live.awaitChange(word, 0) }).message).toBe('looked after 1 ms') // prettier-ignore
})

test('it looks again at the end of each slice of a second, and goes on sleeping until the deadline', () => {
  const live = thread()
  const looks: number[] = []
  live.onSlice = (sinceMs) => void looks.push(Math.round(sinceMs / 1000))

  const wasRung = live.sleep(ThreadSlot.park, ASLEEP, deadlineAfter(2100))

  expect(wasRung).toBe(false)
  expect(looks).toEqual([0, 1, 2, 2])
})
