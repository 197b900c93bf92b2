import { Piscina } from 'piscina'
import { Mutex, SharedMemory } from 'pageframe'
import { afterEach, describe, expect, test } from 'vitest'
import { Actor, eventually, within } from '../support.ts'
import { reaped } from './slots.ts'

const pools: Piscina[] = []
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.destroy().catch(() => undefined)))
})

function pool(maxThreads: number): Piscina {
  const made = new Piscina({
    filename: new URL('../fixtures/pool-tasks.mjs', import.meta.url).href,
    minThreads: maxThreads,
    maxThreads,
  })
  made.on('error', () => undefined) // a worker was killed: that is what the tests do
  pools.push(made)
  return made
}

function expectHandedOn(lock: Mutex): void {
  const token = lock.lock({ timeoutMs: 5000 })
  expect(token.ownerDied).toBe(true)
  lock.markConsistent()
  token.unlock()
  expect(SharedMemory.default.check().problems).toEqual([])
}

describe('a worker that dies with a lock: the next owner is told, and the memory is whole', () => {
  const ways: Record<string, (actor: Actor) => void> = {
    'terminate()': (actor) => void actor.worker.terminate(),
    'process.exit()': (actor) => { actor.begin(() => process.exit(3)) },
    'an exception that nobody catches': (actor) => {
      actor.begin(() => void setImmediate(() => { throw new Error('on purpose') }))
    },
    'a rejection that nobody handles': (actor) => {
      actor.begin(() => void setImmediate(() => void Promise.reject(new Error('on purpose'))))
    },
    'its own end': (actor) => {
      actor.begin(() => { process.getBuiltinModule('node:worker_threads').parentPort?.close() })
    },
    'no heap left': (actor) => {
      actor.begin(() => {
        // Small things only: V8 ends the whole process when a large one does not fit.
        let all: unknown
        for (;;) all = { all }
      })
    },
  } // prettier-ignore

  test.each(Object.keys(ways))('%s', async (way) => {
    const lock = new Mutex()
    const actor = await Actor.start({ resourceLimits: { maxOldGenerationSizeMb: 24 } })
    await actor.run(({ Mutex }, handle) => void Mutex.from(handle).lock(), lock)
    expect(lock.owner).toBe(actor.threadId)

    ways[way](actor)
    await actor.ended()

    expectHandedOn(lock)
  })

  test('while it waits for another lock, blocked, in an asynchronous section, with waits of its own', async () => {
    const [held, wanted] = [new Mutex(), new Mutex()]
    const mine = await wanted.lockAsync()
    const actor = await Actor.start()
    actor.begin(
      async ({ Mutex, tell }, heldHandle, wantedHandle) => {
        const [first, second] = [Mutex.from(heldHandle), Mutex.from(wantedHandle)]
        await first.lockAsync()
        for (let i = 0; i < 100; i++) void second.lockAsync()
        tell('waits')
        second.lock()
      },
      held,
      wanted,
    )
    await actor.told('waits')

    await actor.end()
    expectHandedOn(held)
    mine.unlock()

    const token = await wanted.lockAsync({ timeoutMs: 5000 })
    expect(token.ownerDied).toBe(false)
    token.unlock()
    expect(SharedMemory.default.check().problems).toEqual([])
  })

  test('the memory of its waits and half-made things comes back', async () => {
    const lock = new Mutex()
    const held = await lock.lockAsync()
    const lives = async () => {
      const actor = await Actor.start()
      await actor.run(({ Mutex }, handle) => {
        const there = Mutex.from(handle)
        for (let i = 0; i < 500; i++) void there.lockAsync().catch(() => undefined)
      }, lock)
      await reaped(actor)
    }
    await lives()
    const { usedBytes } = SharedMemory.default

    for (let i = 0; i < 5; i++) await lives()

    expect(SharedMemory.default.usedBytes).toBe(usedBytes)
    held.unlock()
  })

  test('what comes to lie where a dead thread’s waits were is nobody’s wait', async () => {
    // The dead thread's chunk is freed and becomes a region full of words that look like waiting records.
    const lock = new Mutex()
    const held = await lock.lockAsync()
    const actor = await Actor.start()
    await actor.run(({ Mutex }, handle) => {
      const there = Mutex.from(handle)
      for (let i = 0; i < 300; i++) void there.lockAsync().catch(() => undefined)
    }, lock)
    await reaped(actor)
    const regions = Array.from({ length: 64 }, () => SharedMemory.default.alloc(4096))
    for (const region of regions) region.as(Int32Array).fill(1)

    for (let i = 0; i < 3; i++) {
      const next = await Actor.start()
      await next.run(({ Mutex }, handle) => Mutex.from(handle).owner, lock)
      await next.end()
    }

    for (const region of regions) expect(region.as(Int32Array).every((word) => word === 1)).toBe(true)
    for (const region of regions) region.destroy()
    held.unlock()
  })
})

describe('workers of a pool', () => {
  test('share the default memory and are adopted', async () => {
    const tasks = pool(2)
    const lock = new Mutex()
    const counter = SharedMemory.default.alloc(4)

    await within(
      Promise.all(
        Array.from({ length: 8 }, () => tasks.run({ lock, counter, rounds: 500 }, { name: 'increment' })),
      ),
      'the pool',
    )

    expect(counter.as(Int32Array)[0]).toBe(8 * 500)
  })

  test('that are destroyed with a lock hand it on', async () => {
    const tasks = pool(1)
    const lock = new Mutex()
    const ended = tasks.run({ lock }, { name: 'lockAndHang' }).catch(() => 'ended')
    await eventually(() => lock.owner !== null, 'the task to lock')

    await tasks.destroy()

    await within(ended, 'the task')
    expectHandedOn(lock)
  })

  test('that exit with a lock hand it on', async () => {
    const tasks = pool(1)
    const lock = new Mutex()

    await within(
      tasks.run({ lock }, { name: 'lockAndExit' }).catch(() => undefined),
      'the task',
    )

    expectHandedOn(lock)
  })
})

test('a worker that ends in order poisons nothing', async () => {
  const lock = new Mutex()
  const actor = await Actor.start()
  actor.begin(({ Mutex }, handle) => {
    Mutex.from(handle).run(() => undefined)
    process.getBuiltinModule('node:worker_threads').parentPort?.close()
  }, lock)
  await actor.ended()

  const next = await Actor.start()
  expect(await next.run(({ Mutex }, handle) => Mutex.from(handle).tryLock() !== null, lock as object)).toBe(
    true,
  )
})
