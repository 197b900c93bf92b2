/** Conditions: who waits, who is told, and how a wait ends. */

import { Condition, Mutex, SharedMemory } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { Actor, eventually, freshName, pause, rejectionOf, thrownBy } from '../support.ts'

function words(count = 4): { region: object; view: Int32Array<SharedArrayBuffer> } {
  const region = SharedMemory.default.alloc(count * 4)
  return { region, view: region.as(Int32Array) }
}

/** A worker that waits once, tells 'waits' with the mutex held, and returns what came of it. */
function waitsThere(actor: Actor, lock: Mutex, changed: Condition): Promise<string> {
  return actor.run(
    ({ Mutex, Condition, tell }, lockHandle, conditionHandle) =>
      Mutex.from(lockHandle).run((held) => {
        tell('waits')
        Condition.from(conditionHandle).wait(held, { timeoutMs: 9000 })
        return held.locked ? 'told' : 'lost'
      }),
    lock,
    changed,
  )
}

describe('notify', () => {
  test('tells as many as it says, in the order in which they came', async () => {
    const [lock, changed] = [new Mutex(), new Condition()]
    const order: number[] = []
    const waits = [0, 1, 2, 3].map((number) =>
      lock.runAsync(async (held) => {
        await changed.waitAsync(held, { timeoutMs: 9000 })
        order.push(number)
      }),
    )
    await pause(10)

    expect(changed.notify()).toBe(1)
    await waits[0]
    expect(order).toEqual([0])
    expect(changed.notify(2)).toBe(2)
    await Promise.all([waits[1], waits[2]])
    expect(changed.notify(Infinity)).toBe(1)
    await waits[3]

    expect(order).toEqual([0, 1, 2, 3])
    expect(changed.notify()).toBe(0)
    expect(lock.owner).toBeNull()
  })

  test('blocked threads and asynchronous sections wait in one queue', async () => {
    const [lock, changed] = [new Mutex(), new Condition()]
    const actor = await Actor.start()
    const there = waitsThere(actor, lock, changed)
    await actor.told('waits')
    const here = lock.runAsync((held) => changed.waitAsync(held, { timeoutMs: 9000 }))
    await eventually(() => lock.owner === null, 'both to wait')
    await pause(10)

    expect(lock.run(() => changed.notify(Infinity))).toBe(2)

    expect(await there).toBe('told')
    await here
    expect(SharedMemory.default.check().problems).toEqual([])
  })

  test.each([0, -1, 0.5, NaN, '1', null])('notify(%s) is refused', (count) => {
    const error = thrownBy(() => new Condition().notify(count as number))
    expect(error.code).toMatch(/^ERR_PAGEFRAME_/)
  })
})

describe('until', () => {
  test('is asked with the lock held, and the wait goes on until it is true', async () => {
    const [lock, changed] = [new Mutex(), new Condition()]
    const { region, view } = words()
    const actor = await Actor.start()
    const there = actor.run(
      ({ Mutex, Condition, Region }, lockHandle, conditionHandle, handle) => {
        const [mutex, count] = [Mutex.from(lockHandle), Region.from(handle).as(Int32Array)]
        return mutex.run((held) => {
          let asked = 0
          Condition.from(conditionHandle).wait(held, {
            until: () => {
              asked++
              if (!held.locked) throw new Error('not held')
              return count[0] >= 3
            },
            timeoutMs: 9000,
          })
          return [asked, count[0]]
        })
      },
      lock,
      changed,
      region,
    )
    for (let i = 0; i < 3; i++) {
      await pause(20)
      lock.run(() => {
        view[0]++
        changed.notify()
      })
    }

    const [asked, count] = await there
    expect(count).toBe(3)
    expect(asked).toBeGreaterThanOrEqual(2)
  })

  test('a wait for what is so already does not sleep; one whose time is up looks once more', async () => {
    const [lock, changed] = [new Mutex(), new Condition()]
    let asked = 0

    lock.run((held) => { changed.wait(held, { until: () => true, timeoutMs: 0 }) }) // prettier-ignore
    lock.run((held) => { changed.wait(held, { until: () => ++asked === 2, timeoutMs: 5 }) }) // prettier-ignore
    await lock.runAsync((held) => changed.waitAsync(held, { until: () => ++asked === 4, timeoutMs: 5 }))

    expect(asked).toBe(4)
  })

  test('one that answers with a promise is refused, and the lock stays held', () => {
    const [lock, changed] = [new Mutex(), new Condition()]
    const held = lock.lock()
    const until = (() => Promise.resolve(true)) as unknown as () => boolean

    expect(thrownBy(() => { changed.wait(held, { until }) }).code).toBe('ERR_PAGEFRAME_INVALID_ARGUMENT') // prettier-ignore
    expect(held.locked).toBe(true)
    lock.unlock()
  })
})

