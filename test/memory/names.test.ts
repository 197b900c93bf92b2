import fc from 'fast-check'
import { Mutex, Region, Semaphore, SharedMemory } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { Actor, freshName, thrownBy } from '../support.ts'

const EXISTS = { name: 'ErrnoError', code: 'EEXIST', errno: -17 }

test('a name finds the same object in every thread', async () => {
  const name = freshName()
  const [one, two] = await Actor.crew(2)
  const region = Region.open(name, 4096)
  region.bytes[7] = 42

  const seen = await Promise.all(
    [one, two].map((actor) =>
      actor.run(({ Region }, wanted) => {
        const there = Region.open(wanted)
        return { byte: there.bytes[7], length: there.byteLength, at: there.at }
      }, name),
    ),
  )

  expect(seen).toEqual([1, 2].map(() => ({ byte: 42, length: 4096, at: region.at })))
  region.destroy()
})

test('threads that open a name at the same moment get one object, made by exactly one of them', async () => {
  const start = SharedMemory.default.alloc(4)
  const crew = await Actor.crew(4)
  const usedBytes = SharedMemory.default.usedBytes

  for (let round = 0; round < 20; round++) {
    const name = freshName()
    start.as(Int32Array)[0] = 0
    const opened = crew.map((actor) =>
      actor.run(
        ({ Region, Semaphore }, wanted, gate) => {
          const words = Region.from(gate).as(Int32Array)
          Atomics.add(words, 0, 1)
          while (Atomics.load(words, 0) < 4);
          const region = Region.open(wanted, '64KiB')
          return [region.at, region.generation, structuredClone(Semaphore.open(wanted, 3))]
        },
        name,
        start as object,
      ),
    )

    const handles = await Promise.all(opened)
    for (const handle of handles) expect(handle).toEqual(handles[0])
    Region.open(name).destroy()
    Semaphore.open(name, 3).destroy()
  }

  // A slab for the semaphores is all that may remain.
  expect(SharedMemory.default.usedBytes - usedBytes).toBeLessThan(4 * 65_536)
  expect(SharedMemory.default.check().problems).toEqual([])
})

test('only one of many constructors gets a name, the others EEXIST', async () => {
  const name = freshName()
  const crew = await Actor.crew(3)

  const outcomes = await Promise.all(
    crew.map((actor) =>
      actor.run(({ Mutex }, wanted) => {
        try {
          return new Mutex({ name: wanted }).at
        } catch (error) {
          return (error as { code: string }).code
        }
      }, name),
    ),
  )

  expect(outcomes.filter((outcome) => outcome === 'EEXIST')).toHaveLength(2)
  expect(outcomes).toContain(Mutex.open(name).at)
})

test('each kind of object has names of its own', () => {
  const name = freshName()

  const things = [
    Mutex.open(name),
    Semaphore.open(name, 1),
    Region.open(name, 8),
    SharedMemory.open(name, { size: '2MiB' }),
  ]

  expect(things.map((thing) => thing.name)).toEqual([name, name, name, name])
  expect(Mutex.open(name)).toBe(things[0])
  for (const thing of things) thing.destroy()
})

