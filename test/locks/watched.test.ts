/** Locks of a memory that is watched: deadlocks that are not waited for, orders that contradict each other, statistics. */

import { Condition, Mutex, Semaphore, SharedMemory, SpinLock, type UnlockToken } from 'pageframe'
import { deadlocks, lockOrder, lockStatistics, waitGraph } from 'pageframe/inspect'
import { describe, expect, test } from 'vitest'
import { Actor, pause, rejectionOf, thrownBy } from '../support.ts'
import { memory, waits } from './watched-memory.ts'

function mutexes(...names: string[]): Mutex[] {
  return names.map((name) => new Mutex({ name, memory }))
}

async function holder(held: Mutex): Promise<Actor> {
  const actor = await Actor.start()
  await actor.run(({ Mutex }, handle) => {
    Mutex.from(handle).lock()
  }, held)
  return actor
}

/** Waits for a lock, over there; what it got, or the error. */
function lockThere(actor: Actor, lock: Mutex): Promise<unknown> {
  return actor
    .run(({ Mutex }, handle) => {
      Mutex.from(handle).lock()
    }, lock)
    .then(
      () => 'locked',
      (error: unknown) => error,
    )
}

function releaseThere(actor: Actor, lock: Mutex): Promise<void> {
  return actor.run(({ Mutex }, handle) => {
    Mutex.from(handle).unlock()
  }, lock)
}

