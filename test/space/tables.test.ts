import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAP_FIXED, MAP_NORESERVE } from '../../src/space/constants.ts'
import { GiB, MiB, PAGE_SIZE } from '../../src/words/constants.ts'
import { ANON, machine, RW } from './fault-world.ts'

/** Around these, pages fall into different tables of one level or another. */
const EDGES = {
  lp64: [2 * MiB, 4 * MiB, GiB, GiB + 2 * MiB, 512 * GiB, 513 * GiB, 1024 * GiB, 2 ** 47 - PAGE_SIZE],
  ilp32: [2 * MiB, 4 * MiB, GiB, GiB + 2 * MiB, 2 * GiB, 3 * GiB],
} as const

describe.each(['lp64', 'ilp32'] as const)('%s', (layout) => {
  test(
    'whatever was mapped and touched, and in whatever pieces it goes: at last only the root table is left',
    {
      timeout: 60_000,
    },
    () => {
      const m = machine(layout)
      const p = m.process(0)
      const { areas, table } = p.space
      const edges = EDGES[layout]
      const top = edges[edges.length - 1]
      const piece = fc.record({
        edge: fc.constantFrom(...edges),
        shift: fc.integer({ min: -3, max: 3 }),
        pages: fc.constantFrom(1, 2, 5, 600),
        how: fc.constantFrom('map', 'map', 'touch', 'touch', 'unmap'),
      })

      fc.assert(
        fc.property(fc.array(piece, { maxLength: 40 }), fc.boolean(), (pieces, fromTop) => {
          for (const { edge, shift, pages, how } of pieces) {
            const at = Math.min(edge + shift * PAGE_SIZE, top - pages * PAGE_SIZE)
            const length = pages * PAGE_SIZE
            if (how === 'map') areas.mmap(at, length, RW, ANON | MAP_FIXED | MAP_NORESERVE, undefined, 0)
            else if (how === 'unmap') areas.munmap(at, length)
            else if (areas.find(at / PAGE_SIZE) !== undefined) p.mmu.store8(at, 1)
          }
          expect(m.problems()).toEqual([])

          const left = [...areas.all()].map(({ start, end }) => [start, end] as const)
          for (const [start, end] of fromTop ? left.reverse() : left) {
            areas.munmap(start * PAGE_SIZE, (end - start) * PAGE_SIZE)
          }
          const counts = table.countTables()
          expect(counts.slice(0, -1).every((count) => count === 0)).toBe(true)
          p.frames.drainRetired()
        }),
        { numRuns: 60 },
      )
      expect(m.problems()).toEqual([])
    },
  )
})