describe('options that contradict what exists', () => {
  test('are EEXIST, which names what there is and what was asked for', () => {
    const name = freshName()
    Mutex.open(name, { type: 'errorCheck' })
    Semaphore.open(name, 3)
    Region.open(name, 5000)
    SharedMemory.open(name, { size: '2MiB' })

    const clashes: [() => unknown, string][] = [
      [() => Mutex.open(name, { type: 'recursive' }), `Mutex '${name}' exists and is of type 'errorCheck'; this thread asked for 'recursive'`],
      [() => Mutex.open(name, { robust: false }), `Mutex '${name}' exists and is robust; this thread asked for not robust`],
      [() => Semaphore.open(name, 4), `Semaphore '${name}' exists and was made with 3 permits; this thread asked for 4`],
      [() => Region.open(name, 5001), `Region '${name}' exists and has 5000 bytes; this thread asked for 5001`],
      [() => SharedMemory.open(name, { size: '3MiB' }), `SharedMemory '${name}' exists and has 2097152 bytes; this thread asked for 3145728`],
      [() => new Mutex({ name }), `Mutex '${name}' exists; Mutex.open() attaches to it`],
      [() => new Semaphore(3, { name }), `Semaphore '${name}' exists; Semaphore.open() attaches to it`],
      [() => SharedMemory.default.alloc(5000, { name }), `Region '${name}' exists; Region.open() attaches to it`],
      [() => new SharedMemory({ name }), `SharedMemory '${name}' exists; SharedMemory.open() attaches to it`],
    ] // prettier-ignore
    for (const [clash, text] of clashes)
      expect(thrownBy(clash)).toMatchObject({ ...EXISTS, message: `EEXIST: ${text}` })

    SharedMemory.open(name).destroy()
  })

  test('of a memory, sizes are compared as they are made: in whole 64 KiB', () => {
    const name = freshName()
    const memory = SharedMemory.open(name, { size: 2 ** 21 + 1 })

    expect(SharedMemory.open(name, { size: 2 ** 21 + 1 })).toBe(memory)
    expect(SharedMemory.open(name, { size: 2 ** 21 + 65_536 })).toBe(memory)
    for (const size of [2 ** 21, 2 ** 21 + 65_537, 2 ** 21 + 65_536 + 65_535])
      expect(thrownBy(() => SharedMemory.open(name, { size }))).toMatchObject(EXISTS)
    memory.destroy()
  })

  test('options that agree, and options that are not given, attach', () => {
    const name = freshName()
    const lock = Mutex.open(name, { type: 'recursive', robust: false })

    expect(Mutex.open(name)).toBe(lock)
    expect(Mutex.open(name, { type: 'recursive' })).toBe(lock)
    expect(Region.open(name, '4KiB')).toBe(Region.open(name, 4096))
  })
})

test('a region that does not exist cannot be opened without its size: ENOENT', () => {
  expect(thrownBy(() => Region.open(freshName()))).toMatchObject({ code: 'ENOENT', errno: -2 })
})

describe('names', () => {
  test.each(['', 'x'.repeat(129), 'é'.repeat(65), 5, null, {}, Symbol('s')])(
    'that are no names are refused, and nothing is made (%#)',
    (name) => {
      const { usedBytes } = SharedMemory.default
      const usage = expect.stringMatching(/^ERR_PAGEFRAME_/) as string
      const bad = name as string

      expect(thrownBy(() => Mutex.open(bad))).toMatchObject({ code: usage })
      expect(thrownBy(() => new Mutex({ name: bad }))).toMatchObject({ code: usage })
      expect(thrownBy(() => Region.open(bad, 10))).toMatchObject({ code: usage })
      expect(thrownBy(() => SharedMemory.open(bad))).toMatchObject({ code: usage })
      expect(thrownBy(() => new SharedMemory({ name: bad }))).toMatchObject({ code: usage })

      expect(SharedMemory.default.usedBytes).toBe(usedBytes)
      expect(SharedMemory.default.check().problems).toEqual([])
    },
  )

  test('any text of 1 to 128 bytes is a name: found again, kept, and free after destroy()', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }),
      fc.string({ minLength: 1, maxLength: 128 }).filter((each) => Buffer.byteLength(each) <= 128),
      fc.constantFrom('\ufeffx', '\0', '\ud800', 'x'.repeat(128), '__proto__', 'ünï'),
    )
    fc.assert(
      fc.property(text, (name) => {
        const made = Mutex.open(name)

        expect(Mutex.open(name)).toBe(made)
        expect(made.name).toBe(name.toWellFormed())
        expect(thrownBy(() => new Mutex({ name }))).toMatchObject(EXISTS)
        made.destroy()
        const again = Mutex.open(name)
        expect(again).not.toBe(made)
        again.destroy()
      }),
    )
    expect(SharedMemory.default.check().problems).toEqual([])
  })

  test('hundreds of names stand beside each other', () => {
    const names = Array.from({ length: 500 }, () => freshName())

    const made = names.map((name) => Mutex.open(name))
    for (const i of [0, 499, 250, 7]) made[i].destroy()

    names.forEach((name, i) => {
      if (![0, 499, 250, 7].includes(i)) expect(Mutex.open(name)).toBe(made[i])
    })
    expect(SharedMemory.default.check().problems).toEqual([])
  })
})

test('an anonymous thing has no name', () => {
  expect(new Mutex().name).toBeUndefined()
})
