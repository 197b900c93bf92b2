/**
 * TLBs: where the pages that a thread has just used lie. Private to the thread, and never looked at by others.
 *
 *   lp64    1024 rows, direct-mapped:  row = page number mod 1024
 *           readTags[row]   address of the page whose reads may use the row, or NONE
 *           writeTags[row]  the same for writes
 *           bases[row]      word index of its frame
 *
 *   ilp32   a row for each page of 4 GiB, no tags: one load. The arrays take address space, and memory where they are used.
 *           reads[page], writes[page]   word index of its frame, or 0
 *
 * A row is filled for writing only if the entry says WRITE and DIRTY: so presence, permission and address are one
 * comparison, and a store sets no bit.
 *
 * See: tlb_data of v86; the softmmu of QEMU.
 */

import { PAGE_SHIFT, PAGE_SIZE } from '../words/constants.ts'
import type { AddressLayoutName } from './addresses.ts'

/** Answers of readBase() and writeBase(): not here. No frame of a process begins at word 0. */
export const MISS = 0

export interface Tlb {
  /** Word index of the frame of the page at an address, if it may be read, or MISS. Any number is an address. */
  readBase(address: number): number
  writeBase(address: number): number
  fill(pageAddress: number, base: number, canWrite: boolean): void
  /** Forgets one page. */
  forget(pageAddress: number): void
  clear(): void
}

export function newTlb(layout: AddressLayoutName): Tlb {
  return layout === 'lp64' ? new Tlb64() : new Tlb32()
}

const ROWS = 1024
/** Exact, and a quarter of what dividing costs. */
const PER_PAGE = 1 / PAGE_SIZE
/** No page has it: addresses of pages are whole. */
const NONE = -0.5

class Tlb64 implements Tlb {
  private readonly readTags = new Float64Array(ROWS).fill(NONE)
  private readonly writeTags = new Float64Array(ROWS).fill(NONE)
  private readonly bases = new Int32Array(ROWS)

  readBase(address: number): number {
    const row = (address * PER_PAGE) & (ROWS - 1)
    return this.readTags[row] === address - (address & (PAGE_SIZE - 1)) ? this.bases[row] : MISS
  }

  writeBase(address: number): number {
    const row = (address * PER_PAGE) & (ROWS - 1)
    return this.writeTags[row] === address - (address & (PAGE_SIZE - 1)) ? this.bases[row] : MISS
  }

  fill(pageAddress: number, base: number, canWrite: boolean): void {
    const row = (pageAddress * PER_PAGE) & (ROWS - 1)
    this.bases[row] = base
    this.readTags[row] = pageAddress
    this.writeTags[row] = canWrite ? pageAddress : NONE
  }

  forget(pageAddress: number): void {
    const row = (pageAddress * PER_PAGE) & (ROWS - 1)
    if (this.readTags[row] !== pageAddress) return
    this.readTags[row] = NONE
    this.writeTags[row] = NONE
  }

  clear(): void {
    this.readTags.fill(NONE)
    this.writeTags.fill(NONE)
  }
}

const PAGES = 2 ** (32 - PAGE_SHIFT)
/** More rows in use than this are cleared as a whole. */
const MOST_LISTED = 10_000

class Tlb32 implements Tlb {
  private readonly reads = new Int32Array(PAGES)
  private readonly writes = new Int32Array(PAGES)
  /** The rows in use. */
  private readonly listed = new Int32Array(MOST_LISTED)
  private count = 0

  readBase(address: number): number {
    return address >>> 0 === address ? this.reads[address >>> PAGE_SHIFT] : MISS
  }

  writeBase(address: number): number {
    return address >>> 0 === address ? this.writes[address >>> PAGE_SHIFT] : MISS
  }

  fill(pageAddress: number, base: number, canWrite: boolean): void {
    const page = pageAddress >>> PAGE_SHIFT
    if (this.reads[page] === MISS) {
      if (this.count === MOST_LISTED) this.clear()
      this.listed[this.count++] = page
    }
    this.reads[page] = base
    this.writes[page] = canWrite ? base : MISS
  }

  forget(pageAddress: number): void {
    // Its row stays listed: that costs a store at the next clear().
    const page = pageAddress >>> PAGE_SHIFT
    this.reads[page] = MISS
    this.writes[page] = MISS
  }

  clear(): void {
    for (let i = 0; i < this.count; i++) {
      this.reads[this.listed[i]] = MISS
      this.writes[this.listed[i]] = MISS
    }
    this.count = 0
  }
}
