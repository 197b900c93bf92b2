import { attachmentById, threadMemories } from 'pageframe/internals'
import { Piscina } from 'piscina'
import { Mutex, Region, Semaphore, SharedMemory } from 'pageframe'
import { afterEach, describe, expect, test } from 'vitest'
import { Actor, eventually, rejectionOf, script, thrownBy, within } from '../support.ts'
import { sharedNow } from '../../src/host/clock.ts'
import { mapOf } from '../../src/memory/superblock.ts'
import { Bucket } from '../../src/sync/lot.ts'
import { claimSlot, FREE, isInState } from '../../src/threads/slot.ts'
import { reaped, slotsOf } from './slots.ts'

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

describe('while the main thread is blocked in one of our waits', () => {
  test('a new worker is let in, and the lock is handed on when it dies', async () => {
    const lock = new Mutex()
    // Starts while main's event loop runs; touches shared memory only when told by a word, when main sleeps.
    const gate = new SharedArrayBuffer(4)
    const first = await Actor.start()
    await first.run(({ Mutex }, handle) => void Mutex.from(handle).lock(), lock)
    const late = await Actor.start()
    late.begin(
      ({ Mutex, Semaphore }, handle, word) => {
        const go = new Int32Array(word)
        Atomics.wait(go, 0, 0, 300)
        // First use of the memory: main sleeps in lock().
        const there = Mutex.from(handle)
        Semaphore.open('late', 0).release()
        Atomics.store(go, 0, there.owner === null ? 3 : 2)
      },
      lock,
      gate,
    )
    first.begin(() => { // dies by itself while main sleeps
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)
      process.exit(1)
    }) // prettier-ignore

    const token = lock.lock({ timeoutMs: 8000 })

    expect(token.ownerDied).toBe(true)
    expect(new Int32Array(gate)[0]).toBe(2)
    lock.markConsistent()
    token.unlock()
    expect(SharedMemory.default.check().problems).toEqual([])
  })

  test('workers that are let in so use memories that they have not met, make some, and are reaped in all of them', async () => {
    const done = new Semaphore(0)
    const apart = new SharedMemory({ size: '2MiB' })
    const lock = new Mutex({ memory: apart })
    const board = apart.alloc(4096)
    const crew = await Actor.crew(2)
    const [maker, other] = crew
    maker.begin(
      ({ Mutex, Region, Semaphore, SharedMemory }, handles) => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200) // main sleeps
        const made = new SharedMemory({ size: '2MiB' })
        const message = JSON.stringify([new Mutex({ memory: made }), made.alloc(8)])
        Mutex.from(handles.lock).lock()
        const { bytes } = Region.from(handles.board)
        new TextEncoder().encodeInto(message, bytes.subarray(4))
        Atomics.store(new Int32Array(bytes.buffer, bytes.byteOffset, 1), 0, message.length)
        const [madeLock] = JSON.parse(message) as [Mutex]
        Mutex.from(madeLock).lock()
        Semaphore.from(handles.done).release()
        process.exit()
      },
      { done, lock, board },
    )
    other.begin(
      ({ Mutex, Region, Semaphore }, handles) => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
        const { bytes } = Region.from(handles.board)
        const length = new Int32Array(bytes.buffer, bytes.byteOffset, 1)
        while (Atomics.load(length, 0) === 0);
        const message = JSON.parse(new TextDecoder().decode(bytes.slice(4, 4 + length[0]))) as [Mutex, Region]
        const [madeLock, region] = [Mutex.from(message[0]), Region.from(message[1])]
        if (Mutex.from(handles.lock).lock({ timeoutMs: 5000 }).ownerDied) region.as(Int32Array)[0] = 7
        if (madeLock.lock({ timeoutMs: 5000 }).ownerDied) region.as(Int32Array)[1] = 8
        Semaphore.from(handles.done).release()
      },
      { done, lock, board },
    )

    for (let i = 0; i < 2; i++) done.acquire({ timeoutMs: 8000 })

    const length = board.as(Int32Array)[0]
    const [, there] = JSON.parse(new TextDecoder().decode(board.bytes.slice(4, 4 + length))) as [
      Mutex,
      Region,
    ]
    expect([...Region.from(there).as(Int32Array)]).toEqual([7, 8])
    await Promise.all(crew.map((actor) => actor.end()))
    expect(lock.lock({ timeoutMs: 5000 }).ownerDied).toBe(true)
    apart.destroy()
  })

  test('once the event loop of both has turned, such a worker speaks by its port', async () => {
    const done = new Semaphore(0)
    const late = await Actor.start()
    const wasThrough = late.run(({ Semaphore }, handle) => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
      const isThrough = () => {
        const ours = Object.getOwnPropertySymbols(process).find((each) =>
          each.description?.startsWith('pageframe:'),
        )
        return (Reflect.get(process, ours ?? '') as { isLinkThrough: boolean }).isLinkThrough
      }
      Semaphore.from(handle).release()
      const atOnce = isThrough()
      return new Promise<boolean[]>((resolve) => {
        setTimeout(() => { resolve([atOnce, isThrough()]) }, 300) // prettier-ignore
      })
    }, done)

    done.acquire({ timeoutMs: 8000 })

    expect(await wasThrough).toEqual([false, true])
    const region = new SharedMemory({ size: '2MiB' }).alloc(4)
    await late.run(({ Region }, handle) => (Region.from(handle).bytes[0] = 1), region)
    expect(region.bytes[0]).toBe(1)
  })

  test('it says once on stderr, after a second, which lock and who holds it', async () => {
    const ended = await script(async ({ Mutex, startActor }) => {
      const lock = Mutex.open('report')
      const actor = await startActor()
      await actor.run(({ Mutex }) => {
        Mutex.open('report').lock()
        setTimeout(() => { Mutex.open('report').unlock() }, 3200) // prettier-ignore
      })
      lock.lock({ timeoutMs: 10_000 })
      lock.unlock()
      await actor.end()
    }, [])

    const lines = ended.stderr.split('\n').filter((line) => line.includes('blocked'))
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^pageframe: the main thread is blocked: Mutex 'report' is held by thread \d+$/)
  })
})

