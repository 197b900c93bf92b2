/** Areas: which are one, where they lie, who may look at them. */

import { describe, expect, test } from 'vitest'
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
} from '../../src/space/constants.ts'
import { mmapBase } from '../../src/space/placement.ts'
import { SpaceState } from '../../src/space/space-state.ts'
import { countMappings, dropAreas } from '../../src/space/vma-cells.ts'
import { ILP32, LP64 } from '../../src/paging/addresses.ts'
import { ShmObject } from '../../src/storage/shm-object.ts'
import { GiB, MiB, PAGE_SIZE } from '../../src/words/constants.ts'
import { ENOMEM } from '../../src/words/errno.ts'
import { ANON, machine, RW, SHARED, SHARED_ANON, type TestProcess } from './fault-world.ts'

const NEW = ANON | MAP_FIXED

/** `start-end:prot` of each area, in pages from `base` on. */
function shown({ space }: TestProcess, base: number): string {
  const first = base / PAGE_SIZE
  return [...space.areas.all()]
    .map(({ start, end, prot }) => `${start - first}-${end - first}:${prot}`)
    .join(' ')
}

describe.each(['lp64', 'ilp32'] as const)('%s', (layout) => {
  const BASE = 0x4000_0000

  // ── merging by families of pages ───────────────────────────────────────────────────────────────────────────────

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

  // ── placement ──────────────────────────────────────────────────────────────────────────────────────────────────

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

  // ── who may look, and who takes over ───────────────────────────────────────────────────────────────────────────

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
