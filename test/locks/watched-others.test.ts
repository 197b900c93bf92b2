/** Read-write locks, latches, events and barriers of a memory whose locks are watched; and of one where they are not. */

import { availableParallelism } from 'node:os'
import {
  Barrier,
  Condition,
  Latch,
  Mutex,
  ResetEvent,
  RwLock,
  Semaphore,
  SeqLock,
  SharedMemory,
  SpinLock,
} from 'pageframe'
import { deadlocks, lockOrder, lockStatistics, waitGraph } from 'pageframe/inspect'
import { expect, test } from 'vitest'
import { Actor, eventually, pause, rejectionOf, thrownBy } from '../support.ts'
import { memory, waits } from './watched-memory.ts'

function of(label: string) {
  const found = lockStatistics(memory).find((each) => each.label === label)
  if (found === undefined) throw new Error(`no ${label} in\n${String(lockStatistics(memory))}`)
  return found
}

/** Does one thing with a side of a lock, over there; resolves with 'done', or the error. */
function there(
  actor: Actor,
  lock: RwLock,
  side: 'read' | 'write',
  verb: 'lock' | 'unlock',
): Promise<unknown> {
  return actor
    .run(
      ({ RwLock }, handle, side, verb) => {
        RwLock.from(handle)[side][verb]()
      },
      lock,
      side,
      verb,
    )
    .then(
      () => 'done',
      (error: unknown) => error,
    )
}

test('two readers who both want to write wait for each other: EDEADLK, naming both', async () => {
  const [a, b] = ['a', 'b'].map((name) => new RwLock({ name, memory }))
  const [first, second] = await Actor.crew(2)
  await there(first, a, 'read', 'lock')
  await there(second, b, 'read', 'lock')
  const waiting = there(first, b, 'write', 'lock')
  await waits(1)

  const error = (await there(second, a, 'write', 'lock')) as Error & { code: string }

  expect(error.code).toBe('EDEADLK')
  expect(error.message).toContain(
    `this thread waits for RwLock 'a', which thread ${first.threadId} holds; ` +
      `thread ${first.threadId} waits for RwLock 'b', which this thread holds.`,
  )
  await there(second, b, 'read', 'unlock')
  expect(await waiting).toBe('done')
})

test('a reader who wants to write what it reads', () => {
  const lock = new RwLock({ name: 'a', memory })
  lock.read.lock()

  const error = thrownBy(() => lock.write.lock())

  expect(error.code).toBe('EDEADLK')
  expect(error.message).toContain("RwLock 'a' was taken by this thread at\n    ")
  lock.read.unlock()
  lock.write.run(() => undefined)
})

test('readers who wait behind a writer are part of the circle', async () => {
  const [shared, other] = ['shared', 'other'].map((name) => new RwLock({ name, memory }))
  const [reader, writer, late] = await Actor.crew(3)
  await there(reader, shared, 'read', 'lock')
  await there(late, other, 'write', 'lock')
  const writing = there(writer, shared, 'write', 'lock')
  await waits(1)
  const reading = there(late, shared, 'read', 'lock') // waits, since the writer goes first
  await waits(2)

  const error = (await there(reader, other, 'read', 'lock')) as Error & { code: string }

  expect(error.code).toBe('EDEADLK')
  await there(reader, shared, 'read', 'unlock')
  expect(await writing).toBe('done')
  await there(writer, shared, 'write', 'unlock')
  expect(await reading).toBe('done')
})

test('many readers who queue behind a writer that ends are told nothing', async () => {
  const lock = new RwLock({ name: 'a', memory })
  const actors = await Actor.crew(3)
  lock.write.lock()
  const reading = actors.map((actor) => there(actor, lock, 'read', 'lock'))
  await waits(3)
  expect(waitGraph(memory).waits.map(({ heldBy }) => heldBy.map(({ threadId }) => threadId))).toEqual([
    [0],
    [0],
    [0],
  ])
  lock.write.unlock()

  expect(await Promise.all(reading)).toEqual(['done', 'done', 'done'])
  expect(waitGraph(memory).holds.map(({ mode }) => mode)).toEqual(['read', 'read', 'read'])
  expect(deadlocks(memory)).toEqual([])
})