test('while the main thread is blocked elsewhere, attaching gives EAGAIN and says why', async () => {
  const ended = await script(async ({ Mutex, startActor }) => {
    const actor = await startActor()
    const outcome = actor.run(({ Mutex }) => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
      try {
        Mutex.open('jobs')
        return 'attached'
      } catch (error) {
        const { code, message } = error as { code: string; message: string }
        return [code, message]
      }
    })
    await new Promise((resolve) => setTimeout(resolve, 50))
    for (const end = Date.now() + 6500; Date.now() < end;);
    const first = await outcome
    const second = await actor.run(({ Mutex }) => {
      Mutex.open('jobs').lock()
      return 'attached'
    })
    await actor.end()
    return [first, second, Mutex.open('jobs').lock({ timeoutMs: 3000 }).ownerDied]
  }, [])

  expect(ended.result).toEqual([
    [
      'EAGAIN',
      "EAGAIN: memory 'default': the main thread did not let this thread in within 5 s; it is blocked outside pageframe's " +
        'waits. Let its event loop run, or block in a wait of pageframe',
    ],
    'attached',
    true,
  ])
})

test('what a worker says past its port is undone if the supervisor has heard of its death before', async () => {
  const { cpu, map, id } = attachmentById(SharedMemory.default.memory)
  const actor = await Actor.start()
  await actor.run(({ Mutex }) => new Mutex().at)
  await reaped(actor)
  const tid = claimSlot(cpu, map.slotsAt, actor.threadId, sharedNow())
  const message = { pageframe: 'attach', memory: id, tid }

  const channel = new BroadcastChannel(`pageframe supervisor ${threadMemories.supervisorId}`)
  channel.postMessage({ pageframe: 'aside', from: actor.threadId, message })
  channel.close()

  await eventually(() => slotsOf(actor.threadId) === 0, 'the claim to lapse')
  expect(isInState(cpu, map.slotsAt, tid, FREE)).toBe(true)
})

