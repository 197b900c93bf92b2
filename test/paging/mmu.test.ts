import { describe, expect, test } from 'vitest'
import { ACCESSED, DIRTY } from '../../src/paging/pte.ts'
import { BusError, SegmentationFault } from '../../src/paging/signals.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { thrownBy } from '../support.ts'
import { HIGH, paging } from './world.ts'

describe.each(['lp64', 'ilp32'] as const)('%s', (layout) => {
  const high = HIGH[layout]

  test('what is stored at an address is loaded from it, in each width and at each alignment', () => {
    const { mmu, map } = paging(layout)
    map(high, 2)

    for (let skew = 0; skew < 8; skew++) {
      const at = high + 100 + skew
      mmu.store8(at, 0x1ff)
      expect(mmu.load8(at)).toBe(0xff)
      mmu.store16(at, 0x1fffe)
      expect(mmu.load16(at)).toBe(0xfffe)
      mmu.store32(at, -2)
      expect(mmu.load32(at)).toBe(-2)
      mmu.store64(at, -3n)
      expect(mmu.load64(at)).toBe(-3n)
      mmu.storeF32(at, 1.5)
      expect(mmu.loadF32(at)).toBe(1.5)
      mmu.storeF64(at, Math.PI)
      expect(mmu.loadF64(at)).toBe(Math.PI)
    }
  })

  test('add32 adds as a store does, wraps, and takes whole words only', () => {
    const { mmu, map } = paging(layout)
    map(high)
    mmu.store32(high + 8, 0x7fffffff)

    expect(mmu.add32(high + 8, 2)).toBe(0x7fffffff)
    expect(mmu.add32(high + 8, -1)).toBe(-0x7fffffff)
    expect(mmu.load32(high + 8)).toBe(-0x80000000)
    expect(() => mmu.add32(high + 2, 1)).toThrow(RangeError)
    expect(() => mmu.add32(high + PAGE_SIZE, 1)).toThrow(SegmentationFault)
  })

  test('what is aligned is one piece, also when it misses the TLB: nobody sees half of it', () => {
    const { mmu, map } = paging(layout)
    map(high, 2)
    // A DataView writes so many bytes, one after the other, until its caller is optimized.
    const prototype = DataView.prototype
    const used: string[] = []
    const real = Object.getOwnPropertyNames(prototype).filter((name) => /^[gs]et[A-Z]/.test(name))
    const methods = prototype as unknown as Record<string, unknown>
    const before = new Map(real.map((name) => [name, methods[name]]))
    for (const name of real) methods[name] = () => used.push(name)
    const missed = <T>(access: () => T): T => {
      mmu.forget(high)
      return access()
    }

    try {
      missed(() => { mmu.store16(high + 2, 0x8001) }) // prettier-ignore
      missed(() => { mmu.store32(high + 4, -5) }) // prettier-ignore
      missed(() => { mmu.store64(high + 8, -6n) }) // prettier-ignore
      missed(() => { mmu.storeF32(high + 16, 1.5) }) // prettier-ignore
      missed(() => { mmu.storeF64(high + 24, -0.1) }) // prettier-ignore
      expect(missed(() => mmu.load16(high + 2))).toBe(0x8001)
      expect(missed(() => mmu.load32(high + 4))).toBe(-5)
      expect(missed(() => mmu.load64(high + 8))).toBe(-6n)
      expect(missed(() => mmu.loadF32(high + 16))).toBe(1.5)
      expect(missed(() => mmu.loadF64(high + 24))).toBe(-0.1)
    } finally {
      for (const [name, method] of before) methods[name] = method
    }

    expect(used).toEqual([])
  })

  test('integers are little-endian', () => {
    const { mmu, map } = paging(layout)
    map(high)

    mmu.store32(high, 0x04030201)
    mmu.store64(high + 8, 0x0807060504030201n)

    expect([0, 1, 2, 3].map((i) => mmu.load8(high + i))).toEqual([1, 2, 3, 4])
    expect([8, 10, 12, 14].map((i) => mmu.load16(high + i))).toEqual([0x0201, 0x0403, 0x0605, 0x0807])
  })

  test('an access over the end of a page reads and writes both, though their frames lie apart', () => {
    const { mmu, map } = paging(layout)
    map(high, 2)
    mmu.store8(high + PAGE_SIZE, 0) // the second page first: its frame lies before the other's
    const edge = high + PAGE_SIZE

    for (let before = 1; before < 8; before++) {
      mmu.store64(edge - before, 0x1122334455667788n)
      expect(mmu.load64(edge - before)).toBe(0x1122334455667788n)
      mmu.storeF64(edge - before, -0.1)
      expect(mmu.loadF64(edge - before)).toBe(-0.1)
    }
    mmu.store32(edge - 1, 0x0a0b0c0d)
    expect([mmu.load8(edge - 1), mmu.load8(edge), mmu.load8(edge + 2)]).toEqual([0x0d, 0x0c, 0x0a])
  })

  test('a store over the end of a page that faults in the second changes nothing in the first', () => {
    const { mmu, map } = paging(layout)
    map(high)

    const error = thrownBy(() => {
      mmu.store64(high + PAGE_SIZE - 3, -1n)
    })

    expect(error).toBeInstanceOf(SegmentationFault)
    expect(error).toMatchObject({ signal: 'SIGSEGV', code: 'SEGV_MAPERR', address: high + PAGE_SIZE })
    expect(mmu.load8(high + PAGE_SIZE - 1)).toBe(0)
  })

  test('each page faults once, and a page that may not be written faults at each store', () => {
    const { mmu, map, faults } = paging(layout)
    map(high, 3)
    map(high + 3 * PAGE_SIZE, 1, false)

    for (let round = 0; round < 2; round++) {
      for (let page = 0; page < 3; page++) mmu.store32(high + page * PAGE_SIZE, page)
      mmu.load32(high + 3 * PAGE_SIZE)
    }
    const store = () => {
      mmu.store32(high + 3 * PAGE_SIZE, 1)
    }

    expect(thrownBy(store)).toMatchObject({ code: 'SEGV_ACCERR' })
    expect(thrownBy(store).message).toBe(`SIGSEGV, SEGV_ACCERR at 0x${(high + 3 * PAGE_SIZE).toString(16)}`)
    expect(faults.map(([address, access]) => [(address - high) / PAGE_SIZE, access])).toEqual([
      [0, 'write'],
      [1, 'write'],
      [2, 'write'],
      [3, 'read'],
      [3, 'write'],
      [3, 'write'],
    ])
  })

  test('a load marks the entry as accessed, a store as dirty', () => {
    const { mmu, map, table, cpu } = paging(layout)
    map(high)
    const bits = () => cpu.load(table.find(high / PAGE_SIZE)) & (ACCESSED | DIRTY)

    mmu.load8(high)
    expect(bits()).toBe(ACCESSED)
    mmu.store8(high, 1)
    expect(bits()).toBe(ACCESSED | DIRTY)
  })

  test('after a new generation nothing is taken from the TLB', () => {
    const { mmu, map, table, cpu, stateAt, faults } = paging(layout)
    map(high)
    mmu.store32(high, 7)

    cpu.store(table.find(high / PAGE_SIZE), 0) // the shooter: the entry first ...
    expect(mmu.load32(high)).toBe(7) //            ... until the generation has changed, the old frame is in use
    cpu.add(stateAt, 2)

    expect(mmu.load32(high)).toBe(0)
    expect(faults).toHaveLength(2)
  })

  test('addresses outside of what a process can map, or that are none, find nothing', () => {
    const { mmu } = paging(layout)
    const beyond = [-1, -4096, 2 ** 47, 2 ** 48 + high, 2 ** 32 * 3 + high, Number.MAX_SAFE_INTEGER - 7]

    for (const address of beyond) {
      expect(thrownBy(() => mmu.load32(address))).toMatchObject({ code: 'SEGV_MAPERR' })
      expect(thrownBy(() => mmu.load8(address))).toMatchObject({ code: 'SEGV_MAPERR' })
    }
    for (const nonsense of [NaN, Infinity, 4096.5, undefined, 'x', {}]) {
      const load = () => mmu.load32(nonsense as number)
      expect(thrownBy(load)).toMatchObject({ code: 'ERR_PAGEFRAME_INVALID_ARGUMENT' })
      expect(thrownBy(load).message).toContain('load32(): addr must be a whole number')
    }
  })

  test('an argument that runs code when it becomes a number runs before the translation', () => {
    const { mmu, map, table, cpu, stateAt } = paging(layout)
    map(high)
    mmu.store32(high, 1)
    const old = cpu.load(table.find(high / PAGE_SIZE))
    const hostile = {
      valueOf: () => {
        cpu.store(table.find(high / PAGE_SIZE), 0)
        cpu.add(stateAt, 2)
        mmu.load8(high) // acknowledges: the old frame may be somebody else's now
        return 99
      },
    }

    mmu.store32(high, hostile as unknown as number)

    expect(mmu.load32(high)).toBe(99)
    expect(cpu.load((old >>> 8) * 1024)).toBe(1)
  })

  test('ranges are read and written over pages whose frames lie anywhere', () => {
    const { mmu, map } = paging(layout)
    const pages = 5
    map(high, pages)
    for (let page = pages; page-- > 0;) mmu.store8(high + page * PAGE_SIZE, 0)
    const data = Uint8Array.from({ length: 3 * PAGE_SIZE + 77 }, (_, i) => i * 7)

    mmu.write(high + 123, data)
    const back = new Uint8Array(data.length)
    mmu.read(high + 123, back)

    expect(Buffer.compare(back, data)).toBe(0)
    expect([mmu.load8(high + 122), mmu.load8(high + 123 + data.length)]).toEqual([0, 0])
  })

  test('a range that lies in the memory itself is copied like any other', () => {
    const { mmu, map, bytes } = paging(layout)
    map(high, 2)
    const region = bytes.subarray(25 * PAGE_SIZE, 27 * PAGE_SIZE)
    region.set(Uint8Array.from({ length: 2 * PAGE_SIZE }, (_, i) => i * 3))

    mmu.write(high, region)
    mmu.fill(high, 0, 10)
    region.fill(9)
    mmu.read(high, region)

    expect(Array.from(region.subarray(8, 12))).toEqual([0, 0, 30, 33])
  })

  test('fill() and copy() cross pages, and copies may overlap either way', () => {
    const { mmu, map } = paging(layout)
    const pages = 4
    map(high, pages)
    const model = new Uint8Array(pages * PAGE_SIZE)
    const state = new Uint8Array(model.length)
    let seed = 1
    const random = (below: number) => (seed = (seed * 48271) % 0x7fffffff) % below

    for (let round = 0; round < 300; round++) {
      const length = random(2 * PAGE_SIZE)
      const to = random(model.length - length)
      const from = random(model.length - length)
      if (random(3) === 0) {
        model.fill(round, to, to + length)
        mmu.fill(high + to, round, length)
      } else {
        model.copyWithin(to, from, from + length)
        mmu.copy(high + to, high + from, length)
      }
      mmu.read(high, state)
      expect(Buffer.compare(state, model)).toBe(0)
    }
  })

  test('arguments of ranges that are none are refused before anything has changed', () => {
    const { mmu, map } = paging(layout)
    map(high)

    expect(thrownBy(() => { mmu.fill(high, 1, -1) }).message).toContain('fill(): length') // prettier-ignore
    expect(thrownBy(() => { mmu.copy(high, 1.5, 1) }).message).toContain('copy(): addr') // prettier-ignore
    expect(thrownBy(() => { mmu.read(high, [1] as unknown as Uint8Array) }).message).toContain('read(): into') // prettier-ignore
    expect(thrownBy(() => { mmu.write(high, 'x' as unknown as Uint8Array) }).message).toContain('write(): from') // prettier-ignore
    expect(thrownBy(() => { mmu.store64(high, 1 as unknown as bigint) }).message).toContain('store64(): value') // prettier-ignore
    expect(mmu.load64(high)).toBe(0n)
  })
})

test('a BusError says what Linux would', () => {
  expect(new BusError('BUS_ADRERR', 0x1000)).toMatchObject({
    name: 'BusError',
    signal: 'SIGBUS',
    address: 4096,
  })
})