describe('deadlocks', () => {
  test('of two workers that wait for each other, the one who closes the circle gets EDEADLK, and says why', async () => {
    const [a, b] = mutexes('a', 'b')
    const [first, second] = await Promise.all([holder(a), holder(b)])
    const waiting = lockThere(first, b)
    await waits(1)

    const error = (await lockThere(second, a)) as Error & { code: string }

    expect(error.code).toBe('EDEADLK')
    expect(error.message).toContain(
      `Mutex 'a': to wait for it would never end: this thread waits for Mutex 'a', which thread ${first.threadId} holds; ` +
        `thread ${first.threadId} waits for Mutex 'b', which this thread holds.`,
    )
    expect(error.message).toContain(`Mutex 'a' was taken by thread ${first.threadId} at\n    eval`)
    expect(error.message).toContain(`Mutex 'b' was taken by this thread at\n    eval`)
    expect(error.message).toContain('in the same order everywhere')
    expect(deadlocks(memory)).toHaveLength(1)
    expect(deadlocks(memory)[0]).toContain(`thread ${second.threadId} waits for Mutex 'a'`)

    await releaseThere(second, b)
    expect(await waiting).toBe('locked')
  })

  test('in a ring of three only the last one is told', async () => {
    const locks = mutexes('a', 'b', 'c')
    const actors = await Promise.all(locks.map(holder))
    const waiting = [lockThere(actors[0], locks[1]), lockThere(actors[1], locks[2])]
    await waits(2)

    const error = (await lockThere(actors[2], locks[0])) as Error & { code: string }

    expect(error.code).toBe('EDEADLK')
    for (const name of ['a', 'b', 'c']) expect(error.message).toContain(`waits for Mutex '${name}'`)
    await releaseThere(actors[2], locks[2])
    expect(await waiting[1]).toBe('locked')
  })

  test('who waits beside a circle, or for somebody who goes on, is told nothing', async () => {
    const [a, b] = mutexes('a', 'b')
    const [first, second] = await Promise.all([holder(a), holder(b)])
    const waiting = lockThere(first, b)
    await waits(1)

    const beside = await Actor.start()
    const other = lockThere(beside, a)
    await waits(2)
    await releaseThere(second, b)

    expect(await waiting).toBe('locked')
    await releaseThere(first, a)
    expect(await other).toBe('locked')
    expect(deadlocks(memory)).toEqual([])
  })

  test('a wait with a time-out ends by itself: no EDEADLK, but it says where the lock was taken', async () => {
    const [a, b] = mutexes('a', 'b')
    const actor = await holder(b)
    a.lock()
    const waiting = lockThere(actor, a)
    await waits(1)

    const error = thrownBy(() => b.lock({ timeoutMs: 20 }))

    expect(error.code).toBe('ETIMEDOUT')
    expect(error.message).toContain(`thread ${actor.threadId} took it at\n    eval`)
    const { waits: edges, holds } = waitGraph(memory)
    expect(edges[0].stack[0]).toMatch(/^eval/)
    expect(holds.map(({ lock, stack }) => [lock.name, stack.length > 0])).toEqual([
      ['a', true],
      ['b', true],
    ])
    a.unlock()
    expect(await waiting).toBe('locked')
  })

  test('a normal mutex that its owner locks again is a circle of one', () => {
    const [a] = mutexes('a')
    a.lock()

    const error = thrownBy(() => a.lock())

    expect(error.code).toBe('EDEADLK')
    expect(error.message).toContain("this thread waits for Mutex 'a', which this thread holds")
    a.unlock()
    expect(a.owner).toBeNull()
  })

  test.each(['errorCheck', 'recursive'] as const)(
    'a mutex of type %s behaves as it does unwatched',
    (type) => {
      const lock = new Mutex({ memory, type })
      lock.lock()

      if (type === 'errorCheck') expect(thrownBy(() => lock.lock()).message).toContain('holds it already')
      else {
        lock.lock()
        lock.unlock()
        expect(lock.owner).not.toBeNull()
      }
      lock.unlock()

      expect(lock.owner).toBeNull()
      expect(thrownBy(() => { lock.unlock() }).code).toBe('EPERM') // prettier-ignore
    },
  )

  test('spin locks too', async () => {
    const [a, b] = ['a', 'b'].map((name) => new SpinLock({ name, memory }))
    const actor = await Actor.start()
    await actor.run(({ SpinLock }, handle) => {
      SpinLock.from(handle).lock()
    }, b)
    a.lock()
    const waiting = actor.run(({ SpinLock }, handle) => {
      SpinLock.from(handle).lock()
    }, a)
    await pause(100)

    expect(thrownBy(() => b.lock()).message).toContain(
      "which this thread holds.\n  SpinLock 'b' was taken by",
    )
    a.unlock()
    await waiting
  })

  test('a section that waits for its own lock, or for one whose owner waits for it', async () => {
    const [a, b] = mutexes('a', 'b')

    const own = await rejectionOf(a.runAsync(() => a.runAsync(() => undefined)))
    expect(own.code).toBe('EDEADLK')
    expect(own.message).toContain("Mutex 'a'")

    const circle = await a.runAsync(async () => {
      const actor = await holder(b)
      actor.begin(({ Mutex }, handle) => Mutex.from(handle).lock(), a)
      await waits(1)
      const error = await rejectionOf(b.lockAsync())
      await actor.end()
      return error
    })
    expect(circle.code).toBe('EDEADLK')
    // The dead actor may have been next: then it has the lock until it is reaped.
    await expect.poll(() => a.owner, { timeout: 10_000 }).toBeNull()
  })

  test('two tasks that take locks crosswise: the second to wait is told', async () => {
    const [a, b] = mutexes('a', 'b')
    const cross = (outer: Mutex, inner: Mutex) =>
      outer.runAsync(async () => {
        await pause(5)
        return inner.runAsync(() => 'both')
      })

    const outcomes = await Promise.allSettled([cross(a, b), cross(b, a)])

    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(deadlocks(memory)).toHaveLength(1)
  })

  test('tasks that merely queue are told nothing', async () => {
    const [a] = mutexes('a')
    let inside = 0

    await Promise.all(
      Array.from({ length: 20 }, () =>
        a.runAsync(async () => {
          inside++
          await pause(0)
        }),
      ),
    )

    expect(inside).toBe(20)
    expect(deadlocks(memory)).toEqual([])
  })

  test('a holder that dies is no part of a circle; its locks are handed on', async () => {
    const [a, b] = mutexes('a', 'b')
    const actor = await holder(b)
    await actor.end()
    a.lock()

    const token = b.lock({ timeoutMs: 5000 })

    expect(token.ownerDied).toBe(true)
    b.markConsistent()
    b.unlock()
    a.unlock()
  })
})

