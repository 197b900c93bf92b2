import { createHash, randomFillSync } from 'node:crypto'
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Mutex, Region, SharedMemory } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { Actor, freshName, thrownBy } from '../support.ts'

const memory = SharedMemory.default

describe('the bytes of a region', () => {
  test('are a Buffer on shared memory, the same object each time', () => {
    const region = memory.alloc('64KiB')

    expect(Buffer.isBuffer(region.bytes)).toBe(true)
    expect(region.bytes.buffer).toBeInstanceOf(SharedArrayBuffer)
    expect(region.bytes).toBe(region.bytes)
    expect(region.bytes.byteLength).toBe(65_536)
    expect(region.byteLength).toBe(65_536)
    region.destroy()
  })

  test('are read and written by fs, crypto and TextDecoder in place', () => {
    const region = memory.alloc(1000)
    const path = join(tmpdir(), `pageframe-${process.pid}`)
    const file = openSync(path, 'w+')
    try {
      writeSync(file, 'straight from disk')
      expect(readSync(file, region.bytes, 0, 18, 0)).toBe(18)
      expect(writeSync(file, region.bytes.subarray(0, 8), 0, 8, 100)).toBe(8)
    } finally {
      closeSync(file)
      rmSync(path)
    }

    const hash = createHash('sha256').update(region.bytes.subarray(0, 18)).digest('hex')
    expect(hash).toBe(createHash('sha256').update('straight from disk').digest('hex'))
    expect((region.bytes as unknown as Buffer).toString('utf8', 0, 8)).toBe('straight')
    expect(new TextDecoder().decode(region.bytes.slice(0, 8))).toBe('straight')
    randomFillSync(region.bytes)
    expect(region.bytes.some((byte) => byte !== 0)).toBe(true)
    region.destroy()
  })

  test('are zero at the beginning, also where something lay before', () => {
    for (const size of [1, 100, 4096, 10_000, 300_000]) {
      const dirty = memory.alloc(size)
      dirty.bytes.fill(0xaa)
      dirty.destroy()

      const clean = memory.alloc(size)
      expect(clean.bytes.every((byte) => byte === 0)).toBe(true)
      clean.destroy()
    }
  })

  test('of two regions never overlap', () => {
    const regions = Array.from({ length: 50 }, (_, i) => memory.alloc(1 + i * 777))

    regions.forEach((region, i) => region.bytes.fill(i + 1))

    regions.forEach((region, i) => { expect(region.bytes.every((byte) => byte === i + 1)).toBe(true) }) // prettier-ignore
    for (const region of regions) region.destroy()
  })

  test('are seen by other threads at once', async () => {
    const region = memory.alloc(16)
    const worker = await Actor.start()

    await worker.run(({ Region }, handle) => {
      Region.from(handle).as(Float64Array)[1] = Math.PI
    }, region)

    expect(region.as(Float64Array)[1]).toBe(Math.PI)
  })
})

describe('as()', () => {
  test('gives a view of any type on the same bytes', () => {
    const region = memory.alloc(64)

    region.as(Int32Array)[3] = -1
    region.as(BigInt64Array)[4] = -2n

    expect(region.as(Uint8Array).subarray(12, 16)).toEqual(new Uint8Array([255, 255, 255, 255]))
    expect(region.as(DataView).getBigInt64(32, true)).toBe(-2n)
    expect(region.as(Float64Array).length).toBe(8)
  })

  test('refuses a length that is no whole number of elements', () => {
    const region = memory.alloc(10)

    expect(thrownBy(() => region.as(Int32Array))).toMatchObject({
      name: 'RangeError',
      code: 'ERR_PAGEFRAME_OUT_OF_RANGE',
      message: 'Region.as(): 10 bytes are not a whole number of elements of 4 bytes',
    })
    expect(region.as(Int16Array).length).toBe(5)
  })

  test.each([undefined, null, 5, 'Int32Array', {}])('refuses %s', (type) => {
    const region = memory.alloc(10)

    expect(thrownBy(() => region.as(type as never)).code).toMatch(/^ERR_PAGEFRAME_/)
  })
})

