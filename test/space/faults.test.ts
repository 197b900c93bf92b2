import { describe, expect, test } from 'vitest'
import { pfnOf, SPECIAL, WRITE } from '../../src/paging/pte.ts'
import { BusError, SegmentationFault } from '../../src/paging/signals.ts'
import { MAP_POPULATE, PROT_NONE, PROT_READ, PROT_WRITE } from '../../src/space/constants.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { thrownBy } from '../support.ts'
import { ANON, machine, PRIVATE, RW, SHARED, SHARED_ANON, type TestProcess } from './fault-world.ts'

const PAGES = 64

function readAll({ mmu }: TestProcess, at: number, pages = PAGES): void {
  for (let page = 0; page < pages; page++) mmu.load32(at + page * PAGE_SIZE)
}

function writeAll({ mmu }: TestProcess, at: number, pages = PAGES): void {
  for (let page = 0; page < pages; page++) mmu.store32(at + page * PAGE_SIZE, page)
}

describe.each(['lp64', 'ilp32'] as const)(
  '%s: minor faults of 64 pages, as this kernel counts them',
  (layout) => {
    test('private anonymous memory: read, then written: 64 and 64; written at once: 64 and none', () => {
      const p = machine(layout).process(0)
      const read = p.map(PAGES)
      expect(p.faults(() => { readAll(p, read) })).toBe(64) // prettier-ignore
      expect(p.faults(() => { writeAll(p, read) })).toBe(64) // prettier-ignore
      expect(p.faults(() => { readAll(p, read) })).toBe(0) // prettier-ignore

      const written = p.map(PAGES)
      expect(p.faults(() => { writeAll(p, written) })).toBe(64) // prettier-ignore
      expect(p.faults(() => { writeAll(p, written) })).toBe(0) // prettier-ignore
    })

    test('shared anonymous memory: read, then written: 64 and none', () => {
      const p = machine(layout).process(0)
      const at = p.map(PAGES, RW, SHARED_ANON)

      expect(p.faults(() => { readAll(p, at) })).toBe(64) // prettier-ignore
      expect(p.faults(() => { writeAll(p, at) })).toBe(0) // prettier-ignore
    })

    test('a shared memory object that is filled: 16 pages a fault, within aligned ranges of 16', () => {
      const m = machine(layout)
      const object = m.object(PAGES)
      const filler = m.process(0)
      const filled = filler.map(PAGES, RW, SHARED, object)
      expect(filler.faults(() => { writeAll(filler, filled) })).toBe(64) // prettier-ignore

      const p = m.process(1)
      const at = p.map(PAGES, RW, SHARED, object, 0, 0x1000_0000)
      expect(p.faults(() => { readAll(p, at) })).toBe(4) // prettier-ignore
      expect(p.faults(() => { writeAll(p, at) })).toBe(0) // prettier-ignore

      const skewed = p.map(PAGES, RW, SHARED, object, 0, 0x2000_3000)
      expect(p.faults(() => { readAll(p, skewed) })).toBe(5) // prettier-ignore
      expect(m.problems()).toEqual([])
    })

    test('a private mapping of it: 16 pages a fault to read, each page copied when it is written', () => {
      const m = machine(layout)
      const object = m.object(PAGES)
      const filler = m.process(0)
      writeAll(filler, filler.map(PAGES, RW, SHARED, object))
      const p = m.process(1)

      const at = p.map(PAGES, RW, PRIVATE, object, 0, 0x1000_0000)
      expect(p.faults(() => { readAll(p, at) })).toBe(4) // prettier-ignore
      expect(p.faults(() => { writeAll(p, at) })).toBe(64) // prettier-ignore
      const written = p.map(PAGES, RW, PRIVATE, object, 0, 0x2000_0000)
      expect(p.faults(() => { writeAll(p, written) })).toBe(64) // prettier-ignore
      expect(m.problems()).toEqual([])
    })

    test('a fault maps around itself only what exists, and nothing of another area', () => {
      const m = machine(layout)
      const object = m.object(PAGES)
      const filler = m.process(0)
      const filled = filler.map(PAGES, RW, SHARED, object)
      for (const page of [0, 1, 3, 15, 16]) filler.mmu.store32(filled + page * PAGE_SIZE, page)
      const p = m.process(1)
      const at = p.map(PAGES, RW, SHARED, object, 0, 0x1000_0000)
      p.space.areas.mprotect(at + 8 * PAGE_SIZE, 8 * PAGE_SIZE, PROT_READ)

      expect(p.faults(() => p.mmu.load32(at))).toBe(1)
      expect(
        p.faults(() => {
          readAll(p, at, 4)
        }),
      ).toBe(1) // page 2 is new
      expect(p.faults(() => p.mmu.load32(at + 15 * PAGE_SIZE))).toBe(1) // another area
      expect(p.faults(() => p.mmu.load32(at + 16 * PAGE_SIZE))).toBe(1) // another 16
      expect(m.kernel.objects.pagesPresent(object)).toBe(6)
      expect(m.problems()).toEqual([])
    })

    test('MAP_POPULATE takes the faults at once', () => {
      const m = machine(layout)
      const p = m.process(0)
      let at = 0
      expect(p.faults(() => { at = p.map(PAGES, RW, ANON | MAP_POPULATE) })).toBe(64) // prettier-ignore
      expect(p.faults(() => { writeAll(p, at) })).toBe(0) // prettier-ignore
      expect(p.faults(() => p.map(PAGES, PROT_READ, ANON | MAP_POPULATE))).toBe(64)
      expect(p.faults(() => p.map(PAGES, PROT_NONE, ANON | MAP_POPULATE))).toBe(0)
      expect(p.faults(() => p.map(PAGES, RW, SHARED_ANON | MAP_POPULATE))).toBe(64)

      const object = m.object(PAGES)
      writeAll(p, p.map(PAGES, RW, SHARED, object))
      const [at1, at2, at3] = [0x1000_0000, 0x2000_0000, 0x3000_0000]
      expect(p.faults(() => p.map(PAGES, RW, SHARED | MAP_POPULATE, object, 0, at1))).toBe(4)
      expect(p.faults(() => p.map(PAGES, PROT_READ, PRIVATE | MAP_POPULATE, object, 0, at2))).toBe(4)
      expect(p.faults(() => p.map(PAGES, RW, PRIVATE | MAP_POPULATE, object, 0, at3))).toBe(64)
      expect(m.problems()).toEqual([])
    })

    test('faults that end in a signal are not counted', () => {
      const m = machine(layout)
      const p = m.process(0)
      const at = p.map(1, PROT_READ)
      const behind = p.map(2, RW, SHARED, m.object(1))

      expect(
        p.faults(() => {
          thrownBy(() => p.mmu.load32(64))
          thrownBy(() => { p.mmu.store32(at, 1) }) // prettier-ignore
          thrownBy(() => p.mmu.load32(behind + PAGE_SIZE))
        }),
      ).toBe(0)
    })
  },
)

