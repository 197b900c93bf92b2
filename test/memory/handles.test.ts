import fc from 'fast-check'
import { once } from 'node:events'
import { BroadcastChannel, MessageChannel } from 'node:worker_threads'
import { Mutex, Region, revive, Semaphore, SharedMemory } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { Actor, freshName, thrownBy, within } from '../support.ts'

const STALE = { name: 'ErrnoError', code: 'ESTALE', errno: -116 }

describe('a thing is its own handle', () => {
  test('its only enumerable data say where it is', () => {
    const things = [new Mutex(), new Semaphore(1), SharedMemory.default.alloc(1), SharedMemory.default]

    for (const thing of things) {
      expect(Object.keys(thing)).toEqual(['$pageframe', 'memory', 'at', 'generation'])
      expect(JSON.parse(JSON.stringify(thing))).toEqual(structuredClone(thing))
    }
    expect(things.map((thing) => thing.$pageframe)).toEqual(['Mutex', 'Semaphore', 'Region', 'SharedMemory'])
  })

  test('X.from(handle) is the object itself, however the handle travelled', async () => {
    const lock = new Mutex()
    const { port1, port2 } = new MessageChannel()
    const listening = new BroadcastChannel('handles')
    const sending = new BroadcastChannel('handles')
    const heard = new Promise<unknown>((resolve) => {
      listening.onmessage = (event) => { resolve((event as { data: unknown }).data) } // prettier-ignore
    })
    const posted = once(port2, 'message')
    port1.postMessage(lock)
    sending.postMessage(lock)

    const handles = [
      structuredClone(lock),
      JSON.parse(JSON.stringify(lock)),
      (await within(posted, 'the message') as unknown[])[0],
      await within(heard, 'the broadcast'),
      lock,
    ] as unknown[] // prettier-ignore

    for (const handle of handles) {
      expect({ ...(handle as object) }).toEqual(structuredClone(lock))
      expect(Mutex.from(handle)).toBe(lock)
    }
    port1.close()
    listening.close()
    sending.close()
  })

  test('every class finds the same object again, and SharedMemory too', () => {
    const region = SharedMemory.default.alloc(10)
    const semaphore = new Semaphore(1)

    expect(Region.from(structuredClone(region))).toBe(region)
    expect(Semaphore.from(structuredClone(semaphore))).toBe(semaphore)
    expect(SharedMemory.from(structuredClone(SharedMemory.default))).toBe(SharedMemory.default)
    expect(Mutex.open('same')).toBe(Mutex.open('same'))
    expect(Mutex.from(structuredClone(Mutex.open('same')))).toBe(Mutex.open('same'))
  })

  test('a worker gets the same object out of workerData, and gives it back', async () => {
    const lock = new Mutex()
    const worker = await Actor.start({ workerData: { deep: [{ lock }] } })

    const returned = await worker.run(({ revive, workerData, Mutex }) => {
      const { deep } = revive(workerData) as { deep: { lock: InstanceType<typeof Mutex> }[] }
      const there = deep[0].lock
      there.lock()
      if (Mutex.from(structuredClone(there)) !== there) throw new Error('another object')
      return there
    })

    expect(Mutex.from(returned)).toBe(lock)
    expect(lock.owner).toBe(worker.threadId)
  })
})

describe('revive', () => {
  test('turns every handle into its object: in arrays, objects, Maps, Sets, keys included, and through cycles', () => {
    const lock = new Mutex()
    const region = SharedMemory.default.alloc(8)
    interface Message {
      list: unknown[]
      map: Map<unknown, unknown>
      set: Set<unknown>
      deep: { down: { here: unknown } }
      self?: unknown
      untouched: unknown[]
    }
    const sent: Message = {
      list: [1, lock, [region, null]],
      map: new Map<unknown, unknown>([['lock', lock], [region, { lock }]]),
      set: new Set<unknown>([lock, 'text']),
      deep: { down: { here: SharedMemory.default } },
      untouched: [new Date(0), /x/, 10n, undefined, new Uint8Array(2), new Error('e')],
    } // prettier-ignore
    sent.self = sent
    sent.list.push(sent.list, sent.map)
    sent.map.set('map', sent.map)
    const arrived = structuredClone(sent)

    const revived = revive(arrived)

    expect(revived).toBe(arrived)
    expect(revived.self).toBe(revived)
    expect(revived.list.slice(0, 2)).toEqual([1, lock])
    expect(revived.list[1]).toBe(lock)
    expect((revived.list[2] as unknown[])[0]).toBe(region)
    expect(revived.list[3]).toBe(revived.list)
    expect(revived.map.get('lock')).toBe(lock)
    expect((revived.map.get(region) as { lock: unknown }).lock).toBe(lock)
    expect(revived.map.get('map')).toBe(revived.map)
    expect([...revived.map.keys()]).toEqual(['lock', region, 'map'])
    expect(revived.set.has(lock)).toBe(true)
    expect(revived.deep.down.here).toBe(SharedMemory.default)
    expect(revived.untouched).toEqual(sent.untouched)
  })

  test('a message that is a handle becomes its object, and other values stay what they are', () => {
    const lock = new Mutex()

    expect(revive(structuredClone(lock))).toBe(lock)
    expect(revive(lock)).toBe(lock)
    for (const value of [undefined, null, 0, 'text', 10n, true]) expect(revive(value)).toBe(value)
  })

  test('a class that this thread has not loaded is ERR_PAGEFRAME_KIND, with the import that helps', () => {
    const topic = { $pageframe: 'Topic', memory: SharedMemory.default.memory, at: 64, generation: 1 }

    const error = thrownBy(() => revive([topic]))

    expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_PAGEFRAME_KIND' })
    expect(error.message).toBe(
      "this message holds a Topic, but the worker has not loaded it: import 'pageframe/channel'",
    )
  })

  test('a destroyed object is ESTALE', () => {
    const lock = new Mutex()
    const message = structuredClone({ lock })
    lock.destroy()

    expect(thrownBy(() => revive(message))).toMatchObject(STALE)
  })
})

