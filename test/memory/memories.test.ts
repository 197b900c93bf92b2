import { Channel, Mutex, Region, Semaphore, SharedMemory, type Handle } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { Actor, freshName, pause, thrownBy, type Tools } from '../support.ts'
import { slotsOf } from './slots.ts'

const MiB = 1024 * 1024

test('the default memory is one object, with a name, 4 GiB, and cannot be destroyed', () => {
  const memory = SharedMemory.default

  expect(SharedMemory.default).toBe(memory)
  expect(memory.name).toBe('default')
  expect(memory.byteLength).toBe(4 * 1024 * MiB)
  expect(memory.usedBytes).toBeLessThan(200 * MiB)
  expect(thrownBy(() => { memory.destroy() })).toMatchObject({ code: 'ERR_PAGEFRAME_DEFAULT_MEMORY' }) // prettier-ignore
})

test('its name is taken: open() gives it, and no other can have it', () => {
  const memory = SharedMemory.default

  expect(SharedMemory.open('default')).toBe(memory)
  expect(thrownBy(() => SharedMemory.open('default', { size: '2MiB' })).code).toBe('EEXIST')
  expect(thrownBy(() => new SharedMemory({ name: 'default' })).code).toBe('EEXIST')
})

test('a worker inherits the default memory, and the workers that it starts do too', async () => {
  const region = SharedMemory.default.alloc(4)
  const worker = await Actor.start({
    env: { ...process.env, PAGEFRAME_URL: import.meta.resolve('pageframe') },
  })

  const seen = await worker.run(async ({ SharedMemory, Region, tell }, handle) => {
    Region.from(handle).as(Int32Array)[0] = 7
    tell('wrote')
    const { Worker } = process.getBuiltinModule('node:worker_threads')
    const code = `import { parentPort, workerData } from 'node:worker_threads'
      import { Region, SharedMemory } from ${JSON.stringify(process.env.PAGEFRAME_URL)}
      parentPort.postMessage([SharedMemory.default.memory, Region.from(workerData).as(Int32Array)[0]++])`
    const grandchild = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
      workerData: handle,
    })
    const answer = await new Promise<unknown>((resolve, reject) => {
      grandchild.once('message', resolve).once('error', reject)
    })
    return [SharedMemory.default.memory, answer]
  }, region)

  const id = SharedMemory.default.memory
  expect(seen).toEqual([id, [id, 7]])
  expect(region.as(Int32Array)[0]).toBe(8)
})

test('a thread whose first use is a handle takes one thread slot', async () => {
  const lock = new Mutex()
  const worker = await Actor.start()

  await worker.run(({ Mutex }, handle) => void Mutex.from(handle), lock)

  expect(slotsOf(worker.threadId)).toBe(1)
})

describe('a memory of its own', () => {
  test('has the size that was asked for, in whole 64 KiB, and is empty', () => {
    const memory = new SharedMemory({ size: '5MiB' })
    const odd = new SharedMemory({ size: 3 * MiB + 1 })

    expect(memory.byteLength).toBe(5 * MiB)
    expect(odd.byteLength).toBe(3 * MiB + 65_536)
    expect(memory.usedBytes).toBeLessThan(MiB)
    expect(memory.name).toBeUndefined()
    expect(memory.check()).toEqual({ ok: true, problems: [] })
    memory.destroy()
    odd.destroy()
  })

  test.each([1, MiB, '1MiB', 5 * 1024 * MiB, '5GiB', 0, -1, 'big'])('refuses the size %s', (size) => {
    expect(thrownBy(() => new SharedMemory({ size: size as number })).code).toMatch(/^ERR_PAGEFRAME_/)
  })

  test('holds its own objects and its own names', () => {
    const memory = new SharedMemory({ size: '2MiB' })
    const name = freshName()

    const here = Mutex.open(name)
    const there = Mutex.open(name, { memory })

    expect(there).not.toBe(here)
    expect(there.memory).toBe(memory.memory)
    expect(Mutex.from(structuredClone(there))).toBe(there)
    expect(Mutex.open(name, { memory: structuredClone(memory) })).toBe(there)
    memory.destroy()
    here.destroy()
  })

  test('reaches another thread with the first handle that lies in it', async () => {
    const memory = new SharedMemory({ size: '2MiB' })
    const region = memory.alloc(100)
    const lock = new Mutex({ memory })
    const worker = await Actor.start()

    await worker.run(
      ({ revive, SharedMemory }, message) => {
        const { region, lock } = revive(message)
        lock.run(() => (region.bytes[5] = 6))
        if (
          SharedMemory.from(Object.assign(structuredClone(lock), { $pageframe: 'SharedMemory' }))
            .byteLength !==
          2 ** 21
        )
          throw new Error('another memory')
      },
      { region, lock },
    )

    expect(region.bytes[5]).toBe(6)
    memory.destroy()
  })

  test('made in a worker, reaches the others, and outlives its maker', async () => {
    const [maker, other] = await Actor.crew(2)
    const handle = await maker.run(({ SharedMemory }) => {
      const region = new SharedMemory({ size: '2MiB' }).alloc(10)
      region.bytes[0] = 9
      return structuredClone(region)
    })

    expect(Region.from(handle).bytes[0]).toBe(9)
    await maker.end()

    const seen = await other.run(({ Region }, wanted) => Region.from(wanted).bytes[0], handle)
    expect(seen).toBe(9)
    expect(memoryOf(handle).check().problems).toEqual([])
    memoryOf(handle).destroy()
  })

  test('made in a worker that dies with a lock in it: the next owner is told', async () => {
    const maker = await Actor.start()
    const handle = await maker.run(({ SharedMemory, Mutex }) => {
      const lock = new Mutex({ memory: new SharedMemory({ size: '2MiB' }) })
      lock.lock()
      return structuredClone(lock)
    })
    const lock = Mutex.from(handle)
    expect(lock.owner).toBe(maker.threadId)

    await maker.end()

    expect(lock.lock({ timeoutMs: 3000 }).ownerDied).toBe(true)
    lock.markConsistent()
    lock.unlock()
    const memory = memoryOf(handle)
    expect(memory.check().problems).toEqual([])
    memory.destroy()
  })

  test('has a name, by which every thread finds it', async () => {
    const name = freshName()
    const memory = SharedMemory.open(name, { size: '2MiB' })
    memory.alloc(8, { name: 'shared' }).bytes[0] = 3
    const worker = await Actor.start()

    const seen = await worker.run(({ SharedMemory, Region }, wanted) => {
      const there = SharedMemory.open(wanted)
      return [there.memory, there.name, Region.open('shared', undefined, { memory: there }).bytes[0]]
    }, name)

    expect(seen).toEqual([memory.memory, name, 3])
    expect(SharedMemory.open(name)).toBe(memory)
    memory.destroy()
    const next = SharedMemory.open(name, { size: '3MiB' })
    expect(next.memory).not.toBe(memory.memory)
    next.destroy()
  })
})

