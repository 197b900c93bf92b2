/** A thing is destroyed while others are about to wait for it, or go on to wait for what belongs to it: all are told. */

import {
  Barrier,
  Channel,
  Condition,
  Latch,
  Mutex,
  ResetEvent,
  RwLock,
  Semaphore,
  SharedMemory,
  type Region,
} from 'pageframe'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Actor, rejectionOf, type Tools } from '../support.ts'

const TIMES = 150
const MOST_NS = 40_000
const SMALL = { from: 'one', to: 'one', capacity: '4KiB' } as const

interface Thing {
  destroy(): void
}
const kinds: Record<string, (memory: SharedMemory) => Thing> = {
  Mutex: (memory) => {
    const mutex = new Mutex({ memory })
    mutex.lock()
    return mutex
  },
  RwLock: (memory) => {
    const lock = new RwLock({ memory })
    lock.write.lock()
    return lock
  },
  Semaphore: (memory) => new Semaphore(0, { memory }),
  Latch: (memory) => new Latch(1, { memory }),
  ResetEvent: (memory) => new ResetEvent({ memory }),
  Barrier: (memory) => new Barrier(2, { memory }),
  'Channel that is empty': (memory) => new Channel({ memory, ...SMALL }),
  'Channel that is full': (memory) => {
    const channel = new Channel({ memory, ...SMALL })
    while (channel.trySend(new Uint8Array(500)));
    channel[Symbol.dispose]()
    return channel
  },
}

/** Begins to wait for each thing in turn, when it is told to. Returns what came of that. */
function waiter({ revive, tell }: Tools, region: Region, things: unknown[], kind: string): string[] {
  const words = revive<Region>(region).as(Int32Array)
  const waitFor = (thing: unknown): void => {
    const it = thing as Record<string, ((bytes?: number) => unknown) | undefined> & {
      read?: { lock(): unknown }
    }
    if (kind === 'RwLock') it.read?.lock()
    else if (kind === 'Channel that is full') it.loan?.call(it, 500)
    else if (kind === 'Channel that is empty') it.receive?.call(it)
    else (it.lock ?? it.acquire ?? it.wait ?? it.arrive)?.call(it)
  }
  const others: string[] = []
  const revived = revive<unknown[]>(things)
  tell('revived')
  revived.forEach((thing, i) => {
    while (Atomics.load(words, 0) !== i + 1);
    try {
      waitFor(thing)
      others.push(`${i} returned`)
    } catch (error) {
      const { code } = error as { code: string }
      if (code !== 'ESTALE') others.push(`${i} ${code}`)
    }
    Atomics.store(words, 1, i + 1)
  })
  return others
}

test.each(Object.keys(kinds))('a wait for a %s that begins while that is destroyed ends', async (kind) => {
  const actor = await Actor.start()
  const region = SharedMemory.default.alloc(64)
  const words = region.as(Int32Array)
  const memory = new SharedMemory({ size: '2MiB' })
  const things = Array.from({ length: TIMES }, () => kinds[kind](memory))
  const others = actor.run(waiter, region, things, kind)
  await actor.told('revived')

  for (const [i, thing] of things.entries()) {
    const until = process.hrtime.bigint() + BigInt(Math.floor((MOST_NS * i) / TIMES))
    Atomics.store(words, 0, i + 1)
    while (process.hrtime.bigint() < until);
    thing.destroy()
    while (Atomics.load(words, 1) !== i + 1) await sleep(0)
  }

  // One that stands between its look and its instruction all the while may get what lies there then. That is a nanosecond
  // in each of them, and not the whole time that it spins.
  expect((await others).length).toBeLessThan(TIMES / 25)
  memory.destroy()
})

test.each([false, true])(
  'a wait with `until` does not go back to a condition that was destroyed meanwhile (asynchronous: %s)',
  async (isAsync) => {
    const [mutex, condition] = [new Mutex(), new Condition()]
    const actor = await Actor.start()
    const waited = rejectionOf(
      actor.run(
        ({ Mutex, Condition, tell }, m, c, isAsync) => {
          const [mutex, condition] = [Mutex.from(m), Condition.from(c)]
          const until = (): boolean => {
            tell('asked')
            return false
          }
          if (isAsync) return mutex.runAsync((held) => condition.waitAsync(held, { until }))
          mutex.run((held) => {
            condition.wait(held, { until })
          })
          return Promise.resolve()
        },
        mutex,
        condition,
        isAsync,
      ),
    )
    await actor.told('asked')
    const token = await mutex.lockAsync() // when it waits
    condition.notify()
    condition.destroy()
    token.unlock()

    expect((await waited).code).toBe('ESTALE')
    expect(mutex.owner).toBeNull()
    expect(SharedMemory.default.check().problems).toEqual([])
  },
)

test('who waited for a condition does not go for its mutex when that is destroyed at the same time', async () => {
  const [mutex, condition] = [new Mutex(), new Condition()]
  const actors = await Actor.crew(2)
  const waits = actors.map((actor) =>
    rejectionOf(
      actor.run(
        ({ Mutex, Condition, tell }, m, c) => {
          Mutex.from(m).run((held) => {
            tell('waits')
            Condition.from(c).wait(held)
          })
        },
        mutex,
        condition,
      ),
    ),
  )
  const own = rejectionOf(mutex.runAsync((held) => condition.waitAsync(held)))
  await Promise.all(actors.map((actor) => actor.told('waits')))
  await sleep(50)

  condition.destroy()
  mutex.destroy()

  expect(await Promise.all([...waits, own].map(async (wait) => (await wait).code))).toEqual([
    'ESTALE',
    'ESTALE',
    'ESTALE',
  ])
  expect(SharedMemory.default.check().problems).toEqual([])
})
