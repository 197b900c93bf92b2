/** What a thread says it waits for, while it waits and no longer. */

import { Condition, futex, Mutex, Semaphore, SharedMemory } from 'pageframe'
import { attachmentById } from 'pageframe/internals'
import { expect, test } from 'vitest'

const attachment = attachmentById(SharedMemory.default.memory)
const words = SharedMemory.default.alloc(64).as(Int32Array)
const wait = { timeoutMs: 500 }

test.each([
  ['Semaphore', () => { new Semaphore(0).acquire(wait) }, 'has no permits'],
  ['Condition', () => { new Mutex().run((held) => { new Condition().wait(held, wait) }) }, 'has not been notified'],
  ['futex.wait()', () => { futex.wait(words, 0, 0, wait) }, 'has not been woken'],
  ['futex.waitv()', () => { futex.waitv([{ words, index: 0, expected: 0 }], wait) }, 'have not been woken'],
])('%s: a wait that ends with an error is over', (_, block, what) => {
  const { thread } = attachment
  const { onSlice } = thread
  let told: string | undefined
  thread.onSlice = () => {
    told = attachment.awaited?.describe()
    throw new Error('poisoned')
  }

  expect(block).toThrow('poisoned')

  thread.onSlice = onSlice
  expect(told).toContain(what)
  expect(attachment.awaited).toBeUndefined()
}) // prettier-ignore
