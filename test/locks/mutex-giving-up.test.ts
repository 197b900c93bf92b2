/** Waits for a mutex that end without it: time-outs and signals. */

import { Mutex } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { Actor, freshName, pause, rejectionOf, thrownBy } from '../support.ts'
import { heldElsewhere } from './held-elsewhere.ts'

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

/** For how long, at least, the lock was held by whom the message names. */
function heldMs({ message }: Error): number {
  return Number(/has held it for at least (\d+) ms/.exec(message)?.[1])
}