describe('after destroy()', () => {
  test('every use in this thread is ESTALE, of handles too', () => {
    const memory = new SharedMemory({ size: '2MiB' })
    const lock = new Mutex({ memory })
    const region = memory.alloc(10)
    const handle = structuredClone(lock)
    const pipe = new Channel({ memory, from: 'one', to: 'one', capacity: '4KiB' })
    pipe.loan(8).commit()
    pipe.loan(8).commit()
    const loan = pipe.loan(8)
    const message = pipe.read()

    memory.destroy()

    const uses: (() => unknown)[] = [
      () => memory.alloc(1),
      () => memory.byteLength,
      () => memory.usedBytes,
      () => memory.check(),
      () => { memory.destroy() },
      () => lock.lock(),
      () => lock.tryLock(),
      () => region.bytes,
      () => loan.byteOffset,
      () => pipe.loan(8),
      () => pipe.trySend(new Uint8Array(1)),
      () => message?.byteOffset,
      () => pipe.read(),
      () => pipe.length,
      () => { pipe.close() },
      () => Mutex.from(handle),
      () => SharedMemory.from(memory),
      () => SharedMemory.from(structuredClone(memory)),
      () => new Mutex({ memory }),
      () => Mutex.open('any', { memory }),
    ] // prettier-ignore
    for (const use of uses) expect(thrownBy(use)).toMatchObject({ name: 'ErrnoError', code: 'ESTALE' })
  })

  test('every wait in it ends with ESTALE, of each kind, blocked or not, in any thread', async () => {
    const memory = new SharedMemory({ size: '4MiB' })
    const place = { memory }
    const pipe = { memory, from: 'one', to: 'one', capacity: '4KiB' } as const
    const lock = new Mutex(place)
    lock.lock()
    const handles = structuredClone({
      lock,
      permits: new Semaphore(0, place),
      empty: new Channel(pipe),
      emptyToo: new Channel(pipe),
      full: new Channel(pipe),
      fullToo: new Channel(pipe),
    })
    type Way = (tools: Tools, those: typeof handles) => unknown
    // prettier-ignore
    const ways: Way[] = [
      ({ Mutex, tell }, { lock }) => { const it = Mutex.from(lock); tell('waits'); it.lock() },
      ({ Semaphore, tell }, { permits }) => { const it = Semaphore.from(permits); tell('waits'); it.acquire() },
      ({ Channel, tell }, { empty }) => { const it = Channel.from(empty); tell('waits'); it.read() },
      ({ Channel, tell }, { full }) => {
        const it = Channel.from(full)
        tell('waits')
        for (;;) it.send(new Uint8Array(1000))
      },
      async ({ Mutex, Semaphore, Channel, tell }, { lock, permits, emptyToo, fullToo }) => {
        const [mutex, semaphore] = [Mutex.from(lock), Semaphore.from(permits)]
        const [source, sink] = [Channel.from(emptyToo), Channel.from(fullToo)]
        tell('waits')
        const filling = async () => { for (;;) await sink.sendAsync(new Uint8Array(1000)) }
        const waits = [mutex.lockAsync(), semaphore.acquireAsync(), source.receiveAsync(), filling()]
        const ends = await Promise.allSettled(waits)
        const codes = ends.map((end) => (end.status === 'rejected' ? (end.reason as { code: string }).code : 'got it'))
        throw Object.assign(new Error(), { code: [...new Set(codes)].join() })
      },
    ]
    const crew = await Actor.crew(ways.length)
    const outcomes = crew.map((actor, i) => actor.run(ways[i], handles).then(() => 'got it', codeOf))
    const here = new Mutex(place)
    await here.lockAsync()
    outcomes.push(here.lockAsync().then(() => 'got it', codeOf))
    await Promise.all(crew.map((actor) => actor.told('waits')))
    await pause(50)

    memory.destroy()

    expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['ESTALE']))
    expect(thrownBy(() => lock.lock()).message).toBe(`ESTALE: memory '${memory.memory}' was destroyed`)
    const late = await Actor.start()
    const unknown = late.run(({ Mutex }, handle) => Mutex.from(handle).at, structuredClone(lock))
    expect(await unknown.then(() => 'got it', codeOf)).toBe('ESTALE')
  })
})

function codeOf(error: unknown): string {
  return (error as { code: string }).code
}

/** The memory that a handle lies in. */
function memoryOf({ memory }: Handle): SharedMemory {
  return SharedMemory.from({ $pageframe: 'SharedMemory', memory, at: 0, generation: 0 })
}
