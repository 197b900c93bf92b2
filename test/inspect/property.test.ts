import fc from 'fast-check'
import { expect, test } from 'vitest'
import { maps } from '../../src/inspect/maps.ts'
import { overhead } from '../../src/inspect/overhead.ts'
import { smaps, smapsRollup } from '../../src/inspect/smaps.ts'
import { PROT_NONE, PROT_READ } from '../../src/space/constants.ts'
import { CONTIGUOUS } from '../../src/storage/shm-object.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { ANON, PRIVATE, RW, SHARED, SHARED_ANON } from '../space/fault-world.ts'
import { inspectable } from './world.ts'

const PROCESSES = 3
const PAGES = 6

/** One thing that one of the processes does. Pages are counted from the beginning of the mapping that it is done to. */
const act = fc.record({
  process: fc.nat(PROCESSES - 1),
  what: fc.constantFrom(
    'anonymous',
    'shared',
    'private',
    'anonymous shared',
    'write',
    'read',
    'protect',
    'unmap',
  ),
  mapping: fc.nat(20),
  page: fc.nat(PAGES - 1),
  count: fc.integer({ min: 1, max: PAGES }),
  prot: fc.constantFrom(RW, RW, PROT_READ, PROT_NONE),
})

test.each(['lp64', 'ilp32'] as const)('%s: whatever was done, every count says the same', (layout) => {
  fc.assert(
    fc.property(fc.array(act, { minLength: 20, maxLength: 40 }), (acts) => {
      const m = inspectable(layout)
      const objects = [m.object(PAGES), m.object(PAGES, CONTIGUOUS)]
      const processes = Array.from({ length: PROCESSES }, (_, index) => ({
        ...m.process(index),
        at: [] as number[],
      }))
      for (const each of acts) perform(processes[each.process], objects, each)

      const frames = new Map<number, number>()
      let pss = 0
      for (const { view, space } of processes) {
        const each = smaps(view)
        const all = smapsRollup(view)
        const resident: number[] = []
        for (const { start, end } of maps(view)) {
          for (let at = start; at < end; at += PAGE_SIZE) {
            const pfn = space.explain(at).frame
            if (pfn !== null && pfn !== m.kernel.zeroFrame) resident.push(pfn)
          }
        }
        for (const pfn of resident) frames.set(pfn, (frames.get(pfn) ?? 0) + 1)
        const hidden = each.filter(({ perms }) => perms.startsWith('---'))
        const sum = (of: (one: (typeof each)[number]) => number): number =>
          each.reduce((total, one) => total + of(one), 0)

        expect(each.map(({ start, end }) => [start, end])).toEqual(
          maps(view).map(({ start, end }) => [start, end]),
        )
        expect(sum(({ size }) => size)).toBe(
          maps(view).reduce((total, { start, end }) => total + end - start, 0),
        )
        expect(all.rss).toBe(sum(({ rss }) => rss))
        // What PROT_NONE hides is resident, but no entry shows it.
        expect(all.rss - hidden.reduce((total, { rss }) => total + rss, 0)).toBe(resident.length * PAGE_SIZE)
        for (const one of [...each, all]) {
          expect(one.sharedClean + one.sharedDirty + one.privateClean + one.privateDirty).toBe(one.rss)
          expect(one.pssAnon + one.pssShmem + one.pssFile).toBeCloseTo(one.pss, 6)
          expect(one.pss).toBeLessThanOrEqual(one.rss)
          expect(one.pssDirty).toBeLessThanOrEqual(one.pss)
        }
        pss += all.pss - hidden.reduce((total, one) => total + one.pss, 0)
      }
      if (acts.every(({ prot, what }) => what !== 'protect' || prot !== PROT_NONE)) {
        // Every frame that anybody sees is counted once over all processes; shares are rounded down.
        expect(pss).toBeLessThanOrEqual(frames.size * PAGE_SIZE)
        expect(pss).toBeGreaterThan(frames.size * PAGE_SIZE - 1)
      }
      expect(overhead(processes[0].self).share).toBeLessThan(1)
      expect(m.problems()).toEqual([])
    }),
    { numRuns: 60 },
  )
})

type Process = ReturnType<ReturnType<typeof inspectable>['process']>

interface Act {
  readonly what: string
  readonly mapping: number
  readonly page: number
  readonly count: number
  readonly prot: number
}

function perform(
  process: Omit<Process, 'at'> & { at: number[] },
  objects: readonly number[],
  { what, mapping, page, count, prot }: Act,
): void {
  const object = objects[mapping % objects.length]
  const pages = Math.min(count, PAGES - page)
  if (what === 'anonymous') process.at.push(process.map(PAGES, RW, ANON))
  else if (what === 'anonymous shared') process.at.push(process.map(PAGES, RW, SHARED_ANON))
  else if (what === 'shared') process.at.push(process.map(PAGES, RW, SHARED, object))
  else if (what === 'private') process.at.push(process.map(PAGES, RW, PRIVATE, object))
  if (process.at.length === 0) return
  const start = process.at[mapping % process.at.length] + page * PAGE_SIZE
  try {
    if (what === 'write') process.mmu.store8(start, 1)
    else if (what === 'read') process.mmu.load8(start)
  } catch {
    // Where nothing is mapped any more, or nothing may be written: also something that smaps has to stand.
  }
  if (what === 'protect') process.space.areas.mprotect(start, pages * PAGE_SIZE, prot)
  else if (what === 'unmap') process.space.areas.munmap(start, pages * PAGE_SIZE)
}
