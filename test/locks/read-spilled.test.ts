/** A thread that reads under two locks whose entries want the same place in its line (sync/readers.ts). */

import { RwLock } from 'pageframe'
import { expect, test } from 'vitest'
import { homeEntry } from '../../src/sync/readers.ts'

/** Two locks with one home. */
function neighbours(): [RwLock, RwLock] {
  const seen = new Map<number, RwLock>()
  for (;;) {
    const lock = new RwLock()
    const home = homeEntry(0, lock.at + 4)
    const other = seen.get(home)
    if (other !== undefined) return [other, lock]
    seen.set(home, lock)
  }
}

test('a blocking read and an asynchronous one, begun while the place was taken and when it was free again, both end', async () => {
  const [first, lock] = neighbours()
  first.read.lock()
  const token = await lock.read.lockAsync()
  first.read.unlock()
  const held = lock.read.lock()

  expect(held.locked).toBe(true)
  expect(token.locked).toBe(true)
  lock.read.unlock()
  expect(held.locked).toBe(false)
  expect(lock.write.tryLock()).toBeNull()
  token.unlock()
  lock.write.lock().unlock()
})
