/**
 * Where mmap() puts what: Linux's choice on x86-64.
 *
 *   0   min                third                                       base   stack   taskSize
 *   ├───┼────────────────────┼──────────────────────────────────────────┼───────┼──────┤
 *       ◄──────────────────── 1. the highest gap that fits ─────────────┤
 *                            ├──── 2. else the lowest that fits ──────────────────────►
 *
 * In lp64 `base` lies below the room for a stack (8 MiB, its random place and guard gap: at least 128 MiB), less 28 random
 * bits of pages. In ilp32 it is 2 GiB, less 8 random bits: a mapping below it has an address that V8 keeps as a small
 * integer, which is faster; what does not fit goes above.
 *
 * See: arch_get_unmapped_area_topdown() and mmap_base() in arch/x86/mm.
 */

import type { AddressLayout } from '../paging/addresses.ts'
import { alignUp } from '../words/bits.ts'
import { GiB, MiB, PAGE_SIZE } from '../words/constants.ts'
import { EINVAL, ENOMEM, EPERM } from '../words/errno.ts'
import type { Area } from './area.ts'
import { VM_GROWSDOWN } from './vma.ts'
import type { VmaTree } from './vma-tree.ts'

/** Linux's vm.mmap_min_addr: nothing is mapped below, so that what is found through a null pointer faults. */
export const MMAP_MIN_ADDRESS = 65_536

/** Linux's stack_guard_gap: nothing is placed in these pages below an area that grows down. */
const GUARD_PAGES = 256

const STACK_LIMIT = 8 * MiB
const STACK_RANDOM = 16 * GiB
const STACK_GUARD = GUARD_PAGES * PAGE_SIZE
const STACK_LEAST = 128 * MiB

/** Below which page mmap() looks first. The same seed gives the same page; `randomize` is randomize_va_space. */
export function mmapBase(layout: AddressLayout, seed: number, randomize: boolean): number {
  if (layout.name === 'ilp32') return (2 * GiB) / PAGE_SIZE - (randomize ? scrambled(seed) >>> 24 : 0)
  const stack = STACK_LIMIT + STACK_GUARD + (randomize ? STACK_RANDOM : 0)
  const top = layout.taskSize - Math.max(stack, STACK_LEAST)
  return top / PAGE_SIZE - (randomize ? scrambled(seed) >>> 4 : 0)
}

/** 32 bits, each of which depends on all of the seed's: the finalizer of MurmurHash3. */
function scrambled(seed: number): number {
  let bits = (seed ^ 0x9e3779b9) | 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return bits ^ (bits >>> 16)
}

/** The first page for a mapping at this very address, or -ENOMEM, -EINVAL, -EPERM: in Linux's order. */
export function fixedPlace(layout: AddressLayout, address: number, length: number): number {
  if (address < 0 || address > layout.taskSize - length) return -ENOMEM
  if (address % PAGE_SIZE !== 0) return -EINVAL
  if (address < MMAP_MIN_ADDRESS) return -EPERM
  return address / PAGE_SIZE
}

/** The first page for a mapping of `length` bytes (whole pages), at the hint if there is room, or -ENOMEM. */
export function freePlace(
  tree: VmaTree,
  layout: AddressLayout,
  base: number,
  hint: number,
  length: number,
): number {
  const pages = length / PAGE_SIZE
  const wanted = hintedPlace(tree, layout, hint, length)
  if (wanted > 0) return wanted
  const below = highestPlace(tree, pages, MMAP_MIN_ADDRESS / PAGE_SIZE, base)
  if (below > 0) return below
  const third = alignUp(Math.ceil(layout.taskSize / 3), PAGE_SIZE) / PAGE_SIZE
  const above = lowestPlace(tree, pages, third, layout.taskSize / PAGE_SIZE)
  return above > 0 ? above : -ENOMEM
}

/**
 * The highest place within [low, high) that keeps clear of guard gaps. As in Linux, what lies in the guard gap of an area
 * whose gap would have done is not looked at either, even if it lies behind another area.
 */
function highestPlace(tree: VmaTree, pages: number, low: number, high: number): number {
  for (let below = high; ;) {
    const place = tree.highestGap(pages, low, below)
    const next = place < 0 ? undefined : tree.firstEndingAfter(place)
    if (next === undefined || place + pages <= guardedStart(next)) return place
    below = guardedStart(next)
  }
}

function lowestPlace(tree: VmaTree, pages: number, low: number, high: number): number {
  for (let above = low; ;) {
    const place = tree.lowestGap(pages, above, high)
    const next = place < 0 ? undefined : tree.firstEndingAfter(place)
    if (next === undefined || place + pages <= guardedStart(next)) return place
    above = next.end
  }
}

/** The first page of the guard gap below an area that grows down (a stack), or of the area. */
function guardedStart(area: Area): number {
  return (area.flags & VM_GROWSDOWN) === 0 ? area.start : Math.max(0, area.start - GUARD_PAGES)
}

/** The first page for a mapping of `length` bytes by MAP_32BIT, or -ENOMEM (arch_get_unmapped_area, find_start_end). */
export function lowPlace(tree: VmaTree, hint: number, length: number): number {
  const pages = length / PAGE_SIZE
  const first = GiB / PAGE_SIZE
  const behind = (2 * GiB) / PAGE_SIZE
  if (pages > behind) return -ENOMEM
  const wanted = alignUp(hint, PAGE_SIZE) / PAGE_SIZE
  if (wanted > 0 && wanted <= behind - pages && isFree(tree, wanted, pages)) return wanted
  const found = lowestPlace(tree, pages, first, behind)
  return found > 0 ? found : -ENOMEM
}

/** The page of a hint, rounded down and not below the least address, if the mapping fits there; else 0. */
function hintedPlace(tree: VmaTree, layout: AddressLayout, hint: number, length: number): number {
  const rounded = Math.floor(hint / PAGE_SIZE) * PAGE_SIZE
  if (rounded <= 0) return 0
  const address = Math.max(rounded, MMAP_MIN_ADDRESS)
  if (address > layout.taskSize - length) return 0
  const vpn = address / PAGE_SIZE
  return isFree(tree, vpn, length / PAGE_SIZE) ? vpn : 0
}

/** True if nothing is mapped in so many pages, and they are no guard gap. */
function isFree(tree: VmaTree, vpn: number, pages: number): boolean {
  const next = tree.firstEndingAfter(vpn)
  return next === undefined || vpn + pages <= guardedStart(next)
}
