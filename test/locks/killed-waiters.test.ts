/** Threads that are killed while they wait, some of them in the moment in which they are woken. */

import { Mutex, Semaphore, SharedMemory } from 'pageframe'
import { expect, test } from 'vitest'
import { Actor, pause } from '../support.ts'

const ROUNDS = 12
const MOST_DELAY_MS = 2

test('a killed waiter swallows no wake-up: the next one gets the mutex', async () => {
  const lock = new Mutex()
  await killWaiters({
    ...whileLocked(lock),
    victimWaits: (victim) => {
      victim.begin(({ Mutex, tell }, handle) => {
        tell('waits')
        Mutex.from(handle).lock()
      }, lock)
    },
    survivorGets: (survivor) =>
      survivor.run(({ Mutex }, handle) => {
        const there = Mutex.from(handle)
        const token = there.lock({ timeoutMs: 8000 })
        if (token.ownerDied) there.markConsistent()
        there.unlock()
        return true
      }, lock),
  })
})

test('a killed waiter of a semaphore takes one permit with it at most', async () => {
  const semaphore = new Semaphore(0)
  await killWaiters({
    victimWaits: (victim) => {
      victim.begin(({ Semaphore, tell }, handle) => {
        tell('waits')
        Semaphore.from(handle).acquire()
      }, semaphore)
    },
    survivorGets: (survivor) =>
      survivor.run(({ Semaphore }, handle) => {
        Semaphore.from(handle).acquire({ timeoutMs: 8000 })
        return true
      }, semaphore),
    wake: () => {
      semaphore.release()
    },
    makeUp: () => {
      semaphore.release()
    },
    tidy: () => {
      while (semaphore.tryAcquire()); // what the victim did not take
    },
  })
})

test('a waiter that is killed in an asynchronous wait swallows no wake-up either', async () => {
  const lock = new Mutex()
  await killWaiters({
    ...whileLocked(lock),
    victimWaits: (victim) => {
      victim.begin(({ Mutex, tell }, handle) => {
        void Mutex.from(handle).lockAsync()
        tell('waits')
      }, lock)
    },
    survivorGets: (survivor) =>
      survivor.run(async ({ Mutex }, handle) => {
        const there = Mutex.from(handle)
        const token = await there.lockAsync({ timeoutMs: 8000 })
        if (token.ownerDied) there.markConsistent()
        token.unlock()
        return true
      }, lock),
  })
})

interface Scene {
  /** From here on who comes has to wait. */
  prepare?: () => unknown
  /** Says 'waits' right before it waits, or right after it has begun to. */
  victimWaits: (victim: Actor) => void
  survivorGets: (survivor: Actor) => Promise<boolean>
  wake: () => void
  /** What the victim may have taken with it. */
  makeUp?: () => void
  tidy: () => void
}

/** One waits, most of the time in front of another one; it is killed in the moment in which it is woken. */
async function killWaiters({ prepare, victimWaits, survivorGets, wake, makeUp, tidy }: Scene): Promise<void> {
  const survivor = await Actor.start()
  for (let round = 0; round < ROUNDS; round++) {
    const victim = await Actor.start()
    prepare?.()
    victimWaits(victim)
    await victim.told('waits')
    await pause(1) // before the survivor, most of the time: the wake-up is the victim's
    const got = survivorGets(survivor)
    await pause(1)

    wake()
    pauseBusily(Math.random() * MOST_DELAY_MS)
    await victim.end()
    makeUp?.()

    expect(await got).toBe(true)
    tidy()
  }
  expect(SharedMemory.default.check().problems).toEqual([])
}

/** Who comes waits for us. In the end the victim may have got it after all, when the survivor had unlocked it. */
function whileLocked(lock: Mutex): Pick<Scene, 'prepare' | 'wake' | 'tidy'> {
  return {
    prepare: () => lock.lock(),
    wake: () => {
      lock.unlock()
    },
    tidy: () => {
      if (lock.lock({ timeoutMs: 8000 }).ownerDied) lock.markConsistent()
      lock.unlock()
    },
  }
}

/** Fractions of a millisecond, which a timer does not know. */
function pauseBusily(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}
