/** check() finds what does not fit: each damage is said in a sentence that names the place. */

import { describe, expect, test } from 'vitest'
import { Frame } from '../../src/frames/frame.ts'
import { frameAt } from '../../src/frames/zone.ts'
import { EXCLUSIVE, pfnOf, PRESENT, pteOf, WRITE } from '../../src/paging/pte.ts'
import { PROT_READ } from '../../src/space/constants.ts'
import { SpaceState } from '../../src/space/space-state.ts'
import { PAGE_SIZE, PAGE_WORDS } from '../../src/words/constants.ts'
import { ANON, machine, RW, SHARED } from './fault-world.ts'

/** A process with a private page at `own`, one that can only be read, and one of an object. */
function prepared() {
  const m = machine('lp64')
  const p = m.process(0)
  const own = p.map(2, RW, ANON)
  p.mmu.store32(own, 1)
  const readOnly = p.map(1, PROT_READ)
  p.mmu.load32(readOnly)
  const object = m.object(2)
  const shared = p.map(2, RW, SHARED, object)
  p.mmu.store32(shared, 1)
  const entryOf = (address: number) => p.space.table.find(address / PAGE_SIZE)
  return { m, p, own, readOnly, shared, object, entryOf, set: (at: number, value: number) => { m.cpu.store(at, value) } } // prettier-ignore
}

type Prepared = ReturnType<typeof prepared>

const damages: readonly [string, (world: Prepared) => void, RegExp][] = [
  [
    'an entry where no area is',
    ({ entryOf, own, set, m }) => {
      set(entryOf(own) - 40, pteOf(m.kernel.zeroFrame, PRESENT))
    },
    /is mapped .* no area is there/,
  ],
  [
    'an entry that lets write where the area does not',
    ({ entryOf, readOnly, set, m }) => {
      set(entryOf(readOnly), m.cpu.load(entryOf(readOnly)) | WRITE)
    },
    /can be written, against its area|may write it/,
  ],
  [
    'a frame behind two pages',
    ({ entryOf, own, set, m }) => {
      set(entryOf(own + PAGE_SIZE), m.cpu.load(entryOf(own)))
    },
    /has frame \d+, which is page/,
  ],
  [
    'a frame that the space owns and nothing names',
    ({ entryOf, own, set }) => {
      set(entryOf(own), 0)
    },
    /owns frame \d+ and does not use it/,
  ],
  [
    'a private frame that is not said to be exclusive',
    ({ entryOf, own, set, m }) => {
      set(entryOf(own), m.cpu.load(entryOf(own)) & ~EXCLUSIVE)
    },
    /of its own, and does not say so/,
  ],
  [
    'another page of the object than the one that belongs there',
    ({ entryOf, shared, set, m }) => {
      set(entryOf(shared + PAGE_SIZE), m.cpu.load(entryOf(shared)))
    },
    /page 1 of its object is 0/,
  ],
  [
    'a table that is another’s',
    ({ entryOf, own, p, set }) => {
      const table = Math.floor(entryOf(own) / PAGE_WORDS)
      set(frameAt(p.frames.geometry, table) + Frame.object, 12345)
    },
    /table \d+ is OWNED, of 12345/,
  ],
  [
    'a table that is linked twice',
    ({ m, p, set }) => {
      const root = pfnOf(m.cpu.load(p.at + SpaceState.root)) * PAGE_WORDS
      const used = Array.from({ length: 512 }, (_, i) => m.cpu.load(root + i)).find((entry) => entry !== 0)
      set(root + 1, used ?? 0)
    },
    /is a table, and is a table/,
  ],
  [
    'a count of areas that is wrong',
    ({ p, m, set }) => {
      set(p.at + SpaceState.areaCount, m.cpu.load(p.at + SpaceState.areaCount) + 1)
    },
    /counts \d+ areas and has/,
  ],
]

describe('check()', () => {
  test('says nothing about spaces that are sound', () => {
    expect(prepared().m.problems()).toEqual([])
  })

  test.each(damages)('finds %s', (_, damage, sentence) => {
    const world = prepared()

    damage(world)

    expect(world.m.problems().join('\n')).toMatch(sentence)
  })
})
