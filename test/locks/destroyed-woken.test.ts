/** What becomes of a wake-up, or of what was handed over, when the thing is destroyed before its receiver comes round to it. */

import {
  Barrier,
  Condition,
  Epoch,
  Latch,
  Mutex,
  ResetEvent,
  RwLock,
  Semaphore,
  SharedMemory,
} from 'pageframe'
import { afterEach, expect, test } from 'vitest'
import { Actor, pause, rejectionOf } from '../support.ts'

afterEach(() => {
  expect(SharedMemory.default.check().problems).toEqual([])
})

test('a mutex: who was woken and has not tried gets ESTALE, and does not lock what lies there now', async () => {
  const old = new Mutex()
  old.lock()
  const waiting = rejectionOf(old.lockAsync({ timeoutMs: 5000 }))
  old.unlock()

  old.destroy()
  const heir = new Mutex()

  expect((await waiting).code).toBe('ESTALE')
  expect(heir.at).toBe(old.at)
  expect(heir.owner).toBeNull()
})

test('a semaphore: who was woken takes no permit of what lies there now', async () => {
  const old = new Semaphore(0)
  const waiting = rejectionOf(old.acquireAsync({ timeoutMs: 5000 }))
  old.release()

  old.destroy()
  const heir = new Semaphore(1)

  expect((await waiting).code).toBe('ESTALE')
  expect(heir.at).toBe(old.at)
  expect(heir.value).toBe(1)
})

test.each(['read', 'write'] as const)('a read-write lock: who was woken to %s gets ESTALE', async (side) => {
  const old = new RwLock()
  old.write.lock()
  const waiting = rejectionOf(old[side].lockAsync({ timeoutMs: 5000 }))
  old.write.unlock()

  old.destroy()
  const heir = new RwLock()

  expect((await waiting).code).toBe('ESTALE')
  expect(heir.at).toBe(old.at)
  expect(heir.writer).toBeNull()
  const token = heir.write.tryLock()
  expect(token).not.toBeNull()
  token?.unlock()
})

test('a barrier, a latch, an epoch: who was woken and has not looked gets an answer, and nothing there changes', async () => {
  const latch = new Latch(1)
  const opened = latch.waitAsync()
  latch.countDown()
  latch.destroy()
  const shut = new Latch(7)
  const barrier = new Barrier(2)
  const arrived = [barrier.arriveAsync(), barrier.arriveAsync()]
  barrier.destroy()
  const epoch = new Epoch()
  epoch.enter()
  const ended = epoch.synchronizeAsync()
  epoch.leave()
  epoch.destroy()

  const all = await Promise.allSettled([opened, ...arrived, ended])

  const reasons = all.flatMap((each) =>
    each.status === 'rejected' ? [(each.reason as { code: string }).code] : [],
  )
  expect(reasons.every((code) => code === 'ESTALE')).toBe(true)
  expect(shut.count).toBe(7)
})

test('a wake-up of a semaphore that is destroyed is not passed on by who aborts', async () => {
  const old = new Semaphore(0)
  const control = new AbortController()
  const waiting = rejectionOf(old.acquireAsync({ signal: control.signal }))
  old.release()
  old.destroy()
  const heir = new Semaphore(0)
  const waits = rejectionOf(heir.acquireAsync({ timeoutMs: 50 }))

  control.abort(new Error('enough'))

  expect((await waiting).message).toBe('enough')
  expect(heir.at).toBe(old.at)
  expect((await waits).code).toBe('ETIMEDOUT')
  expect(heir.value).toBe(0)
})

test('a condition that is destroyed after notify(): who was notified goes on, with the mutex', async () => {
  const lock = new Mutex()
  const changed = new Condition()
  const token = await lock.lockAsync()
  const waiting = changed.waitAsync(token)
  changed.notify()
  changed.destroy()

  await waiting

  expect(token.locked).toBe(true)
  token.unlock()
})

test('a mutex that is destroyed before the notified has it: ESTALE, and the next one is free', async () => {
  const lock = new Mutex()
  const changed = new Condition()
  const token = await lock.lockAsync()
  const waiting = rejectionOf(changed.waitAsync(token))
  changed.notify()
  lock.destroy()
  const heir = new Mutex()

  expect((await waiting).code).toBe('ESTALE')
  expect(heir.at).toBe(lock.at)
  expect(heir.owner).toBeNull()
})

test('what an event had given a busy thread is nobody’s when it is destroyed and the thread dies', async () => {
  const old = new ResetEvent({ autoReset: true })
  const busy = await Actor.start()
  await busy.run(({ ResetEvent }, handle) => void ResetEvent.from(handle).waitAsync({ ref: false }), old)
  const dying = afterDeathOf(busy)
  await pause(50)
  old.set()
  old.destroy()
  const heir = new ResetEvent({ autoReset: true })

  await dying()

  expect(heir.at).toBe(old.at)
  expect(heir.tryWait()).toBe(false)
})

test('nor is what a semaphore had woken it for', async () => {
  const old = new Semaphore(0)
  const busy = await Actor.start()
  await busy.run(({ Semaphore }, handle) => void Semaphore.from(handle).acquireAsync({ ref: false }), old)
  const dying = afterDeathOf(busy)
  await pause(50)
  old.release()
  old.destroy()
  const heir = new Semaphore(0)
  const waits = rejectionOf(heir.acquireAsync({ timeoutMs: 500 }))

  await dying()

  expect(heir.at).toBe(old.at)
  expect((await waits).code).toBe('ETIMEDOUT')
})

/** Keeps the thread busy, until it is killed. */
function afterDeathOf(busy: Actor): () => Promise<void> {
  void busy.run(() => { for (;;); }).catch(() => undefined) // prettier-ignore
  return async () => {
    await busy.worker.terminate()
    await pause(100)
  }
}
