import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Mutex, ResetEvent, SharedMemory } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { Actor, freshName, pause, rejectionOf, thrownBy } from '../support.ts'

describe('a manual event', () => {
  test('lets everybody pass while it is set', async () => {
    const event = new ResetEvent()
    const other = await Actor.start()
    other.begin(({ ResetEvent, tell }, handle) => {
      tell('waits')
      ResetEvent.from(handle).wait({ timeoutMs: 8000 })
      tell('passed')
    }, event)
    await other.told('waits')
    const here = [1, 2].map(() => event.waitAsync({ timeoutMs: 8000 }))
    expect(event.tryWait()).toBe(false)

    event.set()

    await Promise.all([...here, other.told('passed')])
    expect(event.tryWait()).toBe(true)
    event.wait()
    event.reset()
    expect(event.tryWait()).toBe(false)
  })

  test('reset() right after set() takes nothing back from those who wait', async () => {
    const event = new ResetEvent()
    const waiting = [1, 2, 3].map(() => event.waitAsync({ timeoutMs: 5000 }))

    event.set()
    event.reset()

    await Promise.all(waiting)
    expect(event.tryWait()).toBe(false)
  })
})

describe('an automatic event', () => {
  test('set() lets one pass; with nobody there it is remembered, once', () => {
    const event = new ResetEvent({ autoReset: true })

    event.set()
    event.set()

    expect(event.tryWait()).toBe(true)
    expect(event.tryWait()).toBe(false)
    event.set()
    event.reset()
    expect(event.tryWait()).toBe(false)
  })

  test('two sets in a row let the two pass who have waited longest, in order', async () => {
    const event = new ResetEvent({ autoReset: true })
    const passed: number[] = []
    const waiting = [0, 1, 2].map((n) => event.waitAsync({ timeoutMs: 5000 }).then(() => passed.push(n)))

    event.set()
    event.set()
    await Promise.all(waiting.slice(0, 2))

    expect(passed).toEqual([0, 1])
    event.set()
    await waiting[2]
  })

  test('a ping-pong of two threads loses no set()', async () => {
    const [ping, pong] = [new ResetEvent({ autoReset: true }), new ResetEvent({ autoReset: true })]
    const rounds = 3_000
    const other = await Actor.start()
    const there = other.run(
      ({ ResetEvent }, ping, pong, rounds) => {
        const [its, ours] = [ResetEvent.from(ping), ResetEvent.from(pong)]
        for (let i = 0; i < rounds; i++) {
          its.wait({ timeoutMs: 8000 })
          ours.set()
        }
      },
      ping,
      pong,
      rounds,
    )

    for (let i = 0; i < rounds; i++) {
      ping.set()
      pong.wait({ timeoutMs: 8000 })
    }
    await there

    expect([ping.tryWait(), pong.tryWait()]).toEqual([false, false])
  })

  test('a set() that was on its way to one who aborts goes to the next', async () => {
    const event = new ResetEvent({ autoReset: true })
    const controller = new AbortController()
    const first = rejectionOf(event.waitAsync({ signal: controller.signal }))
    const second = event.waitAsync({ timeoutMs: 5000 })

    event.set()
    controller.abort('enough')

    expect(await first).toBe('enough')
    await second
  })

  test('a set() that was on its way to a thread that dies goes to the next', async () => {
    const event = new ResetEvent({ autoReset: true })
    const dies = await Actor.start()
    await dies.run(({ ResetEvent, tell }, handle) => {
      void ResetEvent.from(handle).waitAsync()
      // Busy from here on: it hears of nothing.
      setTimeout(() => {
        tell('busy')
        for (;;);
      })
    }, event)
    await dies.told('busy')
    const waiting = event.waitAsync({ timeoutMs: 8000 })

    event.set()
    await dies.end()

    await waiting
    expect(SharedMemory.default.check().problems).toEqual([])
  })
})

describe('toSignal()', () => {
  test('aborts when another thread sets the event', async () => {
    const event = new ResetEvent()
    const signal = event.toSignal()
    const lock = new Mutex()
    const held = lock.lock()
    const waiting = rejectionOf(lock.lockAsync({ signal }))
    const other = await Actor.start()
    expect(signal.aborted).toBe(false)

    await other.run(({ ResetEvent }, handle) => {
      ResetEvent.from(handle).set()
    }, event)

    expect(await waiting).toMatchObject({ name: 'AbortError' })
    expect(signal.aborted).toBe(true)
    held.unlock()
  })

  test('is the same one until it has aborted, then a new one', async () => {
    const event = new ResetEvent()
    const signal = event.toSignal()
    expect(event.toSignal()).toBe(signal)

    event.set()
    await once(signal, 'abort')
    event.reset()

    expect(event.toSignal()).not.toBe(signal)
    expect(event.toSignal().aborted).toBe(false)
  })

  test('of an event that is set aborts at once, and of an automatic one takes the set()', () => {
    const event = new ResetEvent({ autoReset: true })
    event.set()

    expect(event.toSignal().aborted).toBe(true)
    expect(event.tryWait()).toBe(false)
    expect(event.toSignal().aborted).toBe(false)
  })

  test('aborts with ESTALE when the event is destroyed', async () => {
    const event = new ResetEvent()
    const signal = event.toSignal()

    event.destroy()
    await pause(50)

    expect(signal.reason).toMatchObject({ code: 'ESTALE' })
  })

  test('keeps no thread alive', async () => {
    const event = new ResetEvent()
    const code = `
      const { ResetEvent } = require('pageframe')
      const { workerData } = require('node:worker_threads')
      ResetEvent.from(workerData).toSignal().addEventListener('abort', () => undefined)`

    const worker = new Worker(code, { eval: true, workerData: event })

    expect(await once(worker, 'exit')).toEqual([0])
  })
})

test('ETIMEDOUT says what was waited for', async () => {
  const name = freshName()
  const event = ResetEvent.open(name, { autoReset: true })
  const waiting = event.waitAsync({ timeoutMs: 100 })

  const error = thrownBy(() => { event.wait({ timeoutMs: 20 }) }) // prettier-ignore

  expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'wait' })
  expect(error.message).toBe(`ETIMEDOUT: ResetEvent '${name}': not set in 20 ms; 1 waiter is ahead of you`)
  expect(await rejectionOf(waiting)).toMatchObject({ code: 'ETIMEDOUT', syscall: 'waitAsync' })
})

test('it is found by name, and is of one type', () => {
  const name = freshName()
  const event = ResetEvent.open(name, { autoReset: true })

  expect(ResetEvent.open(name)).toBe(event)
  const error = thrownBy(() => ResetEvent.open(name, { autoReset: false }))
  expect(error).toMatchObject({ code: 'EEXIST' })
  expect(error.message).toContain(
    `ResetEvent '${name}' exists and is automatic; this thread asked for a manual one`,
  )
  expect(thrownBy(() => new ResetEvent({ autoReset: 1 as never })).code).toMatch(/^ERR_PAGEFRAME_/)
})

test('who waits for an event that is destroyed gets ESTALE', async () => {
  const event = new ResetEvent()
  const waiting = rejectionOf(event.waitAsync({ timeoutMs: 5000 }))
  await pause(10)

  event.destroy()

  expect((await waiting).code).toBe('ESTALE')
  expect(thrownBy(() => { event.set() }).code).toBe('ESTALE') // prettier-ignore
})
