/**
 * Residency: which frames stand behind the pages of a process, and how many entries of all processes name each of them.
 * Nothing counts that: a frame of an object is found by walking the areas that map the object, a private one has one entry.
 *
 *   object ──► areas that map it, in whatever space ──► their entries ──► frame: 1, 2, 3 ...
 *
 * Areas are read first, then tables are walked inside the kernel (frames/retire.ts): those that are unlinked meanwhile stay
 * readable. What others map and unmap in between may be counted or not, as in Linux.
 */

import { LP64, pagesAt } from '../paging/addresses.ts'
import { ACCESSED, DIRTY, HIDDEN, isMarker, isPresent, pfnOf, SPECIAL } from '../paging/pte.ts'
import { PageTable } from '../paging/table.ts'
import { areasOf, type AreaInfo } from '../space/areas-of.ts'
import type { Kernel } from '../space/kernel.ts'
import { isPrivateFrame } from '../space/private-page.ts'
import { SpaceState } from '../space/space-state.ts'
import { Vma } from '../space/vma.ts'
import { ShmObject } from '../storage/shm-object.ts'

/** A page that has a frame of its own: no page of zeroes that is shared by all. */
export interface ResidentPage {
  readonly vpn: number
  readonly pfn: number
  /** The frame is this process's alone, not a page of what is mapped. */
  readonly isPrivate: boolean
  readonly isAccessed: boolean
  readonly isDirty: boolean
}

/** How many entries name a frame. */
export type MapCounts = ReadonlyMap<number, number>

/** The page table of a space, to look at. Inside the kernel. */
export function tableOf({ attachment, layout }: Kernel, spaceAt: number): PageTable {
  return new PageTable(attachment.frames, layout, spaceAt + SpaceState.root, spaceAt)
}

/** Visits the resident pages in [start, end) of a space. Inside the kernel. */
export function visitResident(
  kernel: Kernel,
  spaceAt: number,
  { start, end }: Pick<AreaInfo, 'start' | 'end'>,
  visitor: (page: ResidentPage) => void,
): void {
  const { frames } = kernel.attachment
  tableOf(kernel, spaceAt).visit(start, end, (_at, vpn, pte) => {
    const isHidden = isMarker(pte, HIDDEN)
    if (!isHidden && (!isPresent(pte) || (pte & SPECIAL) !== 0)) return
    const pfn = pfnOf(pte)
    if (pfn === kernel.zeroFrame) return // hidden: a page that was only read, and is nobody's
    const isPrivate = isPrivateFrame(frames, pfn, spaceAt)
    // What PROT_NONE hides keeps no bits: a private page is there because it was written.
    const isAccessed = isHidden || (pte & ACCESSED) !== 0
    const isDirty = isHidden ? isPrivate : (pte & DIRTY) !== 0
    visitor({ vpn, pfn, isPrivate, isAccessed, isDirty })
  })
}

/** The areas of every space, each as they were at one moment. Outside the kernel. */
export function allAreas(kernel: Kernel): AreaInfo[] {
  const { cpu, frames } = kernel.attachment
  const spaces = new Set<number>()
  for (const at of frames.cellsOf(Vma.signature)) spaces.add(cpu.load(at + Vma.space))
  return [...spaces].flatMap((spaceAt) => areasOf(kernel, spaceAt))
}

/** For the frames of objects, by way of all areas that map them. Inside the kernel. */
export function countMappings(kernel: Kernel, areas: readonly AreaInfo[]): MapCounts {
  const counts = new Map<number, number>()
  for (const area of areas) {
    visitResident(kernel, area.space, area, ({ pfn, isPrivate }) => {
      if (!isPrivate) counts.set(pfn, (counts.get(pfn) ?? 0) + 1)
    })
  }
  return counts
}

/** The page of an object that a frame holds, or undefined. Inside the kernel. */
export function pageIndexOf(kernel: Kernel, objectAt: number, pfn: number): number | undefined {
  const { cpu } = kernel.attachment
  const run = cpu.load(objectAt + ShmObject.run)
  if (run !== 0) return pfn - pfnOf(run)
  let index: number | undefined
  indexTableOf(kernel, objectAt).visit(0, pagesAt(LP64.levels), (_at, page, pte) => {
    if (pfnOf(pte) === pfn) index = page
  })
  return index
}

/** The table of an object's pages, to look at. Inside the kernel. */
export function indexTableOf({ attachment }: Kernel, objectAt: number): PageTable {
  return new PageTable(attachment.frames, LP64, objectAt + ShmObject.root, objectAt)
}