test('asynchronous sections of both sides', async () => {
  const lock = new RwLock({ name: 'a', memory })

  const both = await Promise.all([lock.read.runAsync(() => pause(5)), lock.read.runAsync(() => pause(5))])
  await lock.write.runAsync(() => pause(1))
  const error = await rejectionOf(lock.read.runAsync(() => lock.write.runAsync(() => undefined)))

  expect(both).toEqual([undefined, undefined])
  expect(error.code).toBe('EDEADLK')
  expect(of("RwLock 'a'")).toMatchObject({ acquisitions: 4, hold: { count: 4 } })
  expect(lock.writer).toBeNull()
})

test('a read lock has its place in the order of locks', () => {
  const lock = new RwLock({ name: 'prices', memory })
  const mutex = new Mutex({ name: 'log', memory })
  lock.read.run(() => { mutex.run(() => undefined) }) // prettier-ignore
  mutex.run(() => { lock.write.run(() => undefined) }) // prettier-ignore

  expect(lockOrder(memory).inversions).toHaveLength(1)
})

test('one inversion is one warning, also where two threads close it at the same time', async () => {
  const rounds = 100
  const phases = new Barrier(2, { name: 'phases', memory })
  const actors = await Actor.crew(2)

  const warnings = await Promise.all(
    actors.map((actor, index) =>
      actor.run(
        async ({ Barrier, Mutex, SharedMemory }, handle, barrier, index, rounds) => {
          const memory = SharedMemory.from(handle)
          const phases = Barrier.from(barrier)
          let count = 0
          process.on('warning', () => count++)
          for (let round = 0; round < rounds; round++) {
            const pair = [Mutex.open(`a${round}`, { memory }), Mutex.open(`b${round}`, { memory })]
            const [mine, other] = index === 0 ? pair : pair.reverse()
            mine.lock()
            phases.arrive()
            try {
              other.lock({ timeoutMs: 0 })
            } catch {
              // It is held; that this was to come about is noted all the same.
            }
            phases.arrive()
            mine.unlock()
          }
          await new Promise((resolve) => setTimeout(resolve, 50))
          return count
        },
        memory as object,
        phases as object,
        index,
        rounds,
      ),
    ),
  )

  expect(warnings[0] + warnings[1]).toBe(rounds)
  expect(lockOrder(memory).inversions).toHaveLength(rounds)
})

test('a reader that dies leaves no wait and no hold', async () => {
  const lock = new RwLock({ name: 'a', memory })
  const actor = await Actor.start()
  await there(actor, lock, 'read', 'lock')
  await actor.end()

  lock.write.lock({ timeoutMs: 5000 })
  lock.write.unlock()

  expect(waitGraph(memory).holds).toEqual([])
})

test('latches, events and barriers are waited for', async () => {
  const latch = new Latch(1, { name: 'ready', memory })
  const event = new ResetEvent({ name: 'go', memory })
  const barrier = new Barrier(2, { name: 'phase', memory })
  const actor = await Actor.start()
  const met = actor.run(
    ({ Latch, ResetEvent, Barrier }, latch, event, barrier) => {
      Latch.from(latch).wait()
      ResetEvent.from(event).wait()
      return Barrier.from(barrier).arrive()
    },
    latch,
    event,
    barrier,
  )
  await waits(1)
  expect(waitGraph(memory).waits[0].lock.label).toBe("Latch 'ready'")
  latch.countDown()
  await eventually(
    () => waitGraph(memory).waits[0]?.lock.label === "ResetEvent 'go'",
    'the wait for the event',
  )
  event.set()
  const arrived = await barrier.arriveAsync()

  expect([arrived, await met].sort()).toEqual([false, true])
  expect(of("Latch 'ready'")).toMatchObject({ acquisitions: 1, contended: 1 })
  expect(of("ResetEvent 'go'")).toMatchObject({ acquisitions: 1, contended: 1 })
  expect(of("Barrier 'phase'")).toMatchObject({ acquisitions: 2 })
})

test('a wait for a spin lock is one that spun, however long it lasted; what was free at once is not', async () => {
  const lock = new SpinLock({ name: 'sum', memory })
  const actor = await Actor.start()
  lock.run(() => undefined)
  expect(of("SpinLock 'sum'")).toMatchObject({ acquisitions: 1, contended: 0, spins: 0 })

  // Who is alone on its core does not spin.
  const counted = availableParallelism() > 1 ? 'spins' : 'contended'
  let rounds = 0
  for (; rounds < 100 && of("SpinLock 'sum'")[counted] === 0; rounds++) {
    lock.lock()
    const locked = actor.run(({ SpinLock }, handle) => {
      SpinLock.from(handle).run(() => undefined)
    }, lock)
    await pause(20) // it may take longer to come, or find the lock held and take it at once
    lock.unlock()
    await locked
  }

  expect(of("SpinLock 'sum'")[counted]).toBe(1)
  expect(of("SpinLock 'sum'").contended).toBeGreaterThanOrEqual(1)
  expect(of("SpinLock 'sum'").contended).toBeLessThanOrEqual(rounds)
})

