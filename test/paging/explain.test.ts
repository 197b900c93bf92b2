import { describe, expect, test } from 'vitest'
import { explainAddress } from '../../src/paging/explain.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { HIGH, paging } from './world.ts'

describe.each(['lp64', 'ilp32'] as const)('%s', (layout) => {
  const high = HIGH[layout]

  test('the walk of a page leads from the root to its frame, by the bits of the address', () => {
    const { mmu, map, table, bytes } = paging(layout)
    map(high)
    mmu.store8(high + 0x123, 77)

    const walk = explainAddress(table, high + 0x123)

    const bits = walk.steps.map((step) => step.index.toString(2).padStart(9, '0')).join('')
    expect(parseInt(bits, 2) * PAGE_SIZE + walk.offset).toBe(high + 0x123)
    expect(walk.steps.map((step) => step.level)).toEqual(
      ['pgd', 'pud', 'pmd', 'pte'].slice(-walk.steps.length),
    )
    for (let i = 1; i < walk.steps.length; i++) expect(walk.steps[i].table).toBe(walk.steps[i - 1].frame)
    expect(walk).toMatchObject({ offset: 0x123, writable: true, accessed: true, dirty: true })
    expect(bytes[walk.byte ?? 0]).toBe(77)
    expect(walk.toString()).toMatch(
      /pte {2}frame \d+ \[\d+\] -> frame \d+, writable, accessed, dirty\n {2}offset 0x123 -> byte/,
    )
  })

  test('it ends where a table is missing, and changes nothing', () => {
    const { mmu, map, table, cpu, presence } = paging(layout)
    expect(explainAddress(table, high)).toMatchObject({ steps: [], frame: null, byte: null })
    expect(explainAddress(table, high).toString()).toContain('no table at all')

    map(high, 1, false)
    mmu.load8(high)
    const before = [cpu.load(table.find(high / PAGE_SIZE)), table.countTables(), presence.syncs]
    const far = explainAddress(table, 0)
    const near = explainAddress(table, high + PAGE_SIZE)

    expect(far.steps.at(-1)?.frame).toBeNull()
    expect(near.steps.at(-1)).toMatchObject({ level: 'pte', entry: 0, frame: null })
    expect(near.toString()).toContain('-> nothing')
    expect(explainAddress(table, high)).toMatchObject({ writable: false, accessed: true, dirty: false })
    expect([cpu.load(table.find(high / PAGE_SIZE)), table.countTables(), presence.syncs]).toEqual(before)
  })
})