describe('after destroy()', () => {
  test('every use is ESTALE, in this thread and in others', async () => {
    const name = freshName()
    const lock = Mutex.open(name)
    const region = SharedMemory.default.alloc(100)
    const semaphore = new Semaphore(1)
    const worker = await Actor.start()
    await worker.run(({ Mutex }, wanted) => void Mutex.open(wanted), name)

    for (const thing of [lock, region, semaphore]) thing.destroy()

    const uses: (() => unknown)[] = [
      () => lock.lock(),
      () => lock.tryLock(),
      () => lock.owner,
      () => lock.name,
      () => { lock.markConsistent() },
      () => { lock.destroy() },
      () => Mutex.from(structuredClone(lock)),
      () => region.bytes,
      () => region.byteLength,
      () => region.as(Uint8Array),
      () => { region.destroy() },
      () => semaphore.value,
      () => { semaphore.acquire() },
      () => { semaphore.release() },
      () => semaphore.tryAcquire(),
    ] // prettier-ignore
    for (const use of uses) expect(thrownBy(use)).toMatchObject(STALE)
    await expect(lock.lockAsync()).rejects.toMatchObject(STALE)
    await expect(semaphore.acquireAsync()).rejects.toMatchObject(STALE)
    await expect(
      worker.run(({ Mutex }, handle) => void Mutex.from(handle), structuredClone(lock)),
    ).rejects.toMatchObject({ code: 'ESTALE' })
    region[Symbol.dispose]()
  })

  test('a handle stays stale when the cell is another object’s', () => {
    const old = new Mutex()
    const handle = structuredClone(old)
    old.destroy()
    const fresh = Array.from({ length: 200 }, () => new Mutex())

    expect(fresh.some((each) => each.at === handle.at)).toBe(true)
    expect(thrownBy(() => Mutex.from(handle))).toMatchObject(STALE)
    expect(thrownBy(() => old.lock())).toMatchObject(STALE)
    for (const each of fresh) expect(Mutex.from(structuredClone(each))).toBe(each)
    for (const each of fresh) each.destroy()
  })

  test('the name is free for another thing', () => {
    const name = freshName()
    const first = Mutex.open(name, { type: 'errorCheck' })
    first.destroy()

    const second = Mutex.open(name, { type: 'recursive' })

    expect(second.generation).not.toBe(first.generation)
    expect(second.name).toBe(name)
    second.destroy()
  })
})

describe('handles of any shape', () => {
  test('a handle of another class is refused by name', () => {
    const semaphore = new Semaphore(1)

    expect(thrownBy(() => Mutex.from(semaphore))).toMatchObject({
      name: 'TypeError',
      code: 'ERR_PAGEFRAME_INVALID_ARGUMENT',
      message: 'Mutex.from(): this is a Semaphore',
    })
    expect(thrownBy(() => SharedMemory.from(semaphore)).message).toBe(
      'SharedMemory.from(): this is a Semaphore',
    )
    expect(
      thrownBy(() => Mutex.from(Object.assign(structuredClone(semaphore), { $pageframe: 'Mutex' }))),
    ).toMatchObject(STALE)
  })

  test.each([undefined, null, 1, 'Mutex', [], {}, () => 1, Symbol('x'), { $pageframe: 'Mutex' }])(
    '%s is no handle',
    (value) => {
      for (const Class of [Mutex, Semaphore, Region, SharedMemory])
        expect(thrownBy(() => Class.from(value))).toMatchObject({ code: 'ERR_PAGEFRAME_INVALID_ARGUMENT' })
    },
  )

  test('garbage of any shape gives a typed error and changes nothing', () => {
    const memory = SharedMemory.default
    const real = new Mutex()
    const number = fc.oneof(
      fc.integer(),
      fc.double(),
      fc.constantFrom(0, -0, NaN, Infinity, real.at, real.at + 1, real.generation, 2 ** 30, 2 ** 31, 2 ** 53),
      fc.nat(2000).map((n) => real.at - 1000 + n),
    )
    const handle = fc.record({
      $pageframe: fc.constantFrom('Mutex', 'Semaphore', 'Region', 'Odd'),
      memory: fc.constantFrom(memory.memory, '', 'nobody', '__proto__'),
      at: fc.oneof(number, fc.anything()),
      generation: fc.oneof(number, fc.anything()),
    })
    const usedBytes = memory.usedBytes

    fc.assert(
      fc.property(handle, (garbage) => {
        fc.pre(garbage.at !== real.at || garbage.generation !== real.generation)
        for (const Class of [Mutex, Semaphore, Region]) {
          expect(thrownBy(() => Class.from(garbage)).code).toMatch(/^(ERR_PAGEFRAME_\w+|ESTALE)$/)
        }
      }),
      { numRuns: 1000 },
    )

    expect(memory.usedBytes).toBe(usedBytes)
    expect(memory.check().problems).toEqual([])
    expect(Mutex.from(structuredClone(real))).toBe(real)
  })
})
