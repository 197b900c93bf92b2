/**
 * Virtual addresses: numbers. What a process can map, and how an address falls into table indices.
 *
 *   lp64    47 bits   top │ upper │ middle │ table │ offset       four levels of 9 bits, 12 bits of offset
 *   ilp32   32 bits         2 bits │   9    │   9   │   12         three: the first table has 4 entries in use
 *
 * A page number (vpn) is an address / 4096, up to 2^35: a number that is no int32. It is cut in two before bits are
 * taken: high = its upper 17 bits, low = its lower 18.
 */

import { GiB, PAGE_SIZE } from '../words/constants.ts'

export type AddressLayoutName = 'lp64' | 'ilp32'

export interface AddressLayout {
  readonly name: AddressLayoutName
  /** Tables from the root to the entry of a page. */
  readonly levels: 3 | 4
  /** The first address that no process can map. */
  readonly taskSize: number
}

/** As x86-64 Linux: the lower half, less a page. */
export const LP64: AddressLayout = { name: 'lp64', levels: 4, taskSize: 2 ** 47 - PAGE_SIZE }

/** As 32-bit Linux with the usual split: 3 GiB are the process's. */
export const ILP32: AddressLayout = { name: 'ilp32', levels: 3, taskSize: 3 * GiB }

/** Names of the levels, as Linux calls them, from the entry of a page up. */
export const LEVEL_NAMES = ['pte', 'pmd', 'pud', 'pgd'] as const

const LOW = 2 ** 18

/** The index into the table of a level, 0 being the lowest. */
export function indexAt(vpn: number, level: number): number {
  const half = level < 2 ? vpn % LOW : Math.floor(vpn / LOW)
  return (half >>> (level % 2 === 0 ? 0 : 9)) & 511
}

/** By level: a power that is calculated costs more than the visit of an entry. */
const PAGES = [1, 2 ** 9, 2 ** 18, 2 ** 27, 2 ** 36] as const

/** Pages that one entry of a level covers, or a table of the level below. */
export function pagesAt(level: number): number {
  return PAGES[level]
}

/** `0x7f3c5a1e2000`, as messages show addresses. */
export function showAddress(address: number): string {
  return `${address < 0 ? '-' : ''}0x${Math.abs(address).toString(16)}`
}