describe('order', () => {
  test('two orders that contradict each other are found without a deadlock, in whatever threads and however far apart', async () => {
    const [a, b] = mutexes('a', 'b')
    a.run(() => {
      b.run(() => undefined)
    })
    expect(lockOrder(memory).inversions).toEqual([])
    expect(String(lockOrder(memory))).toBe('no contradiction in 1 order\n')

    const actor = await Actor.start()
    await actor.run(
      ({ Mutex }, first, second) => {
        Mutex.from(first).run(() => {
          Mutex.from(second).run(() => undefined)
        })
      },
      b,
      a,
    )

    const { orders, inversions } = lockOrder(memory)
    expect(orders.map(({ held, taken }) => `${held} ${taken}`)).toEqual([
      "Mutex 'a' Mutex 'b'",
      "Mutex 'b' Mutex 'a'",
    ])
    expect(inversions).toHaveLength(1)
    expect(inversions[0].orders.map(({ thread }) => thread)).toEqual([
      "thread 0 'main'",
      `thread ${actor.threadId}`,
    ])
    expect(inversions[0].orders[0].takenAt.join()).toContain('watched.test.ts')
    expect(inversions[0].text).toContain("Mutex 'a', then Mutex 'b', then Mutex 'a'")
  })

  test('a ring over three locks', () => {
    const [a, b, c] = mutexes('a', 'b', 'c')
    for (const [outer, inner] of [[a, b], [b, c], [c, a]]) outer.run(() => { inner.run(() => undefined); }) // prettier-ignore

    expect(lockOrder(memory).inversions.map(({ orders }) => orders.length)).toEqual([3])
  })

  test('what tryLock() takes leads to nothing; what it holds counts', () => {
    const [a, b] = mutexes('a', 'b')

    a.run(() => {
      b.tryLock()
      b.unlock()
    })
    expect(lockOrder(memory).orders).toEqual([])

    b.tryLock()
    a.run(() => undefined)
    b.unlock()
    expect(lockOrder(memory).orders.map(({ held }) => held)).toEqual(["Mutex 'b'"])
  })

  test('a condition takes its mutex again with what is held meanwhile', () => {
    const [a, b] = mutexes('a', 'b')
    const changed = new Condition({ memory })

    b.run((held) => {
      a.run(() => {
        thrownBy(() => { changed.wait(held, { timeoutMs: 1 }) }) // prettier-ignore
      })
    })

    expect(lockOrder(memory).inversions).toHaveLength(1)
  })

  test('asynchronous sections have an order within each, not between them', async () => {
    const [a, b, c] = mutexes('a', 'b', 'c')

    await Promise.all([a.runAsync(() => b.runAsync(() => pause(1))), c.runAsync(() => pause(1))])

    expect(lockOrder(memory).orders.map(({ held, taken }) => [held, taken])).toEqual([
      ["Mutex 'a'", "Mutex 'b'"],
    ])
  })

  test('locks without a name go by the place where they were made', () => {
    const make = () => new Mutex({ memory })
    const [a, b] = [make(), make()]
    const outer = new Mutex({ memory })
    outer.run(() => {
      a.run(() => {
        b.run(() => undefined)
      })
    })

    const { orders } = lockOrder(memory)

    expect(orders).toHaveLength(1)
    expect(orders[0].held).toMatch(/^Mutex made at .*watched\.test\.ts:\d+:\d+\)?$/)
  })
})

