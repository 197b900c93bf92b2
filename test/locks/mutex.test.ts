import { Mutex, SharedMemory, type UnlockToken } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { Actor, eventually, freshName, pause, rejectionOf, thrownBy } from '../support.ts'

const types = ['normal', 'errorCheck', 'recursive'] as const

/** Another thread holds it until it is ended, or for so long. */
async function heldElsewhere(mutex: Mutex, forMs = 60_000): Promise<Actor> {
  const other = await Actor.start()
  other.begin(
    ({ Mutex, tell }, handle, ms) => {
      const there = Mutex.from(handle)
      there.lock()
      tell('holds')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
      there.unlock()
      tell('released')
    },
    mutex,
    forMs,
  )
  await other.told('holds')
  return other
}

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

describe('tokens', () => {
  test('the token of lock() unlocks, once; more is EPERM', () => {
    const lock = new Mutex()
    const token = lock.lock()

    token.unlock()

    expect(token.locked).toBe(false)
    expect(thrownBy(() => { token.unlock() })).toMatchObject({ code: 'EPERM', errno: -1 }) // prettier-ignore
  })

  test('disposing a token unlocks, and does nothing when it was unlocked already', async () => {
    const lock = new Mutex()

    const token = lock.lock()
    token.unlock()
    token[Symbol.dispose]()
    lock.lock()[Symbol.dispose]()
    expect(lock.owner).toBeNull()

    const held = await lock.lockAsync()
    held.unlock()
    held[Symbol.dispose]()
    const next = await lock.lockAsync()
    held[Symbol.dispose]()
    expect(next.locked).toBe(true)
    next[Symbol.dispose]()
    expect(lock.owner).toBeNull()
  })

  test('each lockAsync has a token of its own, and a used one unlocks nobody else’s section', async () => {
    const lock = new Mutex()
    const first = await lock.lockAsync()
    first.unlock()
    const second = await lock.lockAsync()

    expect(second).not.toBe(first)
    expect(first.locked).toBe(false)
    expect(thrownBy(() => { first.unlock() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore
    expect(second.locked).toBe(true)
    second.unlock()
  })

  test('unlock() without a token does not end an asynchronous section', async () => {
    const lock = new Mutex()
    const token = await lock.lockAsync()

    expect(thrownBy(() => { lock.unlock() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore
    expect(token.locked).toBe(true)
    token.unlock()
  })

  test('a lock that is free, or another thread’s, cannot be unlocked', async () => {
    for (const robust of [true, false]) {
      const lock = new Mutex({ robust })
      expect(thrownBy(() => { lock.unlock() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore

      const other = await heldElsewhere(lock, 300)
      for (let i = 0; i < 40; i++) expect(thrownBy(() => { lock.unlock() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore
      expect(lock.owner).toBe(other.threadId)
      await other.told('released')
      expect(lock.owner).toBeNull()
    }
    expect(SharedMemory.default.check().problems).toEqual([])
  })

  test('run and runAsync unlock whether their section returns or throws, and give its result', async () => {
    const lock = new Mutex()

    expect(lock.run(() => 7)).toBe(7)
    expect(() => lock.run(() => { throw new Error('inside') })).toThrow('inside') // prettier-ignore
    expect(await lock.runAsync(async () => Promise.resolve(8))).toBe(8)
    await expect(lock.runAsync(() => Promise.reject(new Error('later')))).rejects.toThrow('later')

    expect(lock.owner).toBeNull()
  })
})

describe('types: what happens to an owner that locks again', () => {
  test('errorCheck throws EDEADLK', () => {
    const lock = new Mutex({ type: 'errorCheck' })
    lock.lock()

    expect(thrownBy(() => lock.lock())).toMatchObject({ code: 'EDEADLK', errno: -35 })
    expect(lock.tryLock()).toBeNull()
    lock.unlock()
    expect(lock.owner).toBeNull()
  })

  test('normal waits until its time-out', () => {
    const lock = new Mutex()
    lock.lock()

    expect(thrownBy(() => lock.lock({ timeoutMs: 20 }))).toMatchObject({ code: 'ETIMEDOUT', errno: -110 })
    expect(lock.tryLock()).toBeNull()
    lock.unlock()
    expect(lock.owner).toBeNull()
  })

  test('recursive counts, and as many unlocks release it', async () => {
    const lock = new Mutex({ type: 'recursive' })
    for (let i = 0; i < 5; i++) lock.lock()
    expect(lock.tryLock()?.locked).toBe(true)
    const other = await Actor.start()
    const attempt = () =>
      other.run(({ Mutex }, handle) => {
        const there = Mutex.from(handle)
        if (there.tryLock() === null) return false
        there.unlock()
        return true
      }, lock)

    for (let i = 0; i < 5; i++) lock.unlock()
    expect(await attempt()).toBe(false)
    lock.unlock()

    expect(await attempt()).toBe(true)
    expect(lock.owner).toBeNull()
  })

  test('recursive has no asynchronous form: EINVAL', async () => {
    const lock = new Mutex({ type: 'recursive' })

    expect(await rejectionOf(lock.lockAsync())).toMatchObject({ code: 'EINVAL' })
    expect(lock.owner).toBeNull()
  })

  test.each(['normal', 'errorCheck'] as const)(
    'blocking in this thread’s own asynchronous section is EDEADLK at once (%s)',
    async (type) => {
      const lock = new Mutex({ type })
      const token = await lock.lockAsync()

      const error = thrownBy(() => lock.lock({ timeoutMs: 2000 }))

      expect(error).toMatchObject({ code: 'EDEADLK' })
      expect(error.message).toContain(
        'in an async section; to block here would never end. Use await lockAsync()',
      )
      expect(lock.tryLock()).toBeNull()
      token.unlock()
    },
  )

  test.each(['normal', 'errorCheck'] as const)(
    'a lock that lockAsync() has got, and whose promise is not yet awaited, is an asynchronous section too (%s)',
    async (type) => {
      const lock = new Mutex({ type })
      const soon = lock.lockAsync()

      expect(thrownBy(() => lock.lock({ timeoutMs: 100 }))).toMatchObject({ code: 'EDEADLK' })
      expect(thrownBy(() => { lock.unlock() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore

      const token = await soon
      expect(token.locked).toBe(true)
      token.unlock()
    },
  )
})

describe('giving up', () => {
  test('ETIMEDOUT names the lock, the holder and the waiters', async () => {
    const name = freshName()
    const lock = Mutex.open(name)
    const other = await heldElsewhere(lock)

    const error = thrownBy(() => lock.lock({ timeoutMs: 30 }))

    expect(error).toMatchObject({ name: 'ErrnoError', code: 'ETIMEDOUT', errno: -110, syscall: 'lock' })
    expect(error.message).toMatch(
      new RegExp(
        `^ETIMEDOUT: Mutex '${name}': not acquired in 30 ms; thread ${other.threadId} has held it for at least \\d+ ms, nobody is ahead of you$`,
      ),
    )
    expect(heldMs(error)).toBeGreaterThan(20)
    const waiting = lock.lockAsync({ timeoutMs: 200 })
    expect(thrownBy(() => lock.lock({ timeoutMs: 30 })).message).toContain('1 waiter is ahead of you')
    expect(await rejectionOf(waiting)).toMatchObject({ code: 'ETIMEDOUT', syscall: 'lockAsync' })
    await other.end()
  })

  test('those who came later are not ahead', async () => {
    const lock = new Mutex()
    const other = await heldElsewhere(lock)

    const errors = await Promise.all(
      [90, 30, 60, 120].map((timeoutMs) => rejectionOf(lock.lockAsync({ timeoutMs }))),
    )

    // The second is gone when the third gives up, and so on.
    const ahead = errors.map(({ message }) => message.slice(message.lastIndexOf(', ') + 2))
    expect(ahead).toEqual([
      'nobody is ahead of you',
      '1 waiter is ahead of you',
      '1 waiter is ahead of you',
      'nobody is ahead of you',
    ])
    await other.end()
  })

  test('what ETIMEDOUT says of the hold is true when the holder let go of it meanwhile, and took it again', async () => {
    const lock = new Mutex()
    const other = await Actor.start()
    await other.run(({ Mutex }, handle) => void Mutex.from(handle).lock(), lock)
    // Two of them: somebody waits all the time, also while the lock is free.
    const [waiting, later] = [400, 420].map((timeoutMs) => rejectionOf(lock.lockAsync({ timeoutMs })))
    await pause(200)

    // This thread is busy meanwhile, so that it cannot be faster.
    const gate = new Int32Array(new SharedArrayBuffer(4))
    other.begin(
      ({ Mutex }, handle, done) => {
        const there = Mutex.from(handle)
        there.unlock()
        there.lock()
        Atomics.store(done, 0, 1)
        Atomics.notify(done, 0)
      },
      lock,
      gate,
    )
    Atomics.wait(gate, 0, 0, 5000)
    const since = performance.now()

    const error = await waiting
    expect(error.message).toContain(`thread ${other.threadId} has held it for at least`)
    expect(heldMs(error)).toBeGreaterThan(50)
    expect(heldMs(error)).toBeLessThan(performance.now() - since + 100)
    await later
    await other.end()
  })

  test('and when it was handed to another who had waited', async () => {
    const lock = new Mutex()
    const [first, second] = await Actor.crew(2)
    await first.run(({ Mutex }, handle) => void Mutex.from(handle).lock(), lock)
    const locked = second.run(({ Mutex }, handle) => void Mutex.from(handle).lock(), lock)
    await pause(50)
    const waiting = rejectionOf(lock.lockAsync({ timeoutMs: 500 }))
    await pause(200)

    await first.run(({ Mutex }, handle) => {
      Mutex.from(handle).unlock()
    }, lock)
    await locked

    const error = await waiting
    expect(error.message).toContain(`thread ${second.threadId} has held it for at least`)
    expect(heldMs(error)).toBeGreaterThan(50)
    expect(heldMs(error)).toBeLessThan(400)
    await Promise.all([first.end(), second.end()])
  })

  test('a wait of no time at all times out, blocking or not', async () => {
    const lock = new Mutex()
    await heldElsewhere(lock)

    expect(thrownBy(() => lock.lock({ timeoutMs: 0 }))).toMatchObject({ code: 'ETIMEDOUT' })
    expect(await rejectionOf(lock.lockAsync({ timeoutMs: 0 }))).toMatchObject({ code: 'ETIMEDOUT' })
  })

  test('a time-out longer than any timer of Node is still in the future', async () => {
    const lock = new Mutex()
    await heldElsewhere(lock, 150)

    const token = await lock.lockAsync({ timeoutMs: 2 ** 40 })

    expect(token.locked).toBe(true)
    token.unlock()
  })

  test.each([-1, NaN, '5', null, {}])(
    'the time-out %s is refused before anything happens',
    async (timeoutMs) => {
      const lock = new Mutex()
      await heldElsewhere(lock)
      const wait = { timeoutMs: timeoutMs as number }
      const usage = expect.stringMatching(/^ERR_PAGEFRAME_/) as string

      expect(thrownBy(() => lock.lock(wait))).toMatchObject({ code: usage })
      expect(await rejectionOf(lock.lockAsync(wait))).toMatchObject({ code: usage })
    },
  )

  test('a signal that is aborted already rejects with its reason, untouched, and takes no lock', async () => {
    const lock = new Mutex()
    const reason = { not: 'an error' }

    expect(await rejectionOf(lock.lockAsync({ signal: AbortSignal.abort(reason) }))).toBe(reason)
    expect(lock.owner).toBeNull()
  })

  test('a signal that aborts later ends the wait, with its reason, and the next in line is served', async () => {
    const lock = new Mutex()
    const held = await lock.lockAsync()
    const controller = new AbortController()
    const reason = Symbol('reason')
    const aborted = lock.lockAsync({ signal: controller.signal })
    const patient = lock.lockAsync({ timeoutMs: 5000 })

    const rejection = rejectionOf(aborted)
    controller.abort(reason)
    expect(await rejection).toBe(reason)
    held.unlock()

    const token = await patient
    expect(token.locked).toBe(true)
    controller.abort()
    token.unlock()
    expect(lock.owner).toBeNull()
  })

  test('a signal that aborts in the moment the lock is released loses no wake-up', async () => {
    const lock = new Mutex()
    for (let i = 0; i < 100; i++) {
      const held = await lock.lockAsync()
      const controller = new AbortController()
      const aborted = lock.lockAsync({ signal: controller.signal }).then(
        (token) => { token.unlock() },
        () => undefined,
      ) // prettier-ignore
      const patient = lock.lockAsync({ timeoutMs: 5000 })
      if (i % 2 === 0) held.unlock()
      controller.abort()
      if (i % 2 === 1) held.unlock()

      await aborted
      ;(await patient).unlock()
    }
    expect(lock.owner).toBeNull()
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

describe('when the owner dies', () => {
  async function ruined(lock: Mutex): Promise<UnlockToken> {
    const other = await heldElsewhere(lock)
    await other.end()
    return lock.lock({ timeoutMs: 5000 })
  }

  test.each(types)('the next owner is told, repairs, and the lock is as good as new (%s)', async (type) => {
    const lock = new Mutex({ type })
    const token = await ruined(lock)

    expect(token.ownerDied).toBe(true)
    lock.markConsistent()
    expect(token.ownerDied).toBe(false)
    lock.unlock()

    expect(lock.lock({ timeoutMs: 1000 }).ownerDied).toBe(false)
    lock.unlock()
    expect(SharedMemory.default.check().problems).toEqual([])
  })

  test('an owner that was told and unlocks without markConsistent() leaves ENOTRECOVERABLE to everybody', async () => {
    const lock = new Mutex()
    const token = await ruined(lock)
    const waiting = rejectionOf(lock.lockAsync())

    token.unlock()

    expect(await waiting).toMatchObject({ code: 'ENOTRECOVERABLE', errno: -131 })
    expect(thrownBy(() => lock.lock())).toMatchObject({ code: 'ENOTRECOVERABLE' })
    expect(thrownBy(() => lock.tryLock())).toMatchObject({ code: 'ENOTRECOVERABLE' })
    expect(await rejectionOf(lock.lockAsync())).toMatchObject({ code: 'ENOTRECOVERABLE' })
    expect(lock.owner).toBeNull()
  })

  test('markConsistent() is for the owner that was told only: EINVAL', async () => {
    const lock = new Mutex()

    expect(thrownBy(() => { lock.markConsistent() })).toMatchObject({ code: 'EINVAL' }) // prettier-ignore
    lock.lock()
    expect(thrownBy(() => { lock.markConsistent() })).toMatchObject({ code: 'EINVAL' }) // prettier-ignore
    lock.unlock()
    await Promise.resolve()
  })

  test('tryLock and lockAsync are told as well', async () => {
    const lock = new Mutex()
    await (await heldElsewhere(lock)).end()
    await eventually(() => lock.owner === null, 'the reaper')
    const tried = lock.tryLock()
    expect(tried?.ownerDied).toBe(true)
    lock.markConsistent()
    lock.unlock()

    const other = await heldElsewhere(lock)
    const waiting = lock.lockAsync({ timeoutMs: 5000 })
    await other.end()
    const token = await waiting

    expect(token.ownerDied).toBe(true)
    lock.markConsistent()
    token.unlock()
    expect(lock.owner).toBeNull()
  })

  test('a recursive lock that a dead thread held many times over is held once by the next', async () => {
    const lock = new Mutex({ type: 'recursive' })
    const other = await Actor.start()
    await other.run(({ Mutex }, handle) => {
      const there = Mutex.from(handle)
      for (let i = 0; i < 3; i++) there.lock()
    }, lock)
    await other.end()

    const token = lock.lock({ timeoutMs: 5000 })
    lock.markConsistent()
    token.unlock()

    expect(lock.owner).toBeNull()
  })

  test('a lock that is not robust stays locked', async () => {
    const lock = new Mutex({ robust: false })
    const other = await heldElsewhere(lock)
    await other.end()
    await pause(50)

    expect(thrownBy(() => lock.lock({ timeoutMs: 50 }))).toMatchObject({ code: 'ETIMEDOUT' })
    expect(SharedMemory.default.check().problems).toEqual([])
    lock.destroy()
  })

  test.each([1, 31, 32, 33, 100])('all of %i locks that it held are handed on', async (count) => {
    const locks = Array.from({ length: count }, () => new Mutex())
    const other = await Actor.start()
    await other.run(({ Mutex }, handles) => {
      const there = handles.map((handle) => Mutex.from(handle))
      for (const lock of there) lock.lock()
      // Some are released and taken again, so that list and chain are not in the order of locking.
      for (let i = 0; i < there.length; i += 3) there[i].unlock()
      for (let i = 0; i < there.length; i += 3) there[i].lock()
    }, locks)
    await other.end()

    for (const lock of locks) {
      expect(lock.lock({ timeoutMs: 5000 }).ownerDied).toBe(true)
      lock.markConsistent()
      lock.unlock()
    }
    expect(SharedMemory.default.check().problems).toEqual([])
    for (const lock of locks) lock.destroy()
  })

  test('waiters of several threads get it one after the other, though its owner died', async () => {
    const lock = new Mutex()
    const first = await heldElsewhere(lock)
    const others = await Actor.crew(3)
    const got = others.map((other) =>
      other.run(({ Mutex, tell }, handle) => {
        const there = Mutex.from(handle)
        tell('waits')
        const token = there.lock({ timeoutMs: 8000 })
        const told = token.ownerDied
        if (told) there.markConsistent()
        token.unlock()
        return told
      }, lock as object),
    )
    await Promise.all(others.map((other) => other.told('waits')))

    await first.end()

    const told = await Promise.all(got)
    expect(told.filter(Boolean)).toHaveLength(1)
    expect(lock.owner).toBeNull()
  })
})

test('a second recursion level in an asynchronous section of another mutex is no concern of this one', async () => {
  const outer = new Mutex()
  const inner = new Mutex({ type: 'recursive' })
  const token = await outer.lockAsync()
  inner.lock()
  inner.lock()
  inner.unlock()
  inner.unlock()
  token.unlock()

  expect([outer.owner, inner.owner]).toEqual([null, null])
})

/** For how long, at least, the lock was held by whom the message names. */
function heldMs({ message }: Error): number {
  return Number(/has held it for at least (\d+) ms/.exec(message)?.[1])
}
