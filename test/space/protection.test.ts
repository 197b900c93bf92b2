/** mprotect: what may be given, what stays changed when it fails, pages that are hidden. */

import { describe, expect, test } from 'vitest'
import { isMarker, HIDDEN } from '../../src/paging/pte.ts'
import { MAP_FIXED, PROT_NONE, PROT_READ, PROT_WRITE } from '../../src/space/constants.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { EACCES, ENOMEM } from '../../src/words/errno.ts'
import { ANON, machine, PRIVATE, RW, SHARED, type TestProcess } from './fault-world.ts'

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
})