describe.each(['lp64', 'ilp32'] as const)('%s: what a page shows', (layout) => {
  test('pages that were only read are one frame of zeroes, which no store ever reaches', () => {
    const m = machine(layout)
    const p = m.process(0)
    const at = p.map(4)
    expect([0, 1, 2, 3].map((page) => p.mmu.load32(at + page * PAGE_SIZE))).toEqual([0, 0, 0, 0])
    for (const page of [0, 1, 2, 3]) {
      const pte = m.cpu.load(p.space.table.find(at / PAGE_SIZE + page))
      expect([pfnOf(pte), pte & (SPECIAL | WRITE)]).toEqual([m.kernel.zeroFrame, SPECIAL])
    }

    p.mmu.store32(at + PAGE_SIZE, 7)

    expect([0, 1, 2, 3].map((page) => p.mmu.load32(at + page * PAGE_SIZE))).toEqual([0, 7, 0, 0])
    expect(m.problems()).toEqual([])
  })

  test('processes that map an object shared see one memory; private copies part with it at the first store', () => {
    const m = machine(layout)
    const object = m.object(2)
    const [a, b, c] = [m.process(0), m.process(1), m.process(2)]
    const inA = a.map(2, RW, SHARED, object)
    const inB = b.map(2, RW, SHARED, object)
    const inC = c.map(2, RW, PRIVATE, object)

    a.mmu.store32(inA, 1)
    expect([b.mmu.load32(inB), c.mmu.load32(inC)]).toEqual([1, 1])
    b.mmu.store32(inB, 2)
    expect([a.mmu.load32(inA), c.mmu.load32(inC)]).toEqual([2, 2])
    c.mmu.store32(inC + 4, 3)
    a.mmu.store32(inA, 4)

    expect([b.mmu.load32(inB), b.mmu.load32(inB + 4)]).toEqual([4, 0])
    expect([c.mmu.load32(inC), c.mmu.load32(inC + 4)]).toEqual([2, 3])
    expect(m.problems()).toEqual([])
  })

  test('an offset maps the object from there', () => {
    const m = machine(layout)
    const object = m.object(4)
    const p = m.process(0)
    const whole = p.map(4, RW, SHARED, object)
    const rest = p.map(2, RW, SHARED, object, 2)

    p.mmu.store32(rest + PAGE_SIZE, 9)

    expect(p.mmu.load32(whole + 3 * PAGE_SIZE)).toBe(9)
  })

  test('protection taken away and given back keeps what was there, without a fault', () => {
    const m = machine(layout)
    const p = m.process(0)
    const at = p.map(2)
    p.mmu.store32(at, 5)

    p.space.areas.mprotect(at, PAGE_SIZE, PROT_NONE)
    expect(thrownBy(() => p.mmu.load32(at))).toMatchObject({ code: 'SEGV_ACCERR' })
    expect(m.problems()).toEqual([])
    p.space.areas.mprotect(at, PAGE_SIZE, RW)

    expect(p.faults(() => { p.mmu.store32(at + 4, p.mmu.load32(at)) })).toBe(0) // prettier-ignore
    expect(p.mmu.load32(at + 4)).toBe(5)
    expect(m.problems()).toEqual([])
  })
})

