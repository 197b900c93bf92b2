/** Mutex: one holder at a time, served in order, as many of them as you like. */

import { Mutex, SharedMemory } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { Actor } from '../support.ts'
import { heldElsewhere } from './held-elsewhere.ts'

describe('exclusion', () => {
  test('two holders never overlap: no increment is lost', async () => {
    const lock = new Mutex()
    const counter = SharedMemory.default.alloc(64)
    const rounds = 20_000
    const increment = (
      { Mutex, Region }: typeof import('pageframe'),
      lockHandle: object,
      counterHandle: object,
      times: number,
    ) => {
      const mutex = Mutex.from(lockHandle)
      const words = Region.from(counterHandle).as(Int32Array)
      for (let i = 0; i < times; i++) {
        mutex.lock()
        words[0]++
        mutex.unlock()
      }
    }

    const crew = await Actor.crew(3)
    await Promise.all(crew.map((actor) => actor.run(increment, lock as object, counter as object, rounds)))

    expect(counter.as(Int32Array)[0]).toBe(3 * rounds)
    counter.destroy()
    lock.destroy()
  })

  test('a lock that another thread holds blocks this one until it is released', async () => {
    const lock = new Mutex()
    const other = await heldElsewhere(lock, 100)

    expect(lock.owner).toBe(other.threadId)
    expect(lock.tryLock()).toBeNull()
    const token = lock.lock({ timeoutMs: 5000 })

    expect(token.locked).toBe(true)
    expect(token.ownerDied).toBe(false)
    expect(lock.owner).toBe(0)
    lock.unlock()
    expect(lock.owner).toBeNull()
  })

  test('lockAsync waits without blocking this thread', async () => {
    const lock = new Mutex()
    await heldElsewhere(lock, 150)
    let turns = 0
    const ticking = setInterval(() => turns++, 5)

    const token = await lock.lockAsync({ timeoutMs: 5000 })

    clearInterval(ticking)
    expect(turns).toBeGreaterThan(3)
    expect(token.locked).toBe(true)
    token.unlock()
  })
})

test('asynchronous waiters of one thread are served in the order in which they came', async () => {
  const lock = new Mutex()
  const held = await lock.lockAsync()
  const order: number[] = []
  const waiting = Array.from({ length: 20 }, (_, i) =>
    lock.runAsync(() => order.push(i), { timeoutMs: 5000 }),
  )

  held.unlock()
  await Promise.all(waiting)

  expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i))
})

test('a thousand locks are held at once and released in any order', () => {
  const locks = Array.from({ length: 1000 }, () => new Mutex())

  for (const lock of locks) lock.lock()
  expect(locks.every((lock) => lock.owner === 0)).toBe(true)
  const order = locks.map((lock, i) => ({ lock, key: (i * 7919) % 1009 })).sort((a, b) => a.key - b.key)
  for (const { lock } of order) lock.unlock()

  expect(locks.every((lock) => lock.owner === null)).toBe(true)
  expect(SharedMemory.default.check().problems).toEqual([])
  for (const lock of locks) lock.destroy()
})
