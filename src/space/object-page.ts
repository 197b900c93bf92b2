/**
 * Object pages: pages of a shared memory object in an address space. The frame is the object's; an entry that names it is a
 * claim on nothing, and may be taken out at any time.
 *
 *   the process                                        who truncates (storage), the object's lock held
 *   sequence = s                                       pages = fewer, sequence += 1
 *   index < pages? frame of index                      unmap: walk the areas of the object, entries ─► none
 *   compareExchange entry: none ─► frame               frames ─► limbo
 *   sequence still s? else take the entry out again
 *
 * Dekker: the truncation changes the sequence and then looks at the entries; we change the entry and then look at the
 * sequence. One of the two sees the other. All of it runs inside the kernel, so a frame that was taken from the object
 * meanwhile is not in other hands before we have looked.
 *
 * A read fault maps those of the 16 pages around that exist already, in one table and within area and object (Linux:
 * fault_around_bytes, 64 KiB): reading a segment that others filled faults once for 16 pages. They count as read, as on
 * x86.
 *
 * Entries of shared areas that can be written have WRITE from the first read on: nobody wants to notice the first store.
 */

import { ACCESSED, DIRTY, PRESENT, pteOf, TABLE_ENTRIES, WRITE } from '../paging/pte.ts'
import type { Area } from './area.ts'
import { PROT_WRITE } from './constants.ts'
import { AGAIN, BEYOND, DONE, READ, type Want } from './outcome.ts'
import type { SpaceParts } from './parts.ts'
import { VM_SHARED } from './vma.ts'

export const FAULT_AROUND_PAGES = 16

/** Maps the object's page where there is nothing. */
export function mapObjectPage(space: SpaceParts, area: Area, vpn: number, at: number, want: Want): number {
  const { frames } = space
  frames.enterKernel()
  try {
    return mapInside(space, area, vpn, at, want)
  } finally {
    frames.leaveKernel()
  }
}

function mapInside(space: SpaceParts, area: Area, vpn: number, at: number, want: Want): number {
  const { cpu, objects } = space
  const { object } = area
  const sequence = objects.sequence(object)
  const index = area.offset + (vpn - area.start)
  if (index >= objects.pages(object)) {
    // Linux looks around first, and then finds that there is nothing to look around.
    if (want === READ) mapAroundIfStill(space, area, vpn, at, sequence)
    return BEYOND
  }
  const pfn = objects.pageAt(object, index, true)
  if (pfn < 0) return pfn
  const isWritable = canBeWritten(area)
  const bits = bitsOf(area)
  const pte = pteOf(pfn, want === READ || !isWritable ? bits : bits | DIRTY)
  if (cpu.compareExchange(at, 0, pte) !== 0) return AGAIN
  const around = want === READ ? mapAround(space, area, vpn, at, bits) : undefined
  // Pairs with the store of the sequence in a truncation.
  if (objects.sequence(object) === sequence) return DONE
  cpu.compareExchange(at, pte, 0)
  if (around !== undefined) unmapAround(space, around)
  return AGAIN
}

function canBeWritten(area: Area): boolean {
  return (area.flags & VM_SHARED) !== 0 && (area.prot & PROT_WRITE) !== 0
}

/** Of an entry that was read. */
function bitsOf(area: Area): number {
  return PRESENT | ACCESSED | (canBeWritten(area) ? WRITE : 0)
}

function mapAroundIfStill(space: SpaceParts, area: Area, vpn: number, at: number, sequence: number): void {
  const around = mapAround(space, area, vpn, at, bitsOf(area))
  if (space.objects.sequence(area.object) !== sequence) unmapAround(space, around)
}

/** Entries that were mapped around one: the first one's word index, and how many in space.around, 0 for none. */
interface Around {
  readonly firstAt: number
  readonly count: number
}

function mapAround(space: SpaceParts, area: Area, vpn: number, at: number, bits: number): Around {
  const { cpu, objects, around } = space
  const { object } = area
  const from = Math.max(vpn - (vpn % FAULT_AROUND_PAGES), area.start)
  const tableEnd = vpn - (vpn % TABLE_ENTRIES) + TABLE_ENTRIES
  const lastOfObject = area.start + (objects.pages(object) - area.offset)
  const to = Math.min(from + FAULT_AROUND_PAGES, tableEnd, area.end, lastOfObject)
  const firstAt = at - (vpn - from)
  for (let page = from; page < to; page++) {
    const entryAt = firstAt + (page - from)
    around[page - from] = 0
    if (page === vpn || cpu.load(entryAt) !== 0) continue
    const pfn = objects.pageAt(object, area.offset + (page - area.start), false)
    if (pfn <= 0) continue
    const pte = pteOf(pfn, bits)
    if (cpu.compareExchange(entryAt, 0, pte) === 0) around[page - from] = pte
  }
  return { firstAt, count: Math.max(0, to - from) }
}

function unmapAround({ cpu, around }: SpaceParts, { firstAt, count }: Around): void {
  for (let i = 0; i < count; i++) {
    // Nobody has translated them: they were never anybody's but this thread's, which is here.
    if (around[i] !== 0) cpu.compareExchange(firstAt + i, around[i], 0)
  }
}