test('who arrives last at a barrier has not waited', async () => {
  const alone = new Barrier(1, { name: 'alone', memory })
  for (let phase = 0; phase < 10; phase++) alone.arrive()
  await alone.arriveAsync()
  const both = new Barrier(2, { name: 'both', memory })
  const actor = await Actor.start()
  const met = actor.run(({ Barrier }, handle) => Barrier.from(handle).arrive(), both)
  await waits(1)

  expect(both.arrive()).toBe(true)
  expect(await met).toBe(false)

  expect(of("Barrier 'alone'")).toMatchObject({ acquisitions: 11, contended: 0, wait: { count: 0 } })
  expect(of("Barrier 'both'")).toMatchObject({ acquisitions: 2, contended: 1, wait: { count: 1 } })
})

test('writers of a SeqLock are counted: those who waited, those whose time was up, how long they wrote', async () => {
  const lock = new SeqLock({ name: 'position', memory })
  const words = memory.alloc(64)
  for (let i = 0; i < 10; i++) {
    lock.write(() => (words.bytes[0] = i))
    lock.read(() => words.bytes[0])
  }
  await lock.writeAsync(() => undefined)
  expect(of("SeqLock 'position'")).toMatchObject({
    made: 1,
    acquisitions: 11,
    contended: 0,
    hold: { count: 11 },
  })
  const actor = await Actor.start()
  const writing = actor.run(
    ({ SeqLock, Region, tell }, handle, region) => {
      const mayEnd = Region.from(region).as(Int32Array)
      SeqLock.from(handle).write(() => {
        tell('writes')
        for (
          const until = performance.now() + 9000;
          Atomics.load(mayEnd, 1) === 0 && performance.now() < until;
        );
      })
    },
    lock,
    words,
  )
  await actor.told('writes')

  expect(
    thrownBy(() => {
      lock.write(() => undefined, { timeoutMs: 1 })
    }).code,
  ).toBe('ETIMEDOUT')
  const next = lock.writeAsync(() => undefined)
  Atomics.store(words.as(Int32Array), 1, 1)
  await Promise.all([writing, next])

  expect(thrownBy(() => lock.write(() => { throw new Error('mine') })).message).toBe('mine') // prettier-ignore
  expect(thrownBy(() => lock.write('no function' as never)).code).toBe('ERR_PAGEFRAME_INVALID_ARGUMENT')
  expect(of("SeqLock 'position'")).toMatchObject({
    acquisitions: 14,
    contended: 1,
    timeouts: 1,
    wait: { count: 1 },
    hold: { count: 14 },
  })
})

test('what is not watched has the methods of its class, and nothing else', () => {
  const plain = new SharedMemory({ size: '4MiB' })
  const place = { memory: plain }
  const objects = [
    [new Mutex(place), Mutex],
    [new Semaphore(1, place), Semaphore],
    [new Condition(place), Condition],
    [new RwLock(place), RwLock],
    [new SpinLock(place), SpinLock],
    [new SeqLock(place), SeqLock],
    [new Latch(1, place), Latch],
    [new ResetEvent(place), ResetEvent],
    [new Barrier(1, place), Barrier],
  ] as const

  for (const [object, type] of objects) expect(Object.getPrototypeOf(object)).toBe(type.prototype)
  plain.destroy()
})

test('what is watched is an instance of its class all the same', () => {
  for (const object of [new Mutex({ memory }), new RwLock({ memory }), new Latch(1, { memory })]) {
    expect(object).toBeInstanceOf(
      object.$pageframe === 'Mutex' ? Mutex : object.$pageframe === 'Latch' ? Latch : RwLock,
    )
    expect(Object.prototype.toString.call(object)).toBe(`[object ${object.$pageframe}]`)
    object.destroy()
  }
})

test('a class of the user’s that extends ours keeps its methods', () => {
  class Counted extends Mutex {
    locked = 0

    override lock() {
      this.locked++
      return super.lock()
    }
  }
  const lock = new Counted({ memory })
  lock.run(() => undefined)

  expect(lock.locked).toBe(1)
})