describe('disposing', () => {
  test('ends a region that this scope made without a name', () => {
    const region = memory.alloc(100)

    region[Symbol.dispose]()
    region[Symbol.dispose]()

    expect(thrownBy(() => region.bytes)).toMatchObject({ code: 'ESTALE' })
  })

  test('lets go of a region that has a name, or that came from elsewhere', async () => {
    const named = Region.open(freshName(), 100)
    const worker = await Actor.start()
    const foreign = Region.from(
      await worker.run(({ SharedMemory }) => structuredClone(SharedMemory.default.alloc(100))),
    )

    for (const region of [named, foreign]) {
      region[Symbol.dispose]()
      expect(region.bytes.byteLength).toBe(100)
      region.destroy()
    }
  })
})

test('what is wrong with the arguments of alloc() is said of alloc()', () => {
  const [inside, other] = [memory.alloc(1), new SharedMemory({ size: '2MiB' })]
  const allocIn = (place: object) => memory.alloc(64, place)

  expect(thrownBy(() => memory.alloc('much' as '1KiB')).message).toMatch(/^SharedMemory\.alloc\(\): size /)
  expect(thrownBy(() => memory.alloc(0)).message).toMatch(/^SharedMemory\.alloc\(\): size /)
  for (const wrong of [other, structuredClone(other), inside, 'default', null]) {
    const error = thrownBy(() => allocIn({ memory: wrong }))
    expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_PAGEFRAME_INVALID_ARGUMENT' })
    expect(error.message).toMatch(/^SharedMemory\.alloc\(\): memory must be left out/)
  }
  const here = allocIn({ memory })
  expect(here.memory).toBe(memory.memory)
  here.destroy()
  inside.destroy()
  other.destroy()
})

describe('when there is not enough memory', () => {
  test('ENOMEM says what did not fit, what there is and what to do; nothing has changed', () => {
    const name = freshName()
    const small = new SharedMemory({ size: '2MiB' })
    const { usedBytes } = small

    const error = thrownBy(() => small.alloc('64MiB', { name }))

    expect(error).toMatchObject({ name: 'ErrnoError', code: 'ENOMEM', errno: -12 })
    expect(error.message).toMatch(
      new RegExp(
        `^ENOMEM: Region '${name}': 64 MiB do not fit in memory '.*' \\([\\d.]+ of 2 MiB free, largest block ` +
          `[\\d.]+ (KiB|MiB)\\)\\. Free something with destroy\\(\\), or pass \\{ memory: new SharedMemory\\(\\) \\}$`,
      ),
    )
    expect(thrownBy(() => small.alloc('64MiB'))).toMatchObject({ code: 'ENOMEM' })
    expect(small.check().problems).toEqual([])
    // The slab of cells for regions and the one for names are there now; they stay.
    const slabs = small.usedBytes - usedBytes
    for (let i = 0; i < 100; i++)
      expect(thrownBy(() => small.alloc('64MiB', { name }))).toMatchObject({ code: 'ENOMEM' })
    expect(small.usedBytes - usedBytes).toBe(slabs)
    expect(thrownBy(() => Region.open(name, undefined, { memory: small }))).toMatchObject({ code: 'ENOENT' })
    small.destroy()
  })

  test.each(['4GiB', '4090MiB', 2 ** 32 - 4096] as const)(
    'the figures show why %s do not fit in 4 GiB, however little is missing',
    (size) => {
      const message = thrownBy(() => memory.alloc(size)).message

      const [, asked, free, all, largest] =
        /: ([^:]*) do not fit in memory 'default' \(([\d.]+) of ([\d.]+) MiB free, largest block ([^)]*)\)/.exec(
          message,
        ) ?? []
      expect(bytes(asked), message).toBeGreaterThan(bytes(largest))
      expect(Number(free), message).toBeLessThan(Number(all))
    },
  )

  test('what is nearly nothing is not called nothing', () => {
    const small = new SharedMemory({ size: '2MiB' })
    const regions: Region[] = []
    thrownBy(() => {
      for (;;) regions.push(small.alloc(4096))
    })
    regions.pop()?.destroy()

    const { message } = thrownBy(() => small.alloc(small.byteLength - small.usedBytes + 1))

    expect(message).not.toMatch(/\(0 of/)
    small.destroy()
  })

  test('a memory is filled to its end, and all comes back', () => {
    const small = new SharedMemory({ size: '2MiB' })
    small.alloc(1).destroy()
    const { usedBytes } = small
    const regions: Region[] = []

    const error = thrownBy(() => {
      for (;;) regions.push(small.alloc(4096))
    })
    expect(error).toMatchObject({ code: 'ENOMEM' })
    expect(small.byteLength - small.usedBytes).toBeLessThan(3 * 4096)
    expect(small.check().problems).toEqual([])
    for (const region of regions) region.destroy()

    expect(small.usedBytes - usedBytes).toBeLessThan(regions.length * 128)
    expect(small.check().problems).toEqual([])
    small.destroy()
  })

  test('locks and their waits say ENOMEM too', async () => {
    const small = new SharedMemory({ size: '2MiB' })
    const lock = new Mutex({ memory: small })
    const held = await lock.lockAsync()
    thrownBy(() => {
      for (;;) small.alloc(4096)
    })

    const error = thrownBy(() => {
      for (;;) new Mutex({ memory: small })
    })
    expect(error).toMatchObject({ code: 'ENOMEM' })
    expect(error.message).toContain('Mutex: 128 bytes do not fit in memory')
    const outcomes = await Promise.allSettled(
      Array.from({ length: 200 }, () => lock.lockAsync({ timeoutMs: 100 })),
    )
    const codes = outcomes.map((each) =>
      each.status === 'rejected' ? (each.reason as { code: string }).code : '',
    )
    expect(new Set(codes)).toEqual(new Set(['ETIMEDOUT', 'ENOMEM']))
    held.unlock()
    expect(small.check().problems).toEqual([])
    small.destroy()
  })
})