describe('when the last thread in a memory has died, it is checked', () => {
  // The queue of the first bucket: nobody has waited in it.
  const { bucketsAt } = mapOf(SharedMemory.default.byteLength, false)

  test('and poisoned if it is torn, so that whoever comes next is told', async () => {
    const ended = await script(
      async ({ startActor }, tail) => {
        // This thread never uses the memory.
        const crew = [await startActor(), await startActor()]
        await crew[0].run(({ Mutex, SharedMemory }, at) => {
          new Mutex({ name: 'x' }).lock()
          new Int32Array(SharedMemory.default.alloc(4).bytes.buffer)[at] = 12_345
        }, tail)
        await crew[0].end()
        await new Promise((resolve) => setTimeout(resolve, 300))
        const message = await crew[1].run(({ Mutex }) => {
          try {
            return Mutex.open('x').name
          } catch (error) {
            return (error as Error).message
          }
        })
        await crew[1].end()
        return message
      },
      [bucketsAt + Bucket.tail],
    )

    expect(ended.result).toBe(
      "ENOTRECOVERABLE: memory 'default' is poisoned: its check failed after the death of a thread. Make a new one",
    )
    expect(ended.stderr).toMatch(
      /PageframeWarning: memory 'default' is poisoned: its check failed after the death of thread \d+: lot bucket 0: tail is not the last record/,
    )
  })

  test('and goes on if it is whole, whatever the dead was in the middle of', async () => {
    const ended = await script(async ({ startActor }) => {
      const seen: unknown[] = []
      for (let i = 0; i < 5; i++) {
        const actor = await startActor()
        seen.push(
          await actor.run(({ Channel, Mutex, Region, Semaphore }, round) => {
            const lock = Mutex.open('x')
            const token = lock.lock()
            const channel = Channel.open(`c${round}`, { from: 'one', to: 'one', capacity: '4KiB' })
            channel.trySend(new Uint8Array(100))
            channel.tryLoan(100)
            if (round % 2 === 1) channel.tryRead()
            Region.open(`r${round}`, '64KiB')
            for (let i = 0; i < 100; i++) void new Semaphore(0).acquireAsync().catch(() => undefined)
            const { ownerDied } = token
            if (ownerDied) lock.markConsistent()
            return ownerDied
          }, i),
        )
        await actor.end()
      }
      return seen
    }, [])

    expect(ended).toMatchObject({ result: [false, true, true, true, true], stderr: '' })
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

test('when the supervisor dies while every thread is blocked, each wait ends with ENOTRECOVERABLE, in any memory', async () => {
  const ended = await script(async ({ Mutex, Semaphore, SharedMemory, startActor }) => {
    const apart = new SharedMemory({ size: '2MiB' })
    const gate = new SharedArrayBuffer(4)
    const handles = structuredClone({
      lock: new Mutex(),
      permits: new Semaphore(0),
      apart: new Semaphore(0, { memory: apart }),
    })
    const crew = await Promise.all([startActor(), startActor(), startActor(), startActor()])
    const [killer, locked, elsewhere, alone] = crew
    await killer.run(({ Mutex }, { lock }) => void Mutex.from(lock).lock(), handles)
    await elsewhere.run(({ Semaphore }, { apart }) => Semaphore.from(apart).value, handles)
    const outcomes = [
      killer.run(
        ({ Semaphore }, { permits }, word) => {
          const mayBegin = new Int32Array(word)
          while (Atomics.load(mayBegin, 0) < 3) Atomics.wait(mayBegin, 0, Atomics.load(mayBegin, 0))
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200) // all are asleep
          const ours = Object.getOwnPropertySymbols(process).find((each) => each.description?.startsWith('pageframe:'))
          const { link } = Reflect.get(process, ours ?? '') as { link: { postMessage: (it: unknown) => void } }
          link.postMessage({ pageframe: 'register', offer: null }) // no supervisor survives that
          Semaphore.from(permits).acquire()
        },
        handles,
        gate,
      ),
      locked.run(
        ({ Mutex }, { lock }, word) => {
          const there = Mutex.from(lock)
          Atomics.add(new Int32Array(word), 0, 1)
          Atomics.notify(new Int32Array(word), 0)
          there.lock()
        },
        handles,
        gate,
      ),
      elsewhere.run(
        ({ Semaphore }, { apart }, word) => {
          const there = Semaphore.from(apart)
          Atomics.add(new Int32Array(word), 0, 1)
          Atomics.notify(new Int32Array(word), 0)
          there.acquire()
        },
        handles,
        gate,
      ),
      // Nobody else knows its memory.
      alone.run(
        ({ Semaphore, SharedMemory }, word) => {
          const there = new Semaphore(0, { memory: new SharedMemory({ size: '2MiB' }) })
          Atomics.add(new Int32Array(word), 0, 1)
          Atomics.notify(new Int32Array(word), 0)
          there.acquire()
        },
        gate,
      ),
    ].map((each) => each.then(() => 'got it', (error: unknown) => (error as { message: string }).message)) // prettier-ignore
    let here = 'got it'
    try {
      Semaphore.from(handles.permits).acquire()
    } catch (error) {
      here = (error as Error).message
    }
    const messages = [here, ...(await Promise.all(outcomes))]
    await Promise.all(crew.map((actor) => actor.end()))
    return messages
  }, [])

  const died = expect.stringMatching(
    /^ENOTRECOVERABLE: memory '.*' is poisoned: its supervisor died, so the death of a thread would go unnoticed/,
  ) as string
  expect(ended.result).toEqual([died, died, died, died, died])
  expect(ended.ms).toBeLessThan(10_000)
})

// Last: nothing of this process's default memory can be used afterwards.
test('when the supervisor dies, every wait ends with ENOTRECOVERABLE, and so does all later use', async () => {
  const apart = new SharedMemory({ size: '2MiB' })
  const lock = new Mutex()
  const free = new Mutex()
  const elsewhere = new Mutex({ memory: apart })
  lock.lock()
  elsewhere.lock()
  const [blocked, waiting, idle] = await Actor.crew(3)
  const codeOf = (promise: Promise<unknown>) =>
    promise.then(
      () => 'none',
      (error: unknown) => (error as { code: string }).code,
    )
  const blockedCode = codeOf(
    blocked.run(({ Mutex, tell }, handle) => {
      const there = Mutex.from(handle)
      tell('waits')
      there.lock({ timeoutMs: 8000 })
    }, lock),
  )
  const waitingCode = codeOf(
    waiting.run(async ({ Mutex, tell }, handle) => {
      const there = Mutex.from(handle)
      tell('waits')
      await there.lockAsync({ timeoutMs: 8000 })
    }, elsewhere),
  )
  await idle.run(({ Mutex }, handle) => Mutex.from(handle).owner, free)
  await Promise.all([blocked.told('waits'), waiting.told('waits')])
  const here = rejectionOf(lock.lockAsync())
  const { supervisor } = threadMemories

  const began = performance.now()
  await within(supervisor?.terminate() ?? Promise.reject(new Error('no supervisor')), 'its end')

  expect(await Promise.all([blockedCode, waitingCode])).toEqual(['ENOTRECOVERABLE', 'ENOTRECOVERABLE'])
  const error = await here
  expect(error).toMatchObject({ code: 'ENOTRECOVERABLE', errno: -131 })
  expect(error.message).toContain("memory 'default' is poisoned: its supervisor died")
  expect(performance.now() - began).toBeLessThan(5000)
  for (const use of [
    () => new Mutex(),
    () => free.lock(),
    () => free.tryLock(),
    () => Mutex.open('x'),
    () => Mutex.from(structuredClone(free)),
    () => SharedMemory.default.alloc(1),
    () => SharedMemory.default.usedBytes,
    () => elsewhere.lock({ timeoutMs: 100 }),
  ])
    expect(thrownBy(use)).toMatchObject({ code: 'ENOTRECOVERABLE' })
  expect(
    await codeOf(idle.run(({ Mutex }, handle) => void Mutex.from(handle).lock(), structuredClone(free))),
  ).toBe('ENOTRECOVERABLE')
})
