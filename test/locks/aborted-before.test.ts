/** A signal that has aborted already, and options that are read once: also where there is nothing to wait for. */

import {
  Barrier,
  Condition,
  Epoch,
  futex,
  Latch,
  Mutex,
  SharedMemory,
  ResetEvent,
  RwLock,
  Semaphore,
  SeqLock,
  type AsyncWait,
} from 'pageframe'
import { expect, test } from 'vitest'
import { rejectionOf } from '../support.ts'

const words = SharedMemory.default.alloc(64).as(Int32Array)
const set = new ResetEvent()
set.set()

const calls: Record<string, (wait: AsyncWait) => Promise<unknown>> = {
  'Mutex.lockAsync()': (wait) => new Mutex().lockAsync(wait),
  'Mutex.runAsync()': (wait) => new Mutex().runAsync(() => 1, wait),
  'RwLock.read.lockAsync()': (wait) => new RwLock().read.lockAsync(wait),
  'RwLock.write.lockAsync()': (wait) => new RwLock().write.lockAsync(wait),
  'Semaphore.acquireAsync()': (wait) => new Semaphore(1).acquireAsync(wait),
  'Latch.waitAsync()': (wait) => new Latch(0).waitAsync(wait),
  'ResetEvent.waitAsync()': (wait) => set.waitAsync(wait),
  'Barrier.arriveAsync()': (wait) => new Barrier(1).arriveAsync(wait),
  'Epoch.synchronizeAsync()': (wait) => new Epoch().synchronizeAsync(wait),
  'SeqLock.readAsync()': (wait) => new SeqLock().readAsync(() => 1, wait),
  'SeqLock.writeAsync()': (wait) => new SeqLock().writeAsync(() => 1, wait),
  'futex.waitAsync()': (wait) => futex.waitAsync(words, 0, 0, wait),
  'Condition.waitAsync()': async (wait) => {
    const lock = new Mutex()
    const token = await lock.lockAsync()
    return new Condition().waitAsync(token, { ...wait, until: () => true })
  },
}

test.each(Object.entries(calls))(
  '%s rejects with the reason of a signal that has aborted before',
  async (_name, call) => {
    const signal = AbortSignal.abort(new Error('long ago'))

    expect((await rejectionOf(call({ signal }))).message).toBe('long ago')
  },
)

test.each(Object.entries(calls))('%s refuses what is no signal', async (_name, call) => {
  const signal = {} as AbortSignal

  expect((await rejectionOf(call({ signal }))).code).toMatch(/^ERR_PAGEFRAME_/)
})

test('readAsync() reads each option once, however often it waits', async () => {
  const lock = new SeqLock()
  const reads: string[] = []
  const wait = {
    get timeoutMs() {
      reads.push('timeoutMs')
      return 2000
    },
    get signal() {
      reads.push('signal')
      return undefined as unknown as AbortSignal
    },
    get ref() {
      reads.push('ref')
      return true
    },
  }
  let seen: Promise<number> | undefined
  lock.write(() => {
    seen = lock.readAsync(() => 7, wait)
  })

  expect(await seen).toBe(7)
  expect(reads.sort()).toEqual(['ref', 'signal', 'timeoutMs'])
})

test('waitAsync() whose `until` unlocks the mutex is EPERM, and changes nothing of the next owner', async () => {
  const lock = new Mutex()
  const token = await lock.lockAsync()
  let next: ReturnType<Mutex['lock']> | undefined
  const until = () => {
    token.unlock()
    next = lock.lock()
    return false
  }

  expect((await rejectionOf(new Condition().waitAsync(token, { until }))).code).toBe('EPERM')

  expect(next?.locked).toBe(true)
  lock.unlock()
  expect(lock.owner).toBeNull()
})
