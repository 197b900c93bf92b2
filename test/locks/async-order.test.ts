/**
 * In which order those who wait have their turns: asynchronous and blocked waits in one line, as far as nobody may be quicker.
 */

import {
  Barrier,
  Channel,
  Condition,
  futex,
  Latch,
  Mutex,
  Region,
  ResetEvent,
  RwLock,
  Semaphore,
} from 'pageframe'
import { waitGraph } from 'pageframe/inspect'
import { describe, expect, test } from 'vitest'
import { Actor, eventually, freshName, pause } from '../support.ts'

const ORDER = ['async 1', 'blocked', 'async 2']

/** Who has had his turn, in order. */
function turns() {
  const order: string[] = []
  const note = (who: string) => () => void order.push(who)
  /** Until so many have, and for a while after that, in which nobody else should. */
  const are = async (expected: readonly string[]): Promise<void> => {
    await eventually(() => order.length >= expected.length, `${expected.length} turns`)
    await pause(20)
    expect(order).toEqual(expected)
  }
  return { order, note, are }
}

async function blocked(count = 1): Promise<void> {
  await eventually(
    () => waitGraph().waits.filter(({ isAsync }) => !isAsync).length === count,
    'a blocked wait',
  )
}

describe('what is handed over goes to who waits longest, whether it sleeps or not', () => {
  test('an automatic event', async () => {
    const event = new ResetEvent({ autoReset: true })
    const { note, are } = turns()
    const all = [event.waitAsync().then(note(ORDER[0]))]
    const actor = await Actor.start()
    all.push(
      actor
        .run(({ ResetEvent }, handle) => {
          ResetEvent.from(handle).wait()
        }, event)
        .then(note(ORDER[1])),
    )
    await blocked()
    all.push(event.waitAsync().then(note(ORDER[2])))

    for (let turn = 1; turn <= 3; turn++) {
      event.set()
      await are(ORDER.slice(0, turn))
    }
    await Promise.all(all)
  })

  test('a notification', async () => {
    const [lock, changed] = [new Mutex(), new Condition()]
    const { note, are } = turns()
    const waits = async (who: string) => {
      await lock.runAsync((held) => changed.waitAsync(held))
      note(who)()
    }
    const all = [waits(ORDER[0])]
    const actor = await Actor.start()
    const there = actor.run(
      ({ Mutex, Condition }, mutex, condition) => {
        Mutex.from(mutex).run((held) => {
          Condition.from(condition).wait(held)
        })
      },
      lock,
      changed,
    )
    all.push(there.then(note(ORDER[1])))
    await blocked()
    all.push(waits(ORDER[2]))
    await pause(10)

    for (let turn = 1; turn <= 3; turn++) {
      changed.notify()
      await are(ORDER.slice(0, turn))
    }
    await Promise.all(all)
  })

  test('a wake-up of a futex', async () => {
    const name = freshName()
    const words = Region.open(name, 64).as(Int32Array)
    const { note, are } = turns()
    const all = [futex.waitAsync(words, 0, 0).then(note(ORDER[0]))]
    const actor = await Actor.start()
    const there = actor.run(
      ({ futex, Region }, name) => void futex.wait(Region.open(name).as(Int32Array), 0, 0),
      name,
    )
    all.push(there.then(note(ORDER[1])))
    await blocked()
    all.push(futex.waitAsync(words, 0, 0).then(note(ORDER[2])))

    for (let turn = 1; turn <= 3; turn++) {
      futex.wake(words, 0)
      await are(ORDER.slice(0, turn))
    }
    await Promise.all(all)
  })
})

