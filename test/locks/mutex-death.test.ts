/** A mutex whose owner died. */

import { Mutex, SharedMemory, type UnlockToken } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { Actor, eventually, pause, rejectionOf, thrownBy } from '../support.ts'
import { heldElsewhere } from './held-elsewhere.ts'

const types = ['normal', 'errorCheck', 'recursive'] as const

describe('when the owner dies', () => {
  async function ruined(lock: Mutex): Promise<UnlockToken> {
    const other = await heldElsewhere(lock)
    await other.end()
    return lock.lock({ timeoutMs: 5000 })
  }

  test.each(types)('the next owner is told, repairs, and the lock is as good as new (%s)', async (type) => {
    const lock = new Mutex({ type })
    const token = await ruined(lock)

    expect(token.ownerDied).toBe(true)
    lock.markConsistent()
    expect(token.ownerDied).toBe(false)
    lock.unlock()

    expect(lock.lock({ timeoutMs: 1000 }).ownerDied).toBe(false)
    lock.unlock()
    expect(SharedMemory.default.check().problems).toEqual([])
  })

  test('an owner that was told and unlocks without markConsistent() leaves ENOTRECOVERABLE to everybody', async () => {
    const lock = new Mutex()
    const token = await ruined(lock)
    const waiting = rejectionOf(lock.lockAsync())

    token.unlock()

    expect(await waiting).toMatchObject({ code: 'ENOTRECOVERABLE', errno: -131 })
    expect(thrownBy(() => lock.lock())).toMatchObject({ code: 'ENOTRECOVERABLE' })
    expect(thrownBy(() => lock.tryLock())).toMatchObject({ code: 'ENOTRECOVERABLE' })
    expect(await rejectionOf(lock.lockAsync())).toMatchObject({ code: 'ENOTRECOVERABLE' })
    expect(lock.owner).toBeNull()
  })

  test('markConsistent() is for the owner that was told only: EINVAL', async () => {
    const lock = new Mutex()

    expect(thrownBy(() => { lock.markConsistent() })).toMatchObject({ code: 'EINVAL' }) // prettier-ignore
    lock.lock()
    expect(thrownBy(() => { lock.markConsistent() })).toMatchObject({ code: 'EINVAL' }) // prettier-ignore
    lock.unlock()
    await Promise.resolve()
  })

  test('tryLock and lockAsync are told as well', async () => {
    const lock = new Mutex()
    await (await heldElsewhere(lock)).end()
    await eventually(() => lock.owner === null, 'the reaper')
    const tried = lock.tryLock()
    expect(tried?.ownerDied).toBe(true)
    lock.markConsistent()
    lock.unlock()

    const other = await heldElsewhere(lock)
    const waiting = lock.lockAsync({ timeoutMs: 5000 })
    await other.end()
    const token = await waiting

    expect(token.ownerDied).toBe(true)
    lock.markConsistent()
    token.unlock()
    expect(lock.owner).toBeNull()
  })

  test('a recursive lock that a dead thread held many times over is held once by the next', async () => {
    const lock = new Mutex({ type: 'recursive' })
    const other = await Actor.start()
    await other.run(({ Mutex }, handle) => {
      const there = Mutex.from(handle)
      for (let i = 0; i < 3; i++) there.lock()
    }, lock)
    await other.end()

    const token = lock.lock({ timeoutMs: 5000 })
    lock.markConsistent()
    token.unlock()

    expect(lock.owner).toBeNull()
  })

  test('a lock that is not robust stays locked', async () => {
    const lock = new Mutex({ robust: false })
    const other = await heldElsewhere(lock)
    await other.end()
    await pause(50)

    expect(thrownBy(() => lock.lock({ timeoutMs: 50 }))).toMatchObject({ code: 'ETIMEDOUT' })
    expect(SharedMemory.default.check().problems).toEqual([])
    lock.destroy()
  })

  test.each([1, 31, 32, 33, 100, 10_000])('all of %i locks that it held are handed on', async (count) => {
    const locks = Array.from({ length: count }, () => new Mutex())
    const other = await Actor.start()
    await other.run(({ Mutex }, handles) => {
      const there = handles.map((handle) => Mutex.from(handle))
      for (const lock of there) lock.lock()
      // Some are released and taken again, so that list and chain are not in the order of locking.
      for (let i = 0; i < there.length; i += 3) there[i].unlock()
      for (let i = 0; i < there.length; i += 3) there[i].lock()
    }, locks)
    await other.end()

    for (const lock of locks) {
      expect(lock.lock({ timeoutMs: 5000 }).ownerDied).toBe(true)
      lock.markConsistent()
      lock.unlock()
    }
    expect(SharedMemory.default.check().problems).toEqual([])
    for (const lock of locks) lock.destroy()
  })

  test('waiters of several threads get it one after the other, though its owner died', async () => {
    const lock = new Mutex()
    const first = await heldElsewhere(lock)
    const others = await Actor.crew(3)
    const got = others.map((other) =>
      other.run(({ Mutex, tell }, handle) => {
        const there = Mutex.from(handle)
        tell('waits')
        const token = there.lock({ timeoutMs: 8000 })
        const told = token.ownerDied
        if (told) there.markConsistent()
        token.unlock()
        return told
      }, lock as object),
    )
    await Promise.all(others.map((other) => other.told('waits')))

    await first.end()

    const told = await Promise.all(got)
    expect(told.filter(Boolean)).toHaveLength(1)
    expect(lock.owner).toBeNull()
  })
})
