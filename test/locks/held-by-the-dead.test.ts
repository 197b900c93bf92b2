/** Who holds a lock that is not robust when its owner has ended, and another thread has got the owner's slot. */

import { Mutex } from 'pageframe'
import { waitGraph } from 'pageframe/inspect'
import { expect, test } from 'vitest'
import { Actor, eventually, thrownBy } from '../support.ts'

test('a dead owner is never taken for the thread that has its place', async () => {
  const mutex = new Mutex({ robust: false })
  const owner = await Actor.start()
  await owner.run(({ Mutex }, handle) => void Mutex.from(handle).lock(), mutex)
  await owner.end()
  await eventually(() => mutex.owner === -1, 'the end of the owner')
  const others = await Actor.crew(3) // one of them gets the slot
  await Promise.all(others.map((other) => other.run(({ Semaphore }) => new Semaphore(1).value)))

  expect(mutex.owner).toBe(-1)
  const { message } = thrownBy(() => mutex.lock({ timeoutMs: 10 }))
  expect(message).toContain('a thread that has ended')
  const waiting = mutex.lockAsync({ timeoutMs: 50 }).catch(() => undefined)
  expect(String(waitGraph())).toContain('held by a thread that has ended')
  await waiting
})
