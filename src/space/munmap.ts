/**
 * munmap(2), and the first half of mmap(MAP_FIXED): takes a range of pages away from the areas that cover it.
 *
 *   entries first, then the cell: as long as an entry may name an object's page, truncation finds the area.
 *
 * See: do_vmi_munmap(), vms_gather_munmap_vmas() in mm/vma.c.
 */

import { alignUp } from '../words/bits.ts'
import { PAGE_SIZE } from '../words/constants.ts'
import { EINVAL, ENOMEM } from '../words/errno.ts'
import type { AreaNode } from './area.ts'
import { MAX_AREAS } from './area-table.ts'
import type { SpaceAreas } from './space-areas.ts'

/**
 * Unmaps every page of [address, address + length); that nothing is mapped there is no error. Called by the mutator only.
 *
 * Returns 0, or
 *  -EINVAL  address is not on a page boundary, length is 0, or the range leaves the address space
 *  -ENOMEM  it would cut an area in two, and there are too many areas, or no memory for another
 */
export function munmap(space: SpaceAreas, address: number, length: number): number {
  const { taskSize } = space.layout
  if (address % PAGE_SIZE !== 0 || address < 0 || address > taskSize) return -EINVAL
  if (!(length > 0 && length <= taskSize - address)) return -EINVAL // NaN too
  const start = address / PAGE_SIZE
  const end = alignUp(address + length, PAGE_SIZE) / PAGE_SIZE
  const cell = cellForUnmapping(space, start, end)
  if (cell < 0) return cell
  unmapPages(space, start, end, cell)
  return 0
}

/** The cell that unmapping a range will need: 0 if none, since no area is cut in two. Or -ENOMEM. */
export function cellForUnmapping({ table }: SpaceAreas, start: number, end: number): number {
  const first = table.tree.firstEndingAfter(start)
  if (first === undefined || first.start >= start || first.end <= end) return 0
  return table.count >= MAX_AREAS ? -ENOMEM : table.newCell()
}

/** Unmaps [start, end). `cell` is what cellForUnmapping() gave. */
export function unmapPages(space: SpaceAreas, start: number, end: number, cell: number): void {
  const { table, zapper } = space
  let area = table.tree.firstEndingAfter(start)
  if (area === undefined || area.start >= end) return
  const floor = area.start < start ? start : (area.prev?.end ?? 0)
  while (area !== undefined && area.start < end) {
    const { next }: AreaNode = area
    unmapPart(space, area, Math.max(start, area.start), Math.min(end, area.end), cell)
    area = next
  }
  const ceiling = table.tree.firstEndingAfter(end)?.start ?? Infinity
  zapper.prune(start, end, floor, Math.max(end, ceiling))
}

function unmapPart(
  { table, zapper }: SpaceAreas,
  area: AreaNode,
  from: number,
  to: number,
  cell: number,
): void {
  zapper.unmap(from, to)
  table.change(area.object, () => {
    if (area.start < from && area.end > to) {
      table.splitLocked(area, to, cell)
      table.resizeLocked(area, area.start, from)
    } else if (area.start < from) {
      table.resizeLocked(area, area.start, from)
    } else if (area.end > to) {
      table.resizeLocked(area, to, area.end)
    } else {
      table.removeLocked(area)
    }
  })
}
