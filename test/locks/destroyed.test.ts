/** What a destroyed lock does to those who still have it. */

import { Channel, Mutex, Semaphore, SharedMemory } from 'pageframe'
import { expect, test } from 'vitest'
import { Actor, pause, rejectionOf, thrownBy } from '../support.ts'

const soon = () => new Promise((resolve) => setTimeout(resolve, 10))

test('unlock() of a destroyed mutex is ESTALE, and unlocks nothing of what took its place', () => {
  const old = new Mutex()
  const token = old.lock()
  old.destroy()
  const heir = new Mutex()
  heir.lock()

  expect(thrownBy(() => { old.unlock() }).code).toBe('ESTALE') // prettier-ignore
  expect(thrownBy(() => { token.unlock() }).code).toBe('ESTALE') // prettier-ignore
  expect(token.locked).toBe(false)
  token[Symbol.dispose]()

  expect(heir.owner).not.toBeNull()
  heir.unlock()
  expect(SharedMemory.default.check().problems).toEqual([])
})

test('an asynchronous section that outlives its mutex is told so', async () => {
  const old = new Mutex()
  const token = await old.lockAsync()
  old.destroy()
  const heir = new Mutex()
  heir.lock()

  expect(thrownBy(() => { token.unlock() }).code).toBe('ESTALE') // prettier-ignore
  expect(heir.owner).not.toBeNull()
  heir.unlock()
})

test('who waits for a mutex that is destroyed gets ESTALE, and not the next one', async () => {
  const old = new Mutex()
  old.lock()
  const waiting = rejectionOf(old.lockAsync({ timeoutMs: 5000 }))
  await soon()

  old.destroy()
  const heir = new Mutex()

  expect((await waiting).code).toBe('ESTALE')
  expect(heir.owner).toBeNull()
})

test('who waits for a permit of a semaphore that is destroyed gets ESTALE', async () => {
  const old = new Semaphore(0)
  const waiting = [1, 2].map(() => rejectionOf(old.acquireAsync({ timeoutMs: 5000 })))
  await soon()

  old.destroy()
  const heir = new Semaphore(2)

  expect((await Promise.all(waiting)).map((error) => error.code)).toEqual(['ESTALE', 'ESTALE'])
  expect(heir.value).toBe(2)
  expect(SharedMemory.default.check().problems).toEqual([])
})

test('threads that are blocked in a lock, a semaphore or a channel when it is destroyed get ESTALE', async () => {
  const lock = new Mutex()
  const permits = new Semaphore(0)
  const channel = new Channel({ from: 'one', to: 'one' })
  lock.lock()
  const threads = await Actor.crew(3)
  const told = [
    rejectionOf(threads[0].run(({ Mutex }, handle) => void Mutex.from(handle).lock(), lock)),
    rejectionOf(threads[1].run(({ Semaphore }, handle) => { Semaphore.from(handle).acquire() }, permits)), // prettier-ignore
    rejectionOf(threads[2].run(({ Channel }, handle) => Channel.from(handle).receive(), channel)),
  ]
  await pause(100)

  lock.destroy()
  permits.destroy()
  channel.destroy()
  const heir = new Channel({ from: 'one', to: 'one' })
  heir.send(new Uint8Array([7]))

  expect((await Promise.all(told)).map((error) => error.code)).toEqual(['ESTALE', 'ESTALE', 'ESTALE'])
  expect(heir.receive()).toEqual(new Uint8Array([7]))
})
