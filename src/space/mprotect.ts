/**
 * mprotect(2): gives a range of pages another protection, area by area, merging with neighbours and cutting as it goes.
 *
 * As in Linux, a call that fails half-way has changed what lies below the page where it failed.
 *
 * See: do_mprotect_pkey(), mprotect_fixup() in mm/mprotect.c; vma_modify(), vma_merge_existing_range() in mm/vma.c.
 */

import { alignUp } from '../words/bits.ts'
import { PAGE_SIZE } from '../words/constants.ts'
import { EACCES, EINVAL, ENOMEM } from '../words/errno.ts'
import type { AreaNode } from './area.ts'
import { MAX_AREAS } from './area-table.ts'
import type { SpaceAreas } from './space-areas.ts'
import { PROT_EXEC, PROT_READ, PROT_WRITE } from './constants.ts'
import { canClose, canFollow, canPrecede, type Piece } from './merge.ts'
import { VM_ACCOUNT, VM_GROWSDOWN, VM_LOCKED, VM_NORESERVE, VM_SHARED } from './vma.ts'

const PROT_SEM = 8
const PROT_GROWSDOWN = 0x01000000
const PROT_GROWSUP = 0x02000000
const ACCESS = PROT_READ | PROT_WRITE | PROT_EXEC

/**
 * Sets the protection of every page in [address, address + length). Called by the mutator only.
 *
 * Returns 0, or
 *  -EINVAL  address is not on a page boundary; prot has an unknown bit; PROT_GROWSDOWN on an area that does not grow
 *  -ENOMEM  some page is not mapped, the range leaves the address space, or there are too many areas
 *  -EACCES  prot asks for more than what is mapped allows: a shared mapping by a read-only descriptor cannot be written
 */
export function mprotect(space: SpaceAreas, address: number, length: number, prot: number): number {
  const { layout, table } = space
  const grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP)
  const wanted = prot & ~(PROT_GROWSDOWN | PROT_GROWSUP)
  if (grows === (PROT_GROWSDOWN | PROT_GROWSUP)) return -EINVAL
  if (address % PAGE_SIZE !== 0) return -EINVAL
  if (length === 0) return 0
  if (!(length >= 0) || address < 0 || alignUp(length, PAGE_SIZE) >= wordEnd(layout.name) - address)
    return -ENOMEM
  if ((wanted & ~(ACCESS | PROT_SEM)) !== 0) return -EINVAL
  let start = address / PAGE_SIZE
  const end = start + alignUp(length, PAGE_SIZE) / PAGE_SIZE
  const first = table.tree.firstEndingAfter(start)
  if (first === undefined || first.start >= end) return -ENOMEM
  if (grows === PROT_GROWSDOWN) {
    start = first.start
    if ((first.flags & VM_GROWSDOWN) === 0) return -EINVAL
  } else {
    if (first.start > start) return -ENOMEM
    if (grows === PROT_GROWSUP) return -EINVAL // no area grows up here
  }
  return protectAreas(space, first, start, end, wanted & ACCESS)
}

/** Behind the last address that a register can hold. */
function wordEnd(layout: 'lp64' | 'ilp32'): number {
  return layout === 'lp64' ? 2 ** 64 : 2 ** 32
}

function protectAreas(space: SpaceAreas, first: AreaNode, start: number, end: number, prot: number): number {
  const { tree } = space.table
  let area: AreaNode | undefined = first
  for (let from = start; from < end;) {
    if (area === undefined || area.start > from) return -ENOMEM
    if ((prot & ~area.mayProt) !== 0) return -EACCES
    const to: number = Math.min(area.end, end)
    const failed = protectPart(space, area, from, to, prot)
    if (failed < 0) return failed
    // What was changed may have merged with what comes next, which is then done as part of it.
    const now = tree.firstEndingAfter(from)
    from = now === undefined ? to : Math.max(to, Math.min(now.end, end))
    area = tree.firstEndingAfter(from)
  }
  return 0
}

/** [from, to) lies in one area. 0 or -ENOMEM. */
function protectPart(space: SpaceAreas, area: AreaNode, from: number, to: number, prot: number): number {
  const { table, zapper } = space
  if (prot === area.prot) return 0
  const flags = flagsWith(area, prot)
  if ((flags & VM_ACCOUNT) !== 0 && (area.flags & VM_ACCOUNT) === 0 && !space.mayPromise(to - from))
    return -ENOMEM
  const wasLockedPrivate =
    (area.flags & (VM_LOCKED | VM_SHARED)) === VM_LOCKED && (area.prot & PROT_WRITE) === 0
  if (!merge(space, area, from, to, prot, flags)) {
    const part = cut(space, area, from, to)
    if (typeof part === 'number') return part
    table.setTraits(part, prot, flags)
  }
  zapper.protect(from, to, prot, (flags & VM_SHARED) !== 0)
  if (wasLockedPrivate && (prot & PROT_WRITE) !== 0) space.populateLater(from, to)
  return 0
}

/** The flags of an area once it has this protection: whether its pages count as promised (mprotect_fixup). */
function flagsWith(area: AreaNode, prot: number): number {
  if ((prot & PROT_WRITE) !== 0) {
    const isCounted =
      (area.flags & (VM_ACCOUNT | VM_SHARED | VM_NORESERVE)) !== 0 || (area.prot & PROT_WRITE) !== 0
    return isCounted ? area.flags : area.flags | VM_ACCOUNT
  }
  return area.object === 0 && area.anonId === 0 ? area.flags & ~VM_ACCOUNT : area.flags
}

/** Gives [from, to) of an area to its neighbours, if they are what it becomes. False if they are not. */
function merge(
  { table }: SpaceAreas,
  area: AreaNode,
  from: number,
  to: number,
  prot: number,
  flags: number,
): boolean {
  const { prev, next, mayProt, object, file, anonId } = area
  const offset = area.offset + (from - area.start)
  const piece: Piece = {
    start: from,
    end: to,
    traits: { flags, prot, mayProt, object, file },
    offset,
    anonId,
  }
  const before = from === area.start && canFollow(prev, piece) ? prev : undefined
  const behind = to === area.end && canPrecede(next, piece) ? next : undefined
  const after = before !== undefined && behind !== undefined && !canClose(before, behind) ? undefined : behind
  if (before === undefined && after === undefined) return false
  table.change(object, () => {
    if (before !== undefined) {
      if (before.anonId === 0)
        table.setAnonId(before, after === undefined || after.anonId === 0 ? anonId : after.anonId)
      table.growLocked(before, before.start, after?.end ?? to, after === undefined ? [area] : [area, after])
    } else if (after !== undefined) {
      if (after.anonId === 0) table.setAnonId(after, anonId)
      table.growLocked(after, from, after.end, [area])
    }
  })
  return true
}

/** Cuts an area so that [from, to) is one by itself. -ENOMEM: as in Linux, a cut that was made stays. */
function cut({ table }: SpaceAreas, area: AreaNode, from: number, to: number): AreaNode | number {
  let part = area
  for (const at of [from, to]) {
    if (at === part.start || at === part.end) continue
    const cell = table.count >= MAX_AREAS ? -ENOMEM : table.newCell()
    if (cell < 0) return cell
    table.change(area.object, () => {
      const upper = table.splitLocked(part, at, cell)
      if (at === from) part = upper
    })
  }
  return part
}
