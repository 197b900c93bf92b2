/** What an address space has room for: addresses, lengths, areas, memory. */

import { describe, expect, test } from 'vitest'
import { MAX_AREAS } from '../../src/space/area-table.ts'
import { MAP_FIXED, MAP_NORESERVE, PROT_NONE, PROT_READ } from '../../src/space/constants.ts'
import { ILP32, LP64 } from '../../src/paging/addresses.ts'
import { MiB, PAGE_SIZE } from '../../src/words/constants.ts'
import { EINVAL, ENOMEM, EPERM } from '../../src/words/errno.ts'
import { ANON, machine, RW, SHARED_ANON, type TestProcess } from './fault-world.ts'

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
})
