/**
 * mmap(2): the checks, in Linux's order, then the place, then the area.
 *
 * See: do_mmap(), __get_unmapped_area() in mm/mmap.c; __mmap_region() in mm/vma.c.
 */

import { alignUp } from '../words/bits.ts'
import { PAGE_SIZE } from '../words/constants.ts'
import { EACCES, EBADF, EEXIST, EINVAL, ENOMEM, ENOTSUP, EOVERFLOW } from '../words/errno.ts'
import { ANONYMOUS } from '../storage/shm-object.ts'
import type { AreaTraits } from './area.ts'
import { MAX_AREAS } from './area-table.ts'
import type { SpaceAreas } from './space-areas.ts'
import {
  MAP_32BIT,
  MAP_ANONYMOUS,
  MAP_DENYWRITE,
  MAP_EXECUTABLE,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_HUGETLB,
  MAP_LOCKED,
  MAP_NONBLOCK,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_STACK,
  MAP_TYPE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from './constants.ts'
import { canClose, canFollow, canPrecede, type Piece } from './merge.ts'
import { cellForUnmapping, unmapPages } from './munmap.ts'
import { fixedPlace, freePlace, lowPlace } from './placement.ts'
import { VM_ACCOUNT, VM_GROWSDOWN, VM_LOCKED, VM_NOHUGEPAGE, VM_NORESERVE, VM_SHARED } from './vma.ts'

/** What a descriptor gives to map: an object, and O_RDONLY, O_WRONLY or O_RDWR. */
export interface Backing {
  readonly object: number
  readonly access: number
  /** Which opening of it: areas of one object that were mapped through two do not merge. */
  readonly file?: number
}

const O_RDONLY = 0
const O_WRONLY = 1
const O_RDWR = 2

const ALL = PROT_READ | PROT_WRITE | PROT_EXEC

/** MAP_ABOVE4G, the sizes of huge pages, and what only machines without an MMU do. */
const OTHER_FLAGS = 0x7c000080

/** What MAP_SHARED_VALIDATE accepts (Linux: LEGACY_MAP_MASK). MAP_FIXED_NOREPLACE is not among them. */
const KNOWN_FLAGS =
  MAP_TYPE | MAP_32BIT | MAP_FIXED | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_LOCKED | MAP_NORESERVE |
  MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | OTHER_FLAGS // prettier-ignore

/** An area that passed the checks. */
interface Plan {
  readonly traits: AreaTraits
  /** Page of the object; of anonymous memory, of the address space. */
  readonly offset: number
  readonly isAnonymousShared: boolean
}

/**
 * Maps `length` bytes of an object, or of memory that is zero. Called by the mutator only. What is no descriptor is
 * `backing` undefined without MAP_ANONYMOUS.
 *
 * Returns the address, or in this order
 *  -EINVAL      offset is not on a page boundary
 *  -EBADF       nothing to map, and not MAP_ANONYMOUS
 *  -EINVAL      length is 0
 *  -ENOMEM      length does not fit into any address space
 *  -EOVERFLOW   offset + length is larger than any object
 *  -ENOMEM      too many areas; no gap is large enough; MAP_FIXED outside the address space
 *  -EINVAL      MAP_FIXED at an address that is not on a page boundary
 *  -EPERM       MAP_FIXED below 64 KiB
 *  -EEXIST      MAP_FIXED_NOREPLACE where something is mapped
 *  -ENOTSUP     MAP_SHARED_VALIDATE with a flag that is not known
 *  -EACCES      the descriptor cannot be read; or the mapping is shared and writable and the descriptor is not
 *  -EINVAL      neither MAP_SHARED nor MAP_PRIVATE; MAP_GROWSDOWN of what is shared or an object
 *  -ENOMEM      private and writable pages beyond all memory there is (not with MAP_NORESERVE); no memory for the area
 */
export function mmap(
  space: SpaceAreas,
  address: number,
  length: number,
  prot: number,
  flags: number,
  backing: Backing | undefined,
  offset: number,
): number {
  const isAnonymous = (flags & MAP_ANONYMOUS) !== 0
  if (offset % PAGE_SIZE !== 0) return -EINVAL
  if (!isAnonymous && backing === undefined) return -EBADF
  if ((flags & MAP_HUGETLB) !== 0) return isAnonymous ? -ENOMEM : -EINVAL // no page is reserved for it
  if (length === 0) return -EINVAL
  const start = placeOf(space, address, length, flags, offset)
  if (start < 0) return start
  const plan = isAnonymous
    ? anonymousPlan(start, prot, flags)
    : objectPlan(backing, length, prot, flags, offset)
  if (typeof plan === 'number') return plan
  return mapPages(space, start, start + alignUp(length, PAGE_SIZE) / PAGE_SIZE, plan)
}

/** True if the pages of the mapping are to be there when mmap() returns. */
export function wantsPages(flags: number): boolean {
  return (flags & MAP_LOCKED) !== 0 || (flags & (MAP_POPULATE | MAP_NONBLOCK)) === MAP_POPULATE
}

/** The first page, or a negative errno. */
function placeOf(space: SpaceAreas, address: number, length: number, flags: number, offset: number): number {
  const { table, layout, base } = space
  const bytes = alignUp(length, PAGE_SIZE)
  if (length < 0 || bytes >= 2 ** 63) return -ENOMEM
  // Pages of an object are counted in a word.
  if (layout.name === 'ilp32' && (offset + bytes) / PAGE_SIZE >= 2 ** 32) return -EOVERFLOW
  if (table.count > MAX_AREAS || bytes > layout.taskSize) return -ENOMEM
  if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) === 0) {
    // In ilp32 all that MAP_32BIT asks for is so already.
    const isLow = (flags & MAP_32BIT) !== 0 && layout.name === 'lp64'
    return isLow ? lowPlace(table.tree, address, bytes) : freePlace(table.tree, layout, base, address, bytes)
  }
  const start = fixedPlace(layout, address, bytes)
  if (start < 0 || (flags & MAP_FIXED_NOREPLACE) === 0) return start
  const first = table.tree.firstEndingAfter(start)
  return first !== undefined && first.start < start + bytes / PAGE_SIZE ? -EEXIST : start
}