describe('what may be had by whoever is quicker', () => {
  test.each([
    {
      what: 'a mutex',
      make() {
        const lock = new Mutex()
        return {
          get: async () => {
            const held = await lock.lockAsync()
            held.unlock()
          },
          grab: (): void => {
            lock.lock()
          },
          give: (): void => {
            lock.unlock()
          },
        }
      },
    },
    {
      what: 'a permit',
      make() {
        const permits = new Semaphore(1)
        return {
          get: async () => {
            await permits.acquireAsync()
            permits.release()
          },
          grab: (): void => {
            permits.acquire()
          },
          give: (): void => {
            permits.release()
          },
        }
      },
    },
    {
      what: 'a lock to write',
      make() {
        const { write } = new RwLock()
        return {
          get: async () => {
            const held = await write.lockAsync()
            held.unlock()
          },
          grab: (): void => {
            write.lock()
          },
          give: (): void => {
            write.unlock()
          },
        }
      },
    },
  ])('$what: one that was woken in vain is first again', async (each) => {
    const { get, grab, give } = each.make()
    const { order, note, are } = turns()
    grab()
    const all = [get().then(note('first')), get().then(note('second'))]
    for (let i = 0; i < 3; i++) {
      give() // wakes the first, whose turn of the event loop comes too late
      grab()
      await pause(5)
      all.push(get().then(note(`came in round ${i}`)))
    }
    expect(order).toEqual([])

    give()

    await are(['first', 'second', 'came in round 0', 'came in round 1', 'came in round 2'])
    await Promise.all(all)
  })

  test.each(['mutex', 'semaphore'] as const)(
    'a thread that sleeps behind busy ones has a %s without waiting for their event loop',
    async (what) => {
      const [lock, permits] = [new Mutex(), new Semaphore(1)]
      const done = new Latch(1)
      if (what === 'mutex') lock.lock()
      else permits.acquire()
      const mine = Array.from({ length: 100 }, () =>
        what === 'mutex' ? lock.lockAsync() : permits.acquireAsync(),
      )
      const actor = await Actor.start()
      const there = actor.run(
        ({ Mutex, Semaphore, Latch }, mutex, semaphore, latch, isMutex) => {
          if (isMutex) Mutex.from(mutex).run(() => undefined)
          else {
            Semaphore.from(semaphore).acquire()
            Semaphore.from(semaphore).release()
          }
          Latch.from(latch).countDown()
        },
        lock,
        permits,
        done,
        what === 'mutex',
      )
      await blocked()

      if (what === 'mutex') lock.unlock()
      else permits.release()
      done.wait({ timeoutMs: 5000 }) // our event loop stands still

      await there
      for (const each of mine) {
        const held = await each
        if (held === undefined) permits.release()
        else held.unlock()
      }
    },
  )
})

describe('all who wait pass, those of one thread in the order in which they came', () => {
  test('a latch and a barrier', async () => {
    const [latch, barrier] = [new Latch(1), new Barrier(4)]
    const passes = async (wait: () => Promise<unknown>, end: () => void) => {
      const { order, note } = turns()
      const all = [1, 2, 3].map((number) => wait().then(note(`${number}`)))
      end()
      await Promise.all(all)
      expect(order).toEqual(['1', '2', '3'])
    }

    await passes(
      () => latch.waitAsync(),
      () => {
        latch.countDown()
      },
    )
    await passes(
      () => barrier.arriveAsync(),
      () => {
        barrier.arrive()
      },
    )
  })

  test('records of a channel go to those who asked first, and a small one never passes a large one that waits for room', async () => {
    const channel = new Channel({ from: 'one', to: 'one', capacity: '4KiB' })
    const asked = [1, 2, 3, 4].map(() => channel.receiveAsync())
    for (const byte of [1, 2, 3, 4]) channel.send(Uint8Array.of(byte))
    expect((await Promise.all(asked)).map((record) => record?.[0])).toEqual([1, 2, 3, 4])

    const sent = [2000, 2000, 8, 8].map((length, i) => channel.sendAsync(new Uint8Array(length).fill(i)))
    const lengths: (number | undefined)[] = []
    for (let i = 0; i < 4; i++) lengths.push((await channel.receiveAsync())?.length)
    expect(lengths).toEqual([2000, 2000, 8, 8])
    await Promise.all(sent)
  })
})

test('an asynchronous writer has its turn, though readers never pause', async () => {
  const lock = new RwLock()
  const crew = await Actor.crew(3)
  for (const actor of crew) {
    actor.begin(({ RwLock, tell }, handle) => {
      const { read } = RwLock.from(handle)
      for (let i = 0; ; i++) {
        read.run(() => {
          for (const end = performance.now() + 0.2; performance.now() < end;);
        })
        if (i === 100) tell('reads')
      }
    }, lock)
  }
  await Promise.all(crew.map((actor) => actor.told('reads')))

  for (let i = 0; i < 20; i++) {
    const held = await lock.write.lockAsync({ timeoutMs: 5000 })
    held.unlock()
    await pause(2)
  }
  await Promise.all(crew.map((actor) => actor.end()))
})

test('a thread that reads while its own writer waits is let in after a moment', async () => {
  const lock = new RwLock()
  const held = await lock.read.lockAsync()
  const writer = lock.write.lockAsync()
  held.unlock()

  for (let i = 0; i < 3; i++) lock.read.run(() => undefined, { timeoutMs: 5000 })
  expect(await writer).toMatchObject({ locked: true })
})
