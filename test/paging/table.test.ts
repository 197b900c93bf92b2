import { describe, expect, test } from 'vitest'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { ENOMEM } from '../../src/words/errno.ts'
import { HIGH, paging } from './world.ts'

describe.each(['lp64', 'ilp32'] as const)('%s', (layout) => {
  const levels = layout === 'lp64' ? 4 : 3

  test('a page has an entry of its own, and tables are made where they are needed only', () => {
    const { table } = paging(layout)
    const first = HIGH[layout] / PAGE_SIZE

    expect(table.find(first)).toBe(0)
    const at = table.ensure(first)
    expect(table.find(first)).toBe(at)
    expect(table.ensure(first)).toBe(at)
    expect(table.ensure(first + 1)).toBe(at + 1)
    expect(table.countTables()).toEqual(new Array(levels).fill(1))

    const far = table.ensure(1)
    expect(far).not.toBe(at)
    expect(table.countTables()[0]).toBe(2)
    expect(table.countTables()[levels - 1]).toBe(1)
  })

  test('a visit sees what is in the range, in order, and nothing else', () => {
    const { table, cpu } = paging(layout)
    const pages = [0, 1, 511, 512, 513, 262_143, 262_144, HIGH[layout] / PAGE_SIZE]
    for (const page of [...pages].reverse()) cpu.store(table.ensure(page), (page << 8) | 1)
    const seen = (from: number, to: number) => {
      const found: number[] = []
      table.visit(from, to, (at, vpn, pte) => {
        expect(at).toBe(table.find(vpn))
        expect(pte).toBe((vpn << 8) | 1)
        found.push(vpn)
      })
      return found
    }

    expect(seen(0, 2 ** 35)).toEqual(pages)
    expect(seen(1, 513)).toEqual([1, 511, 512])
    expect(seen(512, 512)).toEqual([])
    expect(seen(514, 262_144)).toEqual([262_143])
  })

  test('tables that cover a range are freed when it is empty, those beside it stay', () => {
    const { table, frames } = paging(layout)
    const before = frames.freeBytes()
    table.ensure(0)
    table.ensure(600)
    const at = table.ensure(511)

    table.prune(512, 1024)
    expect(table.find(600)).toBe(0)
    expect(table.find(511)).toBe(at)

    table.clear()
    expect(table.find(511)).toBe(0)
    frames.drainRetired()
    frames.drainRetired()
    expect(frames.freeBytes()).toBe(before)
  })

  test('where memory is out, the page gets no entry, and what was there stays', () => {
    const { table, frames } = paging(layout, 64)
    table.ensure(0)
    while (frames.allocFrame() >= 0);

    expect(table.ensure(HIGH[layout] / PAGE_SIZE)).toBe(-ENOMEM)
    expect(table.find(0)).not.toBe(0)
  })
})