/** Flags that do not depend on what is mapped. */
function commonFlags(prot: number, flags: number): number {
  const isCounted = (flags & (MAP_NORESERVE | MAP_SHARED)) === 0 && (prot & PROT_WRITE) !== 0
  return (
    ((flags & MAP_NORESERVE) !== 0 ? VM_NORESERVE : 0) |
    ((flags & MAP_LOCKED) !== 0 ? VM_LOCKED : 0) |
    ((flags & MAP_STACK) !== 0 ? VM_NOHUGEPAGE : 0) |
    ((flags & MAP_GROWSDOWN) !== 0 ? VM_GROWSDOWN : 0) |
    (isCounted ? VM_ACCOUNT : 0)
  )
}

function anonymousPlan(start: number, prot: number, flags: number): Plan | number {
  const type = flags & MAP_TYPE
  if (type !== MAP_SHARED && type !== MAP_PRIVATE) return -EINVAL
  const isShared = type === MAP_SHARED
  if (isShared && (flags & MAP_GROWSDOWN) !== 0) return -EINVAL
  const traits = {
    flags: commonFlags(prot, flags) | (isShared ? VM_SHARED : 0),
    prot: prot & ALL,
    mayProt: ALL,
    object: 0,
    file: 0,
  }
  return { traits, offset: isShared ? 0 : start, isAnonymousShared: isShared }
}