describe('statistics', () => {
  const of = (label: string) => {
    const found = lockStatistics(memory).find((each) => each.label === label)
    if (found === undefined) throw new Error(`no ${label} in\n${String(lockStatistics(memory))}`)
    return found
  }

  test('acquisitions by all threads, waits and holds', async () => {
    const [jobs] = mutexes('jobs')
    const actor = await holder(jobs)
    setTimeout(() => void releaseThere(actor, jobs), 20)
    ;(await jobs.lockAsync()).unlock()
    for (let i = 0; i < 100; i++) jobs.run(() => undefined)
    const other = await holder(jobs)
    expect(thrownBy(() => jobs.lock({ timeoutMs: 5 })).code).toBe('ETIMEDOUT')
    await releaseThere(other, jobs)

    expect(of("Mutex 'jobs'")).toMatchObject({
      kind: 'Mutex',
      name: 'jobs',
      madeAt: undefined,
      made: 1,
      acquisitions: 103,
      contended: 1,
      timeouts: 1,
      wait: { count: 1 },
      hold: { count: 103 },
    })
    expect(of("Mutex 'jobs'").wait.p50).toBeGreaterThan(5e6)
    expect(of("Mutex 'jobs'").hold.max).toBeGreaterThan(5e6)
    expect(String(lockStatistics(memory))).toMatch(/^lock .*taken.*\nMutex 'jobs' +1 +103 +0\.97 % +1 /)
  })

  test('what a thread counted stays when it ends, and what a lock did when it is destroyed', async () => {
    const [jobs] = mutexes('jobs')
    const actor = await holder(jobs)
    await releaseThere(actor, jobs)
    await actor.end()
    jobs.destroy()

    const again = new Mutex({ name: 'jobs', memory })
    again.run(() => undefined)

    expect(of("Mutex 'jobs'")).toMatchObject({ made: 2, acquisitions: 2 })
  })

  test('a semaphore is taken and waited for, and held by nobody', async () => {
    const permits = new Semaphore(1, { name: 'permits', memory })
    permits.acquire()
    expect(permits.tryAcquire()).toBe(false)
    const waiting = permits.acquireAsync()
    permits.release()
    await waiting

    expect(of("Semaphore 'permits'")).toMatchObject({ acquisitions: 2, contended: 1, hold: { count: 0 } })
  })

  test('a condition is waited for; its mutex is not held meanwhile', async () => {
    const [jobs] = mutexes('jobs')
    const changed = new Condition({ name: 'changed', memory })
    await jobs.runAsync(async (held) => {
      setTimeout(() => changed.notify(), 30)
      await changed.waitAsync(held)
      expect(held.locked).toBe(true)
    })
    jobs.run((held) => {
      expect(thrownBy(() => { changed.wait(held, { timeoutMs: 30 }) }).code).toBe('ETIMEDOUT') // prettier-ignore
    })

    expect(of("Condition 'changed'")).toMatchObject({ acquisitions: 1, contended: 1, timeouts: 1 })
    expect(of("Condition 'changed'").wait.p50).toBeGreaterThan(20e6)
    expect(of("Mutex 'jobs'").hold.count).toBe(4) // each wait cuts one in two
    expect(of("Mutex 'jobs'").hold.max).toBeLessThan(20e6)
  })

  test('a blocked wait says how often it spun and slept', async () => {
    const [jobs] = mutexes('jobs')
    jobs.lock()
    const actor = await Actor.start()
    const waiting = lockThere(actor, jobs)
    await waits(1)
    await pause(20)
    jobs.unlock()
    await waiting

    expect(of("Mutex 'jobs'").parks).toBeGreaterThanOrEqual(1)
  })
})

describe('the switch', () => {
  test('an unwatched memory has no statistics and no order: it says how to have them', () => {
    const plain = new SharedMemory({ size: '4MiB' })

    for (const look of [lockStatistics, lockOrder, deadlocks]) {
      const error = thrownBy(() => look(plain))
      expect(error.code).toBe('ERR_PAGEFRAME_NOT_WATCHED')
      expect(error.message).toMatch(
        /PAGEFRAME_LOCKS=(statistics|deadlocks), or make it with new SharedMemory/,
      )
    }
    plain.destroy()
  })

  test('its locks are what they are anywhere else', () => {
    const lock: Mutex = new Mutex({ memory })
    const token: UnlockToken = lock.lock()

    expect(lock).toBeInstanceOf(Mutex)
    expect(Object.keys(lock)).toEqual(['$pageframe', 'memory', 'at', 'generation'])
    expect(Mutex.from(lock)).toBe(lock)
    expect(token.locked).toBe(true)
    token.unlock()
    expect(token.locked).toBe(false)
  })

  test('an open() that asks for something else is EEXIST', () => {
    const name = `watched ${process.pid}`
    const one = new SharedMemory({ name, size: '4MiB', locks: { statistics: true } })

    expect(SharedMemory.open(name)).toBe(one)
    expect(thrownBy(() => SharedMemory.open(name, { locks: { deadlocks: true } })).message).toBe(
      `EEXIST: SharedMemory '${name}' exists and notes statistics of its locks; this thread asked for deadlocks`,
    )
    one.destroy()
  })

  test.each([[true], [{ deadlocks: 1 }], ['statistics']])('locks: %j is a TypeError', (locks) => {
    expect(thrownBy(() => new SharedMemory({ locks: locks as never })).code).toBe(
      'ERR_PAGEFRAME_INVALID_ARGUMENT',
    )
  })

  test('a small memory has room for the notes too', () => {
    const small = new SharedMemory({ size: '2MiB', locks: { deadlocks: true, statistics: true } })
    const locks = Array.from({ length: 50 }, (_, i) => new Mutex({ memory: small, name: `lock ${i}` }))
    for (const lock of locks) lock.run(() => undefined)

    expect(lockStatistics(small).reduce((sum, { acquisitions }) => sum + acquisitions, 0)).toBe(50)
    expect(lockStatistics(small).map(({ label }) => label)).toContain('all other locks')
    small.destroy()
  })
})
