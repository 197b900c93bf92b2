/** What lock() and lockAsync() return: who may unlock, and once. */

import { Mutex, SharedMemory } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { thrownBy } from '../support.ts'
import { heldElsewhere } from './held-elsewhere.ts'

describe('tokens', () => {
  test('the token of lock() unlocks, once; more is EPERM', () => {
    const lock = new Mutex()
    const token = lock.lock()

    token.unlock()

    expect(token.locked).toBe(false)
    expect(thrownBy(() => { token.unlock() })).toMatchObject({ code: 'EPERM', errno: -1 }) // prettier-ignore
  })

  test('disposing a token unlocks, and does nothing when it was unlocked already', async () => {
    const lock = new Mutex()

    const token = lock.lock()
    token.unlock()
    token[Symbol.dispose]()
    lock.lock()[Symbol.dispose]()
    expect(lock.owner).toBeNull()

    const held = await lock.lockAsync()
    held.unlock()
    held[Symbol.dispose]()
    const next = await lock.lockAsync()
    held[Symbol.dispose]()
    expect(next.locked).toBe(true)
    next[Symbol.dispose]()
    expect(lock.owner).toBeNull()
  })

  test('each lockAsync has a token of its own, and a used one unlocks nobody else’s section', async () => {
    const lock = new Mutex()
    const first = await lock.lockAsync()
    first.unlock()
    const second = await lock.lockAsync()

    expect(second).not.toBe(first)
    expect(first.locked).toBe(false)
    expect(thrownBy(() => { first.unlock() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore
    expect(second.locked).toBe(true)
    second.unlock()
  })

  test('unlock() without a token does not end an asynchronous section', async () => {
    const lock = new Mutex()
    const token = await lock.lockAsync()

    expect(thrownBy(() => { lock.unlock() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore
    expect(token.locked).toBe(true)
    token.unlock()
  })

  test('a lock that is free, or another thread’s, cannot be unlocked', async () => {
    for (const robust of [true, false]) {
      const lock = new Mutex({ robust })
      expect(thrownBy(() => { lock.unlock() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore

      const other = await heldElsewhere(lock, 300)
      for (let i = 0; i < 40; i++) expect(thrownBy(() => { lock.unlock() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore
      expect(lock.owner).toBe(other.threadId)
      await other.told('released')
      expect(lock.owner).toBeNull()
    }
    expect(SharedMemory.default.check().problems).toEqual([])
  })

  test('run and runAsync unlock whether their section returns or throws, and give its result', async () => {
    const lock = new Mutex()

    expect(lock.run(() => 7)).toBe(7)
    expect(() => lock.run(() => { throw new Error('inside') })).toThrow('inside') // prettier-ignore
    expect(await lock.runAsync(async () => Promise.resolve(8))).toBe(8)
    await expect(lock.runAsync(() => Promise.reject(new Error('later')))).rejects.toThrow('later')

    expect(lock.owner).toBeNull()
  })
})

test('a token of a mutex that was destroyed is disposed quietly, of both kinds', async () => {
  const [one, two] = [new Mutex(), new Mutex()]
  const tokens = [one.lock(), await two.lockAsync()]
  one.destroy()
  two.destroy()

  for (const token of tokens) token[Symbol.dispose]()

  expect(tokens.map((token) => token.locked)).toEqual([false, false])
})
