/**
 * A signal that aborts just when a wait is over, in the same step of the event loop. It changes nothing: by then the wait's
 * record may be another's.
 */

import { Barrier, Condition, Latch, Mutex, Semaphore, SeqLock, SharedMemory } from 'pageframe'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { Actor } from '../support.ts'

afterEach(() => {
  expect(SharedMemory.default.check().problems).toEqual([])
})

const block = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

/**
 * Begins a wait, and behind it a section of a SeqLock that another thread holds; that one ends both at once while this thread
 * is busy. So the section runs in the step that has just ended the wait.
 */
async function inTheSameStep<T>(
  begin: () => T,
  ends: (tools: Parameters<Parameters<Actor['run']>[0]>[0], handle: unknown) => void,
  handle: unknown,
  section: () => void,
): Promise<T> {
  const [lock, go] = [new SeqLock(), new Latch(1)]
  const actor = await Actor.start()
  const other = actor.run(
    (tools, lock, go, handle, ends) => {
      tools.SeqLock.from(lock).write(() => {
        tools.tell('writes')
        tools.Latch.from(go).wait()
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
        // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
        const end = new Function(`return ${ends}`)() as (...args: unknown[]) => void
        end(tools, handle)
      })
    },
    lock,
    go,
    handle,
    String(ends),
  )
  await actor.told('writes')
  const begun = begin()
  await sleep(5)
  const written = lock.writeAsync(section)
  go.countDown()
  block(200)
  await written
  await other
  return begun
}

test('of a barrier: the waits that begin then have records of their own, and keep the process alive', async () => {
  const [barrier, semaphore] = [new Barrier(2), new Semaphore(0)]
  const controller = new AbortController()

  const arrived = await inTheSameStep(
    () => barrier.arriveAsync({ signal: controller.signal }),
    ({ Barrier }, handle) => void Barrier.from(handle).arrive(),
    barrier,
    () => {
      controller.abort()
    },
  )

  expect(typeof arrived).toBe('boolean')
  const waits = [1, 2, 3].map(() => semaphore.acquireAsync({ timeoutMs: 5000 }))
  for (let i = 0; i < 3; i++) semaphore.release()
  await Promise.all(waits)
  expect(semaphore.value).toBe(0)
})

test('of a condition: its mutex goes to those who wait for it', async () => {
  const [mutex, condition] = [new Mutex(), new Condition()]
  const controller = new AbortController()

  const waited = inTheSameStep(
    () => mutex.runAsync((held) => condition.waitAsync(held, { signal: controller.signal })),
    ({ Condition }, handle) => void Condition.from(handle).notify(),
    condition,
    () => {
      controller.abort()
    },
  )
  const next = waited.then(() => mutex.runAsync(() => 'next', { timeoutMs: 5000 }))

  await waited
  expect(await next).toBe('next')
})

test('of a latch: a wait that has got its record goes on', async () => {
  const [latch, other] = [new Latch(1), new Latch(1)]
  const controller = new AbortController()
  const inner: Promise<void>[] = []

  await inTheSameStep(
    () => latch.waitAsync({ signal: controller.signal }),
    ({ Latch }, handle) => {
      Latch.from(handle).countDown()
    },
    latch,
    () => {
      inner.push(other.waitAsync({ timeoutMs: 5000 }), other.waitAsync({ timeoutMs: 5000 }))
      controller.abort()
    },
  )

  other.countDown()
  await Promise.all(inner)
  expect(inner).toHaveLength(2)
})