describe('a wait ends with the lock held again', () => {
  test('when its time is up', async () => {
    const lock = new Mutex()
    const changed = Condition.open(freshName())

    const error = lock.run((held) => {
      const thrown = thrownBy(() => { changed.wait(held, { timeoutMs: 10 }) }) // prettier-ignore
      expect(held.locked).toBe(true)
      return thrown
    })
    const late = await lock.runAsync(async (held) => {
      const thrown = await rejectionOf(changed.waitAsync(held, { timeoutMs: 10 }))
      expect(held.locked).toBe(true)
      return thrown
    })

    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'wait' })
    expect(error.message).toBe(`ETIMEDOUT: Condition '${changed.name}': not notified in 10 ms`)
    expect(late).toMatchObject({ code: 'ETIMEDOUT', syscall: 'waitAsync' })
    expect(lock.owner).toBeNull()
  })

  test('when it is aborted: with the reason, and not before the lock is free', async () => {
    const [lock, changed] = [new Mutex(), new Condition()]
    const controller = new AbortController()
    let isOver = false
    const waiting = lock.runAsync(async (held) => {
      const reason = await rejectionOf(changed.waitAsync(held, { signal: controller.signal }))
      isOver = true
      expect(held.locked).toBe(true)
      return reason
    })
    await pause(10)
    const other = await lock.lockAsync()
    controller.abort('enough')
    await pause(20)

    expect(isOver).toBe(false)
    other.unlock()
    expect(await waiting).toBe('enough')
    expect(lock.owner).toBeNull()
    await lock.runAsync(async (held) => {
      expect(await rejectionOf(changed.waitAsync(held, { signal: AbortSignal.abort(3) }))).toBe(3)
      expect(held.locked).toBe(true)
    })
  })

  test('when the condition is destroyed: ESTALE', async () => {
    const [lock, changed] = [new Mutex(), new Condition()]
    const waiting = lock.runAsync(async (held) => {
      const error = await rejectionOf(changed.waitAsync(held, { timeoutMs: 9000 }))
      expect(held.locked).toBe(true)
      return error
    })
    await pause(10)

    changed.destroy()

    expect(await waiting).toMatchObject({ code: 'ESTALE' })
    expect(lock.owner).toBeNull()
    expect(thrownBy(() => changed.notify()).code).toBe('ESTALE')
  })

  test('not if the mutex is destroyed meanwhile', async () => {
    const [lock, changed] = [new Mutex(), new Condition()]
    const waiting = rejectionOf(lock.runAsync((held) => changed.waitAsync(held, { timeoutMs: 9000 })))
    await pause(10)

    lock.destroy()
    const heir = new Mutex()

    expect(await waiting).toMatchObject({ code: 'ESTALE' })
    expect(heir.owner).toBeNull()
  })
})

