/** What does not add up in the shared memory objects of a machine at rest, in sentences. */

import type { Cpu } from '../host/cpu.ts'
import { Frame, kindOf, OWNED } from '../frames/frame.ts'
import { flagsOf, frameAt } from '../frames/zone.ts'
import { LP64 } from '../paging/addresses.ts'
import { isPresent, pfnOf, TABLE_ENTRIES } from '../paging/pte.ts'
import { PAGE_WORDS } from '../words/constants.ts'
import { framesOwnedBy } from '../frames/owned.ts'
import type { ObjectStore } from './objects.ts'
import { pagesOf } from './resize.ts'
import { RECOUNT, ShmObject } from './shm-object.ts'

const { lock, flags, refs, pages, run, cutting, root } = ShmObject

/** All of them. */
export function* storageProblems(store: ObjectStore): Generator<string> {
  for (const at of store.all()) yield* objectProblems(store, at)
}

export function* objectProblems(store: ObjectStore, at: number): Generator<string> {
  const { cpu } = store.frames
  const name = `shared memory object at ${at}`
  const counted = store.countRefs(at)
  const noted = cpu.load(at + refs)
  if (noted !== counted) yield `${name} says it has ${noted} references, and ${counted} are found`
  if (noted <= 0) yield `${name} lives with no reference`
  if (cpu.load(at + lock) !== 0) yield `${name} is locked (word ${cpu.load(at + lock)})`
  if (cpu.load(at + cutting) !== 0) yield `${name} is being given another size`
  if ((cpu.load(at + flags) & RECOUNT) !== 0) yield `${name} waits for its references to be counted`
  if (pagesOf(store.sizeOf(at)) !== store.pages(at)) {
    yield `${name} has ${store.sizeOf(at)} bytes and ${store.pages(at)} pages`
  }
  yield* frameProblems(store, at, name)
}

/** Index and run against the frame table. */
function* frameProblems(store: ObjectStore, at: number, name: string): Generator<string> {
  const { frames, index } = store
  const { cpu, geometry } = frames
  const owned = new Set(framesOwnedBy(frames, at))
  const problems: string[] = []
  const expect: Expect = (pfn, page, what) => {
    if (kindOf(flagsOf(frames, pfn)) !== OWNED || !owned.delete(pfn)) {
      problems.push(`${name}: frame ${pfn} is ${what} ${page}, and is not its own`)
    } else if (cpu.plainLoad(frameAt(geometry, pfn) + Frame.index) !== page) {
      problems.push(`${name}: frame ${pfn} is ${what} ${page}, and says otherwise`)
    }
  }
  const top = cpu.load(at + root)
  if (isPresent(top)) expectTables(cpu, pfnOf(top), LP64.levels - 1, expect)
  index.visit(at, (page, pfn) => {
    expect(pfn, page, 'its page')
    if (page >= cpu.load(at + pages) && !isZero(store, pfn)) {
      problems.push(`${name}: page ${page} is behind the end, and not zero`)
    }
  })
  const first = cpu.load(at + run)
  if (isPresent(first)) {
    expect(pfnOf(first), 0, 'its run, from page')
    if (frames.framesOf(pfnOf(first)) < store.pages(at))
      problems.push(`${name}: its run is shorter than it is`)
    if (cpu.load(at + root) !== 0) problems.push(`${name} has both a run and an index`)
  }
  for (const pfn of owned) problems.push(`${name} owns frame ${pfn}, and does not use it`)
  yield* problems
}

type Expect = (pfn: number, index: number, what: string) => void

function expectTables(cpu: Cpu, table: number, level: number, expect: Expect): void {
  expect(table, level, 'its table of level')
  for (let i = 0; level > 0 && i < TABLE_ENTRIES; i++) {
    const link = cpu.load(table * PAGE_WORDS + i)
    if (isPresent(link)) expectTables(cpu, pfnOf(link), level - 1, expect)
  }
}

function isZero({ frames: { cpu } }: ObjectStore, pfn: number): boolean {
  for (let word = 0; word < PAGE_WORDS; word++) if (cpu.load(pfn * PAGE_WORDS + word) !== 0) return false
  return true
}
