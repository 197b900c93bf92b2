/** Threads that are killed while they wait, some of them in the moment in which they are woken. */

import { Mutex, Semaphore, SharedMemory } from 'pageframe'
import { expect, test } from 'vitest'
import { Actor, pause } from '../support.ts'

const ROUNDS = 12
const MOST_DELAY_MS = 2

test('a killed waiter swallows no wake-up: the next one gets the mutex', async () => {
  const lock = new Mutex()
  const survivor = await Actor.start()
  for (let round = 0; round < ROUNDS; round++) {
    const victim = await Actor.start()
    lock.lock()
    victim.begin(({ Mutex, tell }, handle) => {
      tell('waits')
      Mutex.from(handle).lock()
    }, lock)
    await victim.told('waits')
    await pause(1) // before the survivor, most of the time: the wake-up is the victim's
    const got = survivor.run(({ Mutex }, handle) => {
      const there = Mutex.from(handle)
      const token = there.lock({ timeoutMs: 8000 })
      if (token.ownerDied) there.markConsistent()
      there.unlock()
      return true
    }, lock)
    await pause(1)

    lock.unlock()
    await pauseBusily(Math.random() * MOST_DELAY_MS)
    await victim.end()

    expect(await got).toBe(true)
    repair(lock)
  }
  expect(SharedMemory.default.check().problems).toEqual([])
})

test('a killed waiter of a semaphore takes one permit with it at most', async () => {
  const semaphore = new Semaphore(0)
  const survivor = await Actor.start()
  for (let round = 0; round < ROUNDS; round++) {
    const victim = await Actor.start()
    victim.begin(({ Semaphore, tell }, handle) => {
      tell('waits')
      Semaphore.from(handle).acquire()
    }, semaphore)
    await victim.told('waits')
    await pause(1)
    const got = survivor.run(({ Semaphore }, handle) => {
      Semaphore.from(handle).acquire({ timeoutMs: 8000 })
      return true
    }, semaphore)
    await pause(1)

    semaphore.release()
    await pauseBusily(Math.random() * MOST_DELAY_MS)
    await victim.end()
    semaphore.release()

    expect(await got).toBe(true)
    while (semaphore.tryAcquire()); // what the victim did not take
  }
  expect(SharedMemory.default.check().problems).toEqual([])
})

test('a waiter that is killed in an asynchronous wait swallows no wake-up either', async () => {
  const lock = new Mutex()
  const survivor = await Actor.start()
  for (let round = 0; round < ROUNDS; round++) {
    const victim = await Actor.start()
    lock.lock()
    victim.begin(({ Mutex, tell }, handle) => {
      void Mutex.from(handle).lockAsync()
      tell('waits')
    }, lock)
    await victim.told('waits')
    const got = survivor.run(async ({ Mutex }, handle) => {
      const there = Mutex.from(handle)
      const token = await there.lockAsync({ timeoutMs: 8000 })
      if (token.ownerDied) there.markConsistent()
      token.unlock()
      return true
    }, lock)
    await pause(1)

    lock.unlock()
    await pauseBusily(Math.random() * MOST_DELAY_MS)
    await victim.end()

    expect(await got).toBe(true)
    repair(lock)
  }
  expect(SharedMemory.default.check().problems).toEqual([])
})

/** The victim may have got it after all, when the survivor had unlocked it. */
function repair(lock: Mutex): void {
  if (lock.lock({ timeoutMs: 8000 }).ownerDied) lock.markConsistent()
  lock.unlock()
}

/** Fractions of a millisecond, which a timer does not know. */
function pauseBusily(ms: number): Promise<void> {
  const end = performance.now() + ms
  while (performance.now() < end);
  return Promise.resolve()
}
