/** Conditions, and workers that are terminated: nobody else's notification is lost. */

import { Condition, Mutex, SharedMemory } from 'pageframe'
import { expect, test } from 'vitest'
import { Actor, eventually, pause, rejectionOf } from '../support.ts'

async function waiting(lock: Mutex, changed: Condition): Promise<{ actor: Actor; over: Promise<boolean> }> {
  const actor = await Actor.start()
  const over = actor.run(
    ({ Mutex, Condition, tell }, lockHandle, conditionHandle) => {
      const mutex = Mutex.from(lockHandle)
      return mutex.run((held) => {
        tell('waits')
        Condition.from(conditionHandle).wait(held, { timeoutMs: 9000 })
        const told = held.ownerDied
        if (told) mutex.markConsistent()
        return told
      })
    },
    lock,
    changed,
  )
  over.catch(() => undefined)
  await actor.told('waits')
  await eventually(() => lock.owner === null, 'the wait')
  return { actor, over }
}

test('a waiter that dies leaves the notification to the next', async () => {
  const [lock, changed] = [new Mutex(), new Condition()]
  const first = await waiting(lock, changed)
  const second = await waiting(lock, changed)

  await first.actor.end()
  await pause(20)
  expect(lock.run(() => changed.notify())).toBe(1)

  expect(await second.over).toBe(false)
  expect(SharedMemory.default.check().problems).toEqual([])
})

test('a waiter that dies after it was notified, and before it has the mutex, passes it on', async () => {
  const [lock, changed] = [new Mutex(), new Condition()]
  const first = await waiting(lock, changed)
  const second = await waiting(lock, changed)

  lock.lock()
  expect(changed.notify()).toBe(1)
  await first.actor.end() // it queued for the mutex
  await pause(50)
  lock.unlock()

  expect(await second.over).toBe(false)
  expect(lock.owner).toBeNull()
})

test('an owner that dies while others wait: who is notified has the mutex, and is told', async () => {
  const [lock, changed] = [new Mutex(), new Condition()]
  const { over } = await waiting(lock, changed)
  const owner = await Actor.start()
  await owner.run(
    ({ Mutex, Condition }, lockHandle, conditionHandle) => {
      Mutex.from(lockHandle).lock()
      Condition.from(conditionHandle).notify()
    },
    lock,
    changed,
  )

  await owner.end()

  expect(await over).toBe(true)
  expect(lock.lock({ timeoutMs: 1000 }).ownerDied).toBe(false)
  lock.unlock()
})

test('with until, a dead owner is EOWNERDEAD unless until is true; nothing is lost if it is repaired', async () => {
  const [lock, changed] = [new Mutex(), new Condition()]
  const over = lock.runAsync(async (held) => {
    const error = await rejectionOf(changed.waitAsync(held, { until: () => false, timeoutMs: 9000 }))
    expect(held.ownerDied).toBe(true)
    expect(await rejectionOf(changed.waitAsync(held))).toMatchObject({ code: 'EINVAL' })
    lock.markConsistent()
    return error
  })
  const owner = await Actor.start()
  await owner.run(
    ({ Mutex, Condition }, lockHandle, conditionHandle) => {
      Mutex.from(lockHandle).lock()
      Condition.from(conditionHandle).notify()
    },
    lock,
    changed,
  )
  await owner.end()

  expect(await over).toMatchObject({ code: 'EOWNERDEAD' })
  expect(lock.owner).toBeNull()
})

test('random kills among waiters and notifiers leave everybody who lives going on', async () => {
  const [lock, changed] = [new Mutex(), new Condition()]
  const region = SharedMemory.default.alloc(64)
  const view = region.as(Int32Array)
  const begin = async () => {
    const actor = await Actor.start()
    actor.begin(
      ({ Mutex, Condition, Region }, lockHandle, conditionHandle, handle) => {
        const [mutex, condition, turns] = [
          Mutex.from(lockHandle),
          Condition.from(conditionHandle),
          Region.from(handle).as(Int32Array),
        ]
        for (;;) {
          mutex.run((held) => {
            if (held.ownerDied) mutex.markConsistent()
            turns[0]++
            condition.notify(turns[0] % 3 === 0 ? Infinity : 1)
            try {
              condition.wait(held, { timeoutMs: 50 })
            } catch {
              turns[1]++
            }
            if (held.ownerDied) mutex.markConsistent()
          })
        }
      },
      lock,
      changed,
      region,
    )
    return actor
  }
  const crew = await Promise.all([begin(), begin(), begin()])
  for (let i = 0; i < 8; i++) {
    await pause(15)
    await crew[i % 3].end()
    crew[i % 3] = await begin()
    const before = Atomics.load(view, 0)
    await eventually(() => Atomics.load(view, 0) > before + 3, 'the others to go on')
  }
  await Promise.all(crew.map((actor) => actor.end()))

  const held = lock.lock({ timeoutMs: 5000 })
  if (held.ownerDied) lock.markConsistent()
  lock.unlock()
  expect(SharedMemory.default.check().problems).toEqual([])
}, 30_000)
