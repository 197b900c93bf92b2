/** Spin locks: exclusion, errors, deaths. */

import { SharedMemory, SpinLock } from 'pageframe'
import { expect, test } from 'vitest'
import { Actor, eventually, freshName, thrownBy } from '../support.ts'

test('two holders never overlap: no increment is lost', async () => {
  const lock = SpinLock.open(freshName())
  const region = SharedMemory.default.alloc(64)
  const rounds = 5000
  const crew = await Actor.crew(3)

  await Promise.all(
    crew.map((actor) =>
      actor.run(
        ({ SpinLock, Region }, handle, words, count) => {
          const there = SpinLock.from(handle)
          const counter = Region.from(words).as(Int32Array)
          for (let i = 0; i < count; i++) {
            there.lock({ timeoutMs: 9000 })
            counter[0] = counter[0] + 1
            there.unlock()
          }
        },
        lock as object,
        region as object,
        rounds,
      ),
    ),
  )

  expect(region.as(Int32Array)[0]).toBe(3 * rounds)
  expect(lock.owner).toBeNull()
})

test('lock, tryLock, run and unlock say what they do not do', () => {
  const lock = new SpinLock()
  const held = lock.lock()

  expect(held.locked).toBe(true)
  expect(lock.owner).toBe(0)
  expect(lock.tryLock()).toBeNull()
  expect(thrownBy(() => lock.lock())).toMatchObject({ code: 'EDEADLK', syscall: 'lock' })
  held.unlock()
  expect(held.locked).toBe(false)
  expect(thrownBy(() => { lock.unlock() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore
  expect(lock.run(() => 7)).toBe(7)
  expect(() => lock.run(() => { throw new Error('inside') })).toThrow('inside') // prettier-ignore
  expect(lock.tryLock()?.locked).toBe(true)
  lock.unlock()
  expect(lock.owner).toBeNull()
  lock.destroy()
  expect(thrownBy(() => lock.lock()).code).toBe('ESTALE')
})

test('a holder elsewhere: ETIMEDOUT names it; when it dies, the next owner is told', async () => {
  const name = freshName()
  const lock = SpinLock.open(name)
  const other = await Actor.start({ name: 'spinner' })
  await other.run(({ SpinLock }, handle) => void SpinLock.from(handle).lock(), lock)

  const error = thrownBy(() => lock.lock({ timeoutMs: 10 }))
  expect(error.code).toBe('ETIMEDOUT')
  expect(error.message).toMatch(
    new RegExp(`SpinLock '${name}': not acquired in 10 ms; thread \\d+.* holds it`),
  )
  expect(thrownBy(() => { lock.unlock() }).code).toBe('EPERM') // prettier-ignore
  await other.end()
  await eventually(() => lock.owner === null, 'the reaper')

  const held = lock.lock({ timeoutMs: 5000 })
  expect(held.ownerDied).toBe(true)
  held.unlock()
  expect(lock.tryLock()?.ownerDied).toBe(false)
  lock.unlock()
  expect(SharedMemory.default.check().problems).toEqual([])
})

test('who spins for a lock that is destroyed gets ESTALE', async () => {
  const lock = new SpinLock()
  lock.lock()
  const other = await Actor.start()
  const told = other.run(({ SpinLock, tell }, handle) => {
    const there = SpinLock.from(handle)
    tell('spins')
    try {
      there.lock({ timeoutMs: 9000 })
      return 'locked'
    } catch (error) {
      return (error as { code?: string }).code
    }
  }, lock)
  await other.told('spins')

  lock.destroy()

  expect(await told).toBe('ESTALE')
})
