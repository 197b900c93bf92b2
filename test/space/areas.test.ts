import { describe, expect, test } from 'vitest'
import { isMarker, HIDDEN } from '../../src/paging/pte.ts'
import { MAX_AREAS } from '../../src/space/area-table.ts'
import { areasOf } from '../../src/space/areas-of.ts'
import { Areas } from '../../src/space/areas.ts'
import {
  MAP_32BIT,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_LOCKED,
  MAP_NONBLOCK,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../../src/space/constants.ts'
import { mmapBase } from '../../src/space/placement.ts'
import { SpaceState } from '../../src/space/space-state.ts'
import { countMappings, dropAreas } from '../../src/space/vma-cells.ts'
import { ILP32, LP64 } from '../../src/paging/addresses.ts'
import { ShmObject } from '../../src/storage/shm-object.ts'
import { GiB, MiB, PAGE_SIZE } from '../../src/words/constants.ts'
import { EACCES, EINVAL, ENOMEM, EPERM } from '../../src/words/errno.ts'
import { ANON, machine, PRIVATE, RW, SHARED, SHARED_ANON, type TestProcess } from './fault-world.ts'

const NEW = ANON | MAP_FIXED

/** `start-end:prot` of each area, in pages from `base` on. */
function shown({ space }: TestProcess, base: number): string {
  const first = base / PAGE_SIZE
  return [...space.areas.all()]
    .map(({ start, end, prot }) => `${start - first}-${end - first}:${prot}`)
    .join(' ')
}

describe.each(['lp64', 'ilp32'] as const)('%s', (layout) => {
  const taskSize = layout === 'lp64' ? LP64.taskSize : ILP32.taskSize
  const BASE = 0x4000_0000

  // ── limits ──────────────────────────────────────────────────────────────────────────────────────────────────────

  test('the last page of the address space can be mapped, the one behind it cannot', () => {
    const { areas } = machine(layout).process(0).space
    const last = taskSize - PAGE_SIZE

    expect(areas.mmap(last, PAGE_SIZE, RW, NEW, undefined, 0)).toBe(last)
    expect(areas.mmap(last, 2 * PAGE_SIZE, RW, NEW, undefined, 0)).toBe(-ENOMEM)
    expect(areas.mmap(taskSize, PAGE_SIZE, RW, NEW, undefined, 0)).toBe(-ENOMEM)
    expect(areas.munmap(last, PAGE_SIZE)).toBe(0)
    expect(areas.munmap(last, 2 * PAGE_SIZE)).toBe(-EINVAL)
    expect(areas.munmap(taskSize, PAGE_SIZE)).toBe(-EINVAL)
  })

  test('nothing lies below 64 KiB: a fixed address is refused, a hint is raised', () => {
    const { areas } = machine(layout).process(0).space

    expect(areas.mmap(0, PAGE_SIZE, RW, NEW, undefined, 0)).toBe(-EPERM)
    expect(areas.mmap(65_536 - PAGE_SIZE, PAGE_SIZE, RW, NEW, undefined, 0)).toBe(-EPERM)
    expect(areas.mmap(65_536, PAGE_SIZE, RW, NEW, undefined, 0)).toBe(65_536)
    expect(areas.munmap(65_536, PAGE_SIZE)).toBe(0)
    expect(areas.mmap(PAGE_SIZE, PAGE_SIZE, RW, ANON, undefined, 0)).toBe(65_536)
  })

  test('lengths that no register holds fail, and change nothing', () => {
    const p = machine(layout).process(0)
    const { areas } = p.space
    const at = p.map(4)
    const before = shown(p, at)

    for (const length of [2 ** 64 - 1, 2 ** 63, taskSize + 1, -1, -PAGE_SIZE]) {
      expect(areas.mmap(0, length, RW, ANON, undefined, 0)).toBe(-ENOMEM)
      expect(areas.munmap(at, length)).toBe(-EINVAL)
    }
    for (const length of [2 ** 64 - 1, 2 ** 64 - at, -1]) {
      expect(areas.mprotect(at, length, PROT_READ)).toBe(-ENOMEM)
    }
    expect(areas.mmap(0, 0, RW, ANON, undefined, 0)).toBe(-EINVAL)
    expect(areas.munmap(at, 0)).toBe(-EINVAL)
    expect(areas.mprotect(at, 0, PROT_READ)).toBe(0)
    expect(shown(p, at)).toBe(before)
  })

  test('what is promised to one mapping is no more than all memory, unless it says MAP_NORESERVE', () => {
    const { areas } = machine(layout).process(0).space
    const length = 64 * MiB // of a memory of 16

    expect(areas.mmap(0, length, RW, ANON, undefined, 0)).toBe(-ENOMEM)
    expect(areas.mmap(0, length, RW, SHARED_ANON, undefined, 0)).toBe(-ENOMEM)
    expect(areas.mmap(0, length, RW, ANON | MAP_NORESERVE, undefined, 0)).toBeGreaterThan(0)
    const readOnly = areas.mmap(0, length, PROT_READ, ANON, undefined, 0)
    expect(readOnly).toBeGreaterThan(0)
    expect(areas.mprotect(readOnly, length, RW)).toBe(-ENOMEM)
    expect(areas.mprotect(readOnly, 8 * MiB, RW)).toBe(0)
    expect(areas.count).toBe(3)
  })

  test('there are 65530 areas at most, and as in Linux one more by mmap', { timeout: 60_000 }, () => {
    const m = machine(layout, { sizeMiB: 32 })
    const p = m.process(0)
    const { areas } = p.space
    const pages = 2 * MAX_AREAS + 8
    const at = p.map(pages, PROT_READ)

    for (let i = 1; areas.count < MAX_AREAS - 1; i += 2) {
      expect(areas.mprotect(at + i * PAGE_SIZE, PAGE_SIZE, PROT_NONE)).toBe(0)
    }
    const last = at + (pages - 4) * PAGE_SIZE
    // One cut is left: the one at the start is made, the one at the end is not.
    expect(areas.mprotect(last, PAGE_SIZE, PROT_NONE)).toBe(-ENOMEM)
    expect(areas.count).toBe(MAX_AREAS)
    expect(areas.munmap(last + PAGE_SIZE, PAGE_SIZE)).toBe(-ENOMEM)
    expect(areas.mmap(0, PAGE_SIZE, RW, ANON, undefined, 0)).toBeGreaterThan(0)
    expect(areas.count).toBe(MAX_AREAS + 1)
    expect(areas.mmap(0, PAGE_SIZE, PROT_NONE, ANON, undefined, 0)).toBe(-ENOMEM)
    expect(areas.munmap(last, 4 * PAGE_SIZE)).toBe(0) // it ends an area, and cuts none
    expect([...areas.table.tree.problems()]).toEqual([])

    expect(areas.munmap(at, pages * PAGE_SIZE)).toBe(0)
    expect(areas.count).toBe(1)
    expect(m.problems()).toEqual([])
  })

  test('where memory is out, a call fails and what was mapped stays', () => {
    const m = machine(layout, { sizeMiB: 4 })
    const p = m.process(0)
    const at = p.map(16)
    const before = shown(p, at)
    const { frames } = p
    const taken: number[] = []
    // The cells of slabs that there are already go first.
    let holes = 0
    for (let pfn = frames.allocFrame(); pfn >= 0; pfn = frames.allocFrame()) taken.push(pfn)
    while (
      holes < 200 &&
      p.space.areas.mmap(0x2000_0000 + 2 * holes * PAGE_SIZE, PAGE_SIZE, RW, NEW, undefined, 0) > 0
    )
      holes++

    expect(p.space.areas.mmap(at, PAGE_SIZE, PROT_READ, NEW, undefined, 0)).toBe(-ENOMEM)
    expect(p.space.areas.munmap(at + PAGE_SIZE, PAGE_SIZE)).toBe(-ENOMEM)
    expect(p.space.areas.mprotect(at + PAGE_SIZE, PAGE_SIZE, PROT_READ)).toBe(-ENOMEM)
    expect(p.space.areas.mmap(0, PAGE_SIZE, RW, SHARED_ANON, undefined, 0)).toBe(-ENOMEM)
    expect(shown(p, at)).toContain(before)

    for (const pfn of taken) frames.freeFrame(pfn)
    expect(p.space.areas.munmap(0x2000_0000, 2 * holes * PAGE_SIZE)).toBe(0)
    expect(m.problems()).toEqual([])
  })

  // ── merging by families of pages ────────────────────────────────────────────────────────────────────────────────

  test('areas that were written to apart stay two, even when they are neighbours and alike', () => {
    const p = machine(layout).process(0)
    const { areas } = p.space
    const at = p.map(9, RW, NEW, 0, 0, BASE)
    areas.munmap(at + 4 * PAGE_SIZE, PAGE_SIZE)
    p.mmu.store8(at, 1)
    p.mmu.store8(at + 8 * PAGE_SIZE, 1)

    p.map(1, RW, NEW, 0, 0, at + 4 * PAGE_SIZE)
    expect(shown(p, at)).toBe('0-5:3 5-9:3')
  })

  test('of areas of which one was written to, the whole is of its family', () => {
    const p = machine(layout).process(0)
    const { areas } = p.space
    const at = p.map(9, RW, NEW, 0, 0, BASE)
    areas.munmap(at + 4 * PAGE_SIZE, PAGE_SIZE)
    p.mmu.store8(at + 8 * PAGE_SIZE, 1)

    p.map(1, RW, NEW, 0, 0, at + 4 * PAGE_SIZE)
    expect(shown(p, at)).toBe('0-9:3')
    expect(areas.find(at / PAGE_SIZE)?.anonId).not.toBe(0)
  })

  test('a neighbour that differs in protection only lends its family, so that they can be one later', () => {
    const p = machine(layout).process(0)
    const { areas } = p.space
    const at = p.map(8, RW, NEW, 0, 0, BASE)
    areas.mprotect(at + 4 * PAGE_SIZE, 4 * PAGE_SIZE, RW | 4)
    p.mmu.store8(at, 1)
    p.mmu.store8(at + 4 * PAGE_SIZE, 1)
    expect(shown(p, at)).toBe('0-4:3 4-8:7')

    areas.mprotect(at + 4 * PAGE_SIZE, 4 * PAGE_SIZE, RW)
    expect(shown(p, at)).toBe('0-8:3')
  })

  test('areas of an object merge where the offset goes on, and each is one reference', () => {
    const m = machine(layout)
    const p = m.process(0)
    const object = m.object(16)
    const refs = () => m.cpu.load(object + ShmObject.refs)
    const at = p.map(4, RW, SHARED | MAP_FIXED, object, 0, BASE)
    expect(refs()).toBe(2)

    p.map(4, RW, SHARED | MAP_FIXED, object, 8, BASE + 4 * PAGE_SIZE)
    expect(shown(p, at)).toBe('0-4:3 4-8:3')
    expect(refs()).toBe(3)
    p.map(4, RW, SHARED | MAP_FIXED, object, 4, BASE + 4 * PAGE_SIZE)
    expect(shown(p, at)).toBe('0-8:3')
    expect(refs()).toBe(2)
    p.space.areas.mprotect(at + PAGE_SIZE, PAGE_SIZE, PROT_READ)
    expect(refs()).toBe(4)
    expect(countMappings(m.kernel, object)).toBe(3)
    p.space.areas.mprotect(at, 8 * PAGE_SIZE, PROT_READ)
    expect(refs()).toBe(2)
    p.space.areas.munmap(at, 8 * PAGE_SIZE)
    expect(refs()).toBe(1)
  })

  test('the last mapping of shared anonymous memory frees it', () => {
    const m = machine(layout)
    const p = m.process(0)
    const first = p.map(4, RW, SHARED_ANON)
    const before = m.kernel.objects.all()
    const object = p.space.areas.find(first / PAGE_SIZE)?.object ?? 0
    expect([...before]).toEqual([object])
    p.mmu.store8(first, 7)

    p.space.areas.munmap(first, 2 * PAGE_SIZE)
    expect(m.kernel.objects.isObject(object)).toBe(true)
    p.space.areas.munmap(first + 2 * PAGE_SIZE, 2 * PAGE_SIZE)
    expect(m.kernel.objects.isObject(object)).toBe(false)
  })

  // ── protection ──────────────────────────────────────────────────────────────────────────────────────────────────

  test('a shared mapping by a descriptor that only reads never becomes writable; a private one does', () => {
    const m = machine(layout)
    const { areas } = m.process(0).space
    const backing = { object: m.object(4), access: 0 }

    expect(areas.mmap(0, PAGE_SIZE, RW, SHARED, backing, 0)).toBe(-EACCES)
    const shared = areas.mmap(0, PAGE_SIZE, PROT_READ, SHARED, backing, 0)
    expect(areas.mprotect(shared, PAGE_SIZE, RW)).toBe(-EACCES)
    const own = areas.mmap(0, PAGE_SIZE, PROT_READ, PRIVATE, backing, 0)
    expect(areas.mprotect(own, PAGE_SIZE, RW)).toBe(0)
  })

  test('an mprotect that comes to a hole, or to what it may not change, has changed what lies before', () => {
    const m = machine(layout)
    const p = m.process(0)
    const { areas } = p.space
    const at = p.map(2, RW, NEW, 0, 0, BASE)
    areas.mmap(
      BASE + 2 * PAGE_SIZE,
      PAGE_SIZE,
      PROT_READ,
      SHARED | MAP_FIXED,
      { object: m.object(1), access: 0 },
      0,
    )
    p.map(1, PROT_NONE, NEW, 0, 0, BASE + 4 * PAGE_SIZE)

    expect(areas.mprotect(at + PAGE_SIZE, 4 * PAGE_SIZE, PROT_NONE)).toBe(-ENOMEM)
    expect(shown(p, at)).toBe('0-1:3 1-2:0 2-3:0 4-5:0')
    expect(areas.mprotect(at, 3 * PAGE_SIZE, PROT_WRITE)).toBe(-EACCES)
    expect(shown(p, at)).toBe('0-2:2 2-3:0 4-5:0')
  })

  test('pages of PROT_NONE keep what they hold, hidden, and are back without a fault', () => {
    const m = machine(layout)
    const p = m.process(0)
    const at = p.map(3)
    p.mmu.store32(at, 77)
    p.mmu.load32(at + PAGE_SIZE) // the zero page
    const entry = p.space.table.find(at / PAGE_SIZE)

    p.space.areas.mprotect(at, 3 * PAGE_SIZE, PROT_NONE)
    expect(isMarker(m.cpu.load(entry), HIDDEN)).toBe(true)
    expect(() => p.mmu.load32(at)).toThrow('SIGSEGV')
    expect(m.problems()).toEqual([])

    p.space.areas.mprotect(at, 3 * PAGE_SIZE, RW)
    expect(
      p.faults(() => {
        expect(p.mmu.load32(at)).toBe(77)
        p.mmu.store32(at, 78)
        expect(p.mmu.load32(at + PAGE_SIZE)).toBe(0)
      }),
    ).toBe(0)
    expect(p.faults(() => { p.mmu.store32(at + PAGE_SIZE, 1) })).toBe(1) // prettier-ignore
    expect(m.problems()).toEqual([])
  })

  test('what is hidden and then unmapped is free again', () => {
    const m = machine(layout)
    const p = m.process(0)
    const round = () => {
      const at = p.map(64)
      for (let i = 0; i < 64; i++) p.mmu.store8(at + i * PAGE_SIZE, i)
      p.space.areas.mprotect(at, 32 * PAGE_SIZE, PROT_NONE)
      p.space.areas.munmap(at, 64 * PAGE_SIZE)
      p.frames.drainRetired()
      p.frames.drainRetired()
      return p.frames.freeBytes()
    }
    const free = round()

    expect(round()).toBe(free)
    expect(p.space.table.countTables()).toEqual(layout === 'lp64' ? [0, 0, 0, 1] : [0, 0, 1]) // the root stays
    expect(m.problems()).toEqual([])
  })

  // ── placement ───────────────────────────────────────────────────────────────────────────────────────────────────

  test('mappings lie one below the other, from the base down', () => {
    const p = machine(layout).process(0)
    const base = mmapBase(layout === 'lp64' ? LP64 : ILP32, 1, false) * PAGE_SIZE

    expect(base).toBe(layout === 'lp64' ? 0x7fff_f7ff_f000 : 0x8000_0000)
    expect(p.map(2)).toBe(base - 2 * PAGE_SIZE)
    expect(p.map(3, PROT_READ)).toBe(base - 5 * PAGE_SIZE)
    p.space.areas.munmap(base - 2 * PAGE_SIZE, 2 * PAGE_SIZE)
    expect(p.map(3, PROT_NONE)).toBe(base - 8 * PAGE_SIZE)
    expect(p.map(1, PROT_NONE)).toBe(base - PAGE_SIZE)
  })

  test('the same seed gives the same place, another one another', () => {
    const of = (seed: number) => mmapBase(layout === 'lp64' ? LP64 : ILP32, seed, true)
    const places = new Set(Array.from({ length: 64 }, (_, seed) => of(seed)))
    const bits = layout === 'lp64' ? 28 : 8
    const top = layout === 'lp64' ? (LP64.taskSize - 16 * GiB - 9 * MiB) / PAGE_SIZE : (2 * GiB) / PAGE_SIZE

    expect(of(5)).toBe(of(5))
    expect(places.size).toBeGreaterThan(layout === 'lp64' ? 60 : 40)
    for (const place of places) {
      expect(place).toBeLessThanOrEqual(top)
      expect(place).toBeGreaterThan(top - 2 ** bits)
    }
  })

  // ── who may look, and who takes over ────────────────────────────────────────────────────────────────────────────

  test('another thread reads the areas as they are', () => {
    const m = machine(layout)
    const p = m.process(0)
    const other = m.process(1)
    const at = p.map(4, RW, NEW, 0, 0, BASE)
    other.map(2)
    p.mmu.store8(at, 1)
    p.space.areas.mprotect(at + PAGE_SIZE, PAGE_SIZE, PROT_READ)

    const seen = areasOf(m.kernel, p.at)
    expect(seen).toMatchObject(
      [...p.space.areas.all()].map(({ start, end, prot, flags, offset, anonId, at: cell }) => ({
        ...{ start, end, prot, flags, offset, anonId, at: cell, space: p.at },
      })),
    )
    expect(seen).toHaveLength(3)
  })

  test('the next mutator goes on where the last one stopped', () => {
    const m = machine(layout)
    const p = m.process(0)
    const at = p.map(6, RW, NEW, 0, 0, BASE)
    p.mmu.store8(at, 1)
    p.space.areas.munmap(at + 2 * PAGE_SIZE, PAGE_SIZE)

    const next = new Areas(m.kernel, p.at)
    expect([...next.all()].map(({ start, end, anonId }) => [start, end, anonId])).toEqual(
      [...p.space.areas.all()].map(({ start, end, anonId }) => [start, end, anonId]),
    )
    expect(next.count).toBe(2)
    expect(next.mmap(at + 2 * PAGE_SIZE, PAGE_SIZE, RW, NEW, undefined, 0)).toBe(at + 2 * PAGE_SIZE)
    expect(next.count).toBe(1)
    expect(m.cpu.load(p.at + SpaceState.areaCount)).toBe(1)
  })

  test('a space that ends gives back its cells and references; twice is once', () => {
    const m = machine(layout)
    const p = m.process(0)
    const object = m.object(4)
    p.map(4)
    p.map(4, RW, SHARED, object)
    p.map(4, RW, SHARED_ANON)

    dropAreas(m.kernel, p.at)
    dropAreas(m.kernel, p.at)
    expect(areasOf(m.kernel, p.at)).toEqual([])
    expect([...m.kernel.objects.all()]).toEqual([object])
    expect(m.cpu.load(object + ShmObject.refs)).toBe(1)
    expect(m.cpu.load(p.at + SpaceState.areaCount)).toBe(0)
  })

  test('MAP_POPULATE and MAP_LOCKED make the pages present, MAP_NONBLOCK takes that back', () => {
    const p = machine(layout).process(0)
    const touched = (flags: number) => {
      const at = p.map(5, RW, ANON | flags)
      const faults = p.faults(() => { for (let i = 0; i < 5; i++) p.mmu.store8(at + i * PAGE_SIZE, 1) }) // prettier-ignore
      p.space.areas.munmap(at, 5 * PAGE_SIZE)
      return faults
    }

    expect(touched(0)).toBe(5)
    expect(touched(MAP_POPULATE)).toBe(0)
    expect(touched(MAP_LOCKED)).toBe(0)
    expect(touched(MAP_POPULATE | MAP_NONBLOCK)).toBe(5)
  })

  test('a page table that serves nobody any more is freed, those of neighbours stay', () => {
    const m = machine(layout)
    const p = m.process(0)
    const at = p.map(1024, RW, NEW, 0, 0, BASE)
    for (let i = 0; i < 1024; i += 256) p.mmu.store8(at + i * PAGE_SIZE, 1)
    const [lowest] = p.space.table.countTables()
    expect(lowest).toBe(2)

    p.space.areas.munmap(at + 100 * PAGE_SIZE, 924 * PAGE_SIZE)
    expect(p.space.table.countTables()[0]).toBe(1)
    p.space.areas.munmap(at, 99 * PAGE_SIZE)
    expect(p.space.table.countTables()[0]).toBe(1)
    p.space.areas.munmap(at + 99 * PAGE_SIZE, PAGE_SIZE)
    expect(p.space.table.countTables()[0]).toBe(0)
    expect(m.problems()).toEqual([])
  })
})

test('lp64: MAP_32BIT gives addresses that V8 keeps as small integers', () => {
  const { areas } = machine('lp64').process(0).space
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT

  expect(areas.mmap(0, PAGE_SIZE, RW, flags, undefined, 0)).toBe(GiB)
  expect(areas.mmap(0, PAGE_SIZE, PROT_READ, flags, undefined, 0)).toBe(GiB + PAGE_SIZE)
  expect(areas.mmap(0, GiB, PROT_READ, flags, undefined, 0)).toBe(-ENOMEM)
})

test('ilp32: what does not fit below 2 GiB lies above', () => {
  const { areas } = machine('ilp32').process(0).space
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
  const low = areas.mmap(0, 1.5 * GiB, PROT_NONE, flags, undefined, 0)
  const high = areas.mmap(0, GiB, PROT_READ, flags, undefined, 0)

  expect(low).toBe(0.5 * GiB)
  expect(high).toBe(2 * GiB)
  expect(areas.mmap(0, GiB, PROT_READ, flags, undefined, 0)).toBe(-ENOMEM)
  expect(areas.mmap(0, 64 * MiB, MAP_SHARED, flags, undefined, 0)).toBe(0.5 * GiB - 64 * MiB)
})