describe.each(['lp64', 'ilp32'] as const)('%s: signals', (layout) => {
  const top = layout === 'lp64' ? 2 ** 47 - PAGE_SIZE : 3 * 2 ** 30

  test('SIGSEGV, SEGV_MAPERR where nothing is mapped, with the address itself', () => {
    const p = machine(layout).process(0)
    const at = p.map(1)
    for (const address of [
      0,
      64,
      at - 4,
      at + PAGE_SIZE,
      at + PAGE_SIZE + 12,
      top - 4,
      top,
      -4,
      -1,
      2 ** 52,
    ]) {
      const error = thrownBy(() => p.mmu.load32(address))
      expect(error).toBeInstanceOf(SegmentationFault)
      expect(error).toMatchObject({ signal: 'SIGSEGV', code: 'SEGV_MAPERR', address })
    }
  })

  test('an access over the end of a mapping is a signal at the first byte that is not mapped', () => {
    const p = machine(layout).process(0)
    const at = p.map(1)
    const error = thrownBy(() => p.mmu.load64(at + PAGE_SIZE - 4))
    expect(error).toMatchObject({ code: 'SEGV_MAPERR', address: at + PAGE_SIZE })
  })

  test('SIGSEGV, SEGV_ACCERR against the protection; whatever can be written or executed can be read', () => {
    const p = machine(layout).process(0)
    const at = p.map(3, PROT_READ)
    p.mmu.load32(at)
    for (const page of [0, 1]) {
      const address = at + page * PAGE_SIZE + 8
      const error = thrownBy(() => { p.mmu.store32(address, 1) }) // prettier-ignore
      expect(error).toBeInstanceOf(SegmentationFault)
      expect(error).toMatchObject({ signal: 'SIGSEGV', code: 'SEGV_ACCERR', address })
    }
    p.space.areas.mprotect(at, PAGE_SIZE, PROT_NONE)
    for (const address of [at, at + 1]) {
      expect(thrownBy(() => p.mmu.load8(address))).toMatchObject({ code: 'SEGV_ACCERR', address })
    }
    const writable = p.map(1, PROT_WRITE)
    expect(p.mmu.load32(writable)).toBe(0)
    p.mmu.store32(writable, 2)
    expect(p.mmu.load32(writable)).toBe(2)
  })

  test.each([
    ['shared', SHARED],
    ['private', PRIVATE],
  ])('SIGBUS, BUS_ADRERR behind the end of an object (%s)', (_, flags) => {
    const m = machine(layout)
    const object = m.object(2)
    const p = m.process(0)
    const at = p.map(4, RW, flags, object)
    p.mmu.store32(at + PAGE_SIZE, 1)

    for (const access of [
      () => p.mmu.load32(at + 2 * PAGE_SIZE + 4),
      () => { p.mmu.store32(at + 2 * PAGE_SIZE + 4, 1) }, // prettier-ignore
    ]) {
      const error = thrownBy(access)
      expect(error).toBeInstanceOf(BusError)
      expect(error).toMatchObject({ signal: 'SIGBUS', code: 'BUS_ADRERR', address: at + 2 * PAGE_SIZE + 4 })
    }
    expect(m.problems()).toEqual([])
  })

  test('the process goes on after it has caught a signal', () => {
    const p = machine(layout).process(0)
    const at = p.map(1)
    thrownBy(() => p.mmu.load32(64))
    p.mmu.store32(at, 1)
    expect(p.mmu.load32(at)).toBe(1)
  })

  test('when memory is out an access throws ENOMEM, and works again when there is some', () => {
    const m = machine(layout, { sizeMiB: 4 })
    const p = m.process(0)
    const [at, last] = [p.map(1000), p.map(1)]
    let page = 0
    const error = thrownBy(() => {
      for (; page < 1000; page++) p.mmu.store32(at + page * PAGE_SIZE, 1)
    })
    expect(error).toMatchObject({ code: 'ENOMEM' })
    expect(m.problems()).toEqual([])

    p.space.areas.munmap(at, 1000 * PAGE_SIZE)

    p.mmu.store32(last, 3)
    expect(p.mmu.load32(last)).toBe(3)
    expect(m.problems()).toEqual([])
  })
})
