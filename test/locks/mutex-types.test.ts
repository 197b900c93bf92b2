/** normal, errorCheck, recursive. */

import { Mutex } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { Actor, rejectionOf, thrownBy } from '../support.ts'

describe('types: what happens to an owner that locks again', () => {
  test('errorCheck throws EDEADLK', () => {
    const lock = new Mutex({ type: 'errorCheck' })
    lock.lock()

    expect(thrownBy(() => lock.lock())).toMatchObject({ code: 'EDEADLK', errno: -35 })
    expect(lock.tryLock()).toBeNull()
    lock.unlock()
    expect(lock.owner).toBeNull()
  })

  test('normal waits until its time-out', () => {
    const lock = new Mutex()
    lock.lock()

    expect(thrownBy(() => lock.lock({ timeoutMs: 20 }))).toMatchObject({ code: 'ETIMEDOUT', errno: -110 })
    expect(lock.tryLock()).toBeNull()
    lock.unlock()
    expect(lock.owner).toBeNull()
  })

  test('recursive counts, and as many unlocks release it', async () => {
    const lock = new Mutex({ type: 'recursive' })
    for (let i = 0; i < 5; i++) lock.lock()
    expect(lock.tryLock()?.locked).toBe(true)
    const other = await Actor.start()
    const attempt = () =>
      other.run(({ Mutex }, handle) => {
        const there = Mutex.from(handle)
        if (there.tryLock() === null) return false
        there.unlock()
        return true
      }, lock)

    for (let i = 0; i < 5; i++) lock.unlock()
    expect(await attempt()).toBe(false)
    lock.unlock()

    expect(await attempt()).toBe(true)
    expect(lock.owner).toBeNull()
  })

  test('recursive has no asynchronous form: EINVAL', async () => {
    const lock = new Mutex({ type: 'recursive' })

    expect(await rejectionOf(lock.lockAsync())).toMatchObject({ code: 'EINVAL' })
    expect(lock.owner).toBeNull()
  })

  test.each(['normal', 'errorCheck'] as const)(
    'blocking in this thread’s own asynchronous section is EDEADLK at once (%s)',
    async (type) => {
      const lock = new Mutex({ type })
      const token = await lock.lockAsync()

      const error = thrownBy(() => lock.lock({ timeoutMs: 2000 }))

      expect(error).toMatchObject({ code: 'EDEADLK' })
      expect(error.message).toContain(
        'in an async section; to block here would never end. Use await lockAsync()',
      )
      expect(lock.tryLock()).toBeNull()
      token.unlock()
    },
  )

  test.each(['normal', 'errorCheck'] as const)(
    'a lock that lockAsync() has got, and whose promise is not yet awaited, is an asynchronous section too (%s)',
    async (type) => {
      const lock = new Mutex({ type })
      const soon = lock.lockAsync()

      expect(thrownBy(() => lock.lock({ timeoutMs: 100 }))).toMatchObject({ code: 'EDEADLK' })
      expect(thrownBy(() => { lock.unlock() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore

      const token = await soon
      expect(token.locked).toBe(true)
      token.unlock()
    },
  )
})

test('a second recursion level in an asynchronous section of another mutex is no concern of this one', async () => {
  const outer = new Mutex()
  const inner = new Mutex({ type: 'recursive' })
  const token = await outer.lockAsync()
  inner.lock()
  inner.lock()
  inner.unlock()
  inner.unlock()
  token.unlock()

  expect([outer.owner, inner.owner]).toEqual([null, null])
})