function objectPlan(
  backing: Backing | undefined,
  length: number,
  prot: number,
  flags: number,
  offset: number,
): Plan | number {
  if (backing === undefined) return -EBADF
  if (offset < 0 || offset + alignUp(length, PAGE_SIZE) >= 2 ** 63) return -EOVERFLOW
  const type = flags & MAP_TYPE
  if (type !== MAP_SHARED && type !== MAP_PRIVATE && type !== MAP_SHARED_VALIDATE) return -EINVAL
  if (type === MAP_SHARED_VALIDATE && (flags & ~KNOWN_FLAGS) !== 0) return -ENOTSUP
  const isShared = type !== MAP_PRIVATE
  const isWritable = backing.access === O_WRONLY || backing.access === O_RDWR
  if (isShared && (prot & PROT_WRITE) !== 0 && !isWritable) return -EACCES
  if (backing.access !== O_RDONLY && backing.access !== O_RDWR) return -EACCES
  if ((flags & MAP_GROWSDOWN) !== 0) return -EINVAL
  const traits = {
    flags: commonFlags(prot, flags) | (isShared ? VM_SHARED : 0),
    prot: prot & ALL,
    mayProt: isShared && !isWritable ? ALL & ~PROT_WRITE : ALL,
    object: backing.object,
    file: backing.file ?? 0,
  }
  return { traits, offset: offset / PAGE_SIZE, isAnonymousShared: false }
}

/** All that can fail comes first; then the pages are unmapped, and the area is made, or a neighbour grows. */
function mapPages(space: SpaceAreas, start: number, end: number, plan: Plan): number {
  const { table } = space
  const needsPromise =
    (plan.traits.flags & VM_ACCOUNT) !== 0 ||
    (plan.isAnonymousShared && (plan.traits.flags & VM_NORESERVE) === 0)
  if (needsPromise && !space.mayPromise(end - start)) return -ENOMEM
  const spare = cellForUnmapping(space, start, end)
  if (spare < 0) return spare
  const cell = table.newCell()
  if (cell < 0) {
    table.freeCell(spare)
    return cell
  }
  const object = plan.isAnonymousShared ? newObject(space, end - start) : plan.traits.object
  if (object < 0) {
    table.freeCell(spare)
    table.freeCell(cell)
    return object
  }
  unmapPages(space, start, end, spare)
  const piece: Piece = { start, end, traits: { ...plan.traits, object }, offset: plan.offset, anonId: 0 }
  if (mergeNew(space, piece)) {
    table.freeCell(cell)
  } else {
    table.change(object, () => {
      table.addLocked(cell, start, end, piece.traits, piece.offset)
      // Inside its lock: whoever finds it, finds its reference.
      if (plan.isAnonymousShared) space.kernel.objects.publish(object)
    })
  }
  return start * PAGE_SIZE
}

/** An object of zeroes that has no name: what MAP_SHARED | MAP_ANONYMOUS maps. Not published. Or -ENOMEM. */
function newObject({ kernel }: SpaceAreas, pages: number): number {
  const { objects } = kernel
  const at = objects.create({ flags: ANONYMOUS, mode: 0o600 })
  if (at < 0) return at
  const failed = objects.resize(at, pages * PAGE_SIZE)
  if (failed === 0) return at
  objects.discard(at)
  return -ENOMEM
}

/** Lets a neighbour grow over a new piece, where nothing is mapped. False if none is what it would be. */
function mergeNew({ table }: SpaceAreas, piece: Piece): boolean {
  const { tree } = table
  const next = tree.firstEndingAfter(piece.start)
  const prev = next === undefined ? tree.last : next.prev
  const before = canFollow(prev, piece) ? prev : undefined
  const behind = canPrecede(next, piece) ? next : undefined
  const after = before !== undefined && behind !== undefined && !canClose(before, behind) ? undefined : behind
  if (before === undefined && after === undefined) return false
  table.change(piece.traits.object, () => {
    if (before !== undefined) {
      if (before.anonId === 0 && after !== undefined) table.setAnonId(before, after.anonId)
      table.growLocked(before, before.start, after?.end ?? piece.end, after === undefined ? [] : [after])
    } else if (after !== undefined) {
      table.growLocked(after, piece.start, after.end, [])
    }
  })
  return true
}