test.each([0, -1, 0.5, NaN, Infinity, 2 ** 40, '', 'big', '0KiB', '5GiB', null, undefined, {}])(
  'the size %s is refused before anything has changed',
  (size) => {
    const { usedBytes } = memory
    const name = freshName()

    expect(thrownBy(() => memory.alloc(size as number)).code).toMatch(/^ERR_PAGEFRAME_/)
    expect(thrownBy(() => memory.alloc(size as number, { name })).code).toMatch(/^ERR_PAGEFRAME_/)
    expect(thrownBy(() => new Region({ size: size as number })).code).toMatch(/^ERR_PAGEFRAME_/)
    expect(thrownBy(() => Region.open(name, size as number)).code).toMatch(/^(ERR_PAGEFRAME_\w+|ENOENT)$/)

    expect(memory.usedBytes).toBe(usedBytes)
    expect(memory.check().problems).toEqual([])
  },
)

test.each([null, 5, 'text'])('options that are %s are refused with a code', (options) => {
  const bad = options as never

  expect(thrownBy(() => new Mutex(bad)).code).toMatch(/^ERR_PAGEFRAME_/)
  expect(thrownBy(() => Mutex.open('options', bad)).code).toMatch(/^ERR_PAGEFRAME_/)
  expect(thrownBy(() => new Mutex({ memory: bad })).code).toMatch(/^ERR_PAGEFRAME_/)
  expect(thrownBy(() => new Mutex({ type: bad })).code).toMatch(/^ERR_PAGEFRAME_/)
  expect(thrownBy(() => new Mutex({ robust: bad })).code).toMatch(/^ERR_PAGEFRAME_/)
  expect(thrownBy(() => new SharedMemory(bad)).code).toMatch(/^ERR_PAGEFRAME_/)
})

/** What '4 GiB' or '300 bytes' says. */
function bytes(text = ''): number {
  const [value, unit] = text.split(' ')
  return Number(value) * { bytes: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }[unit as 'KiB']
}