describe('the token', () => {
  test('of an asynchronous section does not hold the lock while it waits, and cannot unlock another section', async () => {
    const [lock, changed] = [new Mutex(), new Condition()]
    const held = await lock.lockAsync()
    const waiting = changed.waitAsync(held, { timeoutMs: 9000 })
    const other = await lock.lockAsync({ timeoutMs: 5000 })

    expect(held.locked).toBe(false)
    expect(thrownBy(() => { held.unlock() }).code).toBe('EPERM') // prettier-ignore
    expect(other.locked).toBe(true)
    expect(changed.notify()).toBe(1)
    await pause(10)
    expect(held.locked).toBe(false)
    other.unlock()
    await waiting
    expect(held.locked).toBe(true)
    held.unlock()
    expect(lock.owner).toBeNull()
  })

  test('must be of a Mutex, of the right form, and hold its lock once', async () => {
    const [lock, changed] = [new Mutex({ type: 'recursive' }), new Condition()]
    const plain = new Mutex()
    const refused = (held: unknown) => thrownBy(() => { changed.wait(held as never, { timeoutMs: 1 }) }) // prettier-ignore

    for (const held of [undefined, null, 3, {}, lock]) {
      expect(refused(held).code).toBe('ERR_PAGEFRAME_INVALID_ARGUMENT')
    }
    const token = lock.lock()
    lock.lock()
    expect(refused(token).code).toBe('EINVAL')
    lock.unlock()
    lock.unlock()
    expect(refused(token).code).toBe('EPERM')

    const later = await plain.lockAsync()
    expect(refused(later).code).toBe('ERR_PAGEFRAME_INVALID_ARGUMENT')
    later.unlock()
    const now = plain.lock()
    expect((await rejectionOf(changed.waitAsync(now))).code).toBe('ERR_PAGEFRAME_INVALID_ARGUMENT')
    plain.unlock()

    const apart = new SharedMemory({ size: '2MiB' })
    const elsewhere = new Condition({ memory: apart })
    const here = plain.lock()
    expect(thrownBy(() => { elsewhere.wait(here) }).code).toBe('ERR_PAGEFRAME_INVALID_ARGUMENT') // prettier-ignore
    plain.unlock()
    apart.destroy()
  })

  test('two mutexes at a time are EINVAL', async () => {
    const [one, two, changed] = [new Mutex(), new Mutex(), new Condition()]
    const waiting = one.runAsync((held) => changed.waitAsync(held, { timeoutMs: 9000 }))
    await pause(10)

    const error = two.run((held) => thrownBy(() => { changed.wait(held, { timeoutMs: 1000 }) })) // prettier-ignore

    expect(error.code).toBe('EINVAL')
    changed.notify()
    await waiting
    two.run((held) => { expect(thrownBy(() => { changed.wait(held, { timeoutMs: 1 }) }).code).toBe('ETIMEDOUT'); }) // prettier-ignore
  })
})

test('a queue between threads loses nothing and gives nothing twice', async () => {
  const [lock, notEmpty, notFull] = [new Mutex(), new Condition(), new Condition()]
  const { region, view } = words(16)
  const crew = await Actor.crew(3)
  const each = 3000

  const sums = await Promise.all(
    crew.map((actor, number) =>
      actor.run(
        ({ Mutex, Condition, Region }, index, rounds, ...handles) => {
          const [mutex, filled, emptied] = [
            Mutex.from(handles[0]),
            Condition.from(handles[1]),
            Condition.from(handles[2]),
          ]
          const ring = Region.from(handles[3]).as(Int32Array) // [0] length, [1] head, [8...] four cells
          let sum = 0
          for (let i = 1; i <= rounds; i++) {
            mutex.run((held) => {
              if (index === 0) {
                emptied.wait(held, { until: () => ring[0] < 4, timeoutMs: 9000 })
                ring[8 + ((ring[1] + ring[0]) & 3)] = i
                ring[0]++
                filled.notify()
              } else {
                filled.wait(held, { until: () => ring[0] > 0, timeoutMs: 9000 })
                sum += ring[8 + (ring[1] & 3)]
                ring[1]++
                ring[0]--
                emptied.notify()
              }
            })
          }
          return sum
        },
        number,
        number === 0 ? each : each / 2,
        lock as object,
        notEmpty as object,
        notFull as object,
        region,
      ),
    ),
  )

  expect(sums[1] + sums[2]).toBe((each * (each + 1)) / 2)
  expect(view[0]).toBe(0)
  expect(SharedMemory.default.check().problems).toEqual([])
}, 30_000)
