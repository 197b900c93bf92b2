/** What errors of locks say. */

import { Mutex } from 'pageframe'
import { expect, test } from 'vitest'
import { freshName, thrownBy } from '../support.ts'
import { heldElsewhere } from './held-elsewhere.ts'

test('EPERM says who holds the lock', async () => {
  const name = freshName()
  const lock = Mutex.open(name)
  const unlock = () => {
    lock.unlock()
  }

  expect(thrownBy(unlock).message).toBe(`EPERM: Mutex '${name}': this thread does not hold it, nobody does`)
  const other = await heldElsewhere(lock)
  expect(thrownBy(unlock).message).toBe(
    `EPERM: Mutex '${name}': this thread does not hold it, thread ${other.threadId} does`,
  )
})
