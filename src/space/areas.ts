/**
 * Areas: the areas of a space, and the system calls that change them. One mutator at a time (space-state.ts).
 *
 *   mmap ─► mmap.ts ──► placement.ts      where
 *              │  └───► merge.ts          as an area of its own, or as part of a neighbour
 *   munmap ─► munmap.ts ─┐
 *   mprotect ► mprotect.ts ┴─► zap.ts     entries of pages, then
 *                         └──► area-table.ts ─► vma-cells.ts (the truth), vma-tree.ts (the index)
 *
 * The limit that Linux puts on what may be promised is that of overcommit_memory = 0: a single private writable mapping
 * that is larger than all memory is refused, unless it says MAP_NORESERVE.
 */

import type { AddressLayout } from '../paging/addresses.ts'
import { PageTable } from '../paging/table.ts'
import { assert } from '../words/assert.ts'
import { PAGE_SIZE } from '../words/constants.ts'
import { AreaNode, type Area } from './area.ts'
import { AreaTable } from './area-table.ts'
import type { Kernel } from './kernel.ts'
import { familyFor } from './merge.ts'
import { mmap, wantsPages, type Backing } from './mmap.ts'
import { mprotect } from './mprotect.ts'
import { munmap } from './munmap.ts'
import { mmapBase } from './placement.ts'
import type { SpaceAreas } from './space-areas.ts'
import { SpaceState } from './space-state.ts'
import { loadWide, storeWide } from './vma-cells.ts'
import { Zapper } from './zap.ts'

/** Makes the pages of [from, to) present, as far as it can: mlock and MAP_POPULATE. Page numbers. */
export type Populate = (from: number, to: number) => void

export interface SpaceOptions {
  /** 32 bits; the same seed gives the same addresses. */
  readonly seed: number
  /** False: no address is random (Linux: randomize_va_space = 0). */
  readonly randomize: boolean
}

export class Areas implements SpaceAreas {
  readonly kernel: Kernel
  readonly layout: AddressLayout
  readonly table: AreaTable
  readonly zapper: Zapper
  readonly base: number
  /** Set by the space: what MAP_POPULATE and MAP_LOCKED call. */
  populate: Populate | undefined
  declare private readonly spaceAt: number
  #wanted: (readonly [number, number])[] = []

  /** Takes over the space from its last mutator, if it had one. */
  constructor(
    kernel: Kernel,
    spaceAt: number,
    pages = new PageTable(kernel.attachment.frames, kernel.layout, spaceAt + SpaceState.root, spaceAt),
  ) {
    this.kernel = kernel
    this.layout = kernel.layout
    this.spaceAt = spaceAt
    this.table = new AreaTable(kernel, spaceAt)
    this.zapper = new Zapper(kernel, spaceAt, pages)
    this.base = loadWide(kernel.attachment.cpu, spaceAt + SpaceState.mmapBaseLow)
  }

  /** Writes what a new space begins with into its words, which are 0. */
  static format({ attachment, layout }: Kernel, spaceAt: number, options: SpaceOptions): void {
    const { cpu } = attachment
    cpu.plainStore(spaceAt + SpaceState.layout, layout.name === 'lp64' ? 0 : 1)
    storeWide(cpu, spaceAt + SpaceState.mmapBaseLow, mmapBase(layout, options.seed, options.randomize))
  }

  /** The area of a page. */
  find(vpn: number): Area | undefined {
    return this.table.tree.find(vpn)
  }

  /** The lowest area that does not lie below a page as a whole. */
  firstEndingAfter(vpn: number): Area | undefined {
    return this.table.tree.firstEndingAfter(vpn)
  }

  /** Every area, in the order of addresses. */
  all(): Iterable<Area> {
    return this.table.tree
  }

  get count(): number {
    return this.table.count
  }

  /** mmap.ts */
  mmap(
    addr: number,
    length: number,
    prot: number,
    flags: number,
    backing: Backing | undefined,
    offset: number,
  ): number {
    return this.call(() => {
      const result = mmap(this, addr, length, prot, flags, backing, offset)
      if (result >= 0 && wantsPages(flags)) {
        this.populateLater(result / PAGE_SIZE, Math.ceil((result + length) / PAGE_SIZE))
      }
      return result
    })
  }

  /** munmap.ts */
  munmap(addr: number, length: number): number {
    return this.call(() => munmap(this, addr, length))
  }

  /** mprotect.ts */
  mprotect(addr: number, length: number, prot: number): number {
    return this.call(() => mprotect(this, addr, length, prot))
  }

  /** Before the first private page of an area: gives it a family, its neighbours' if they could be one (merge.ts). */
  ensureAnonId(area: Area): void {
    if (area.anonId !== 0) return
    assert(area instanceof AreaNode, 'an area is one that find() gave')
    const { cpu } = this.kernel.attachment
    const idAt = this.spaceAt + SpaceState.areaId
    let anonId = familyFor(area, area.prev, area.next)
    if (anonId === 0) {
      anonId = cpu.plainLoad(idAt) + 1
      cpu.plainStore(idAt, anonId)
    }
    this.table.setAnonId(area, anonId)
  }

  mayPromise(pages: number): boolean {
    return pages <= this.kernel.attachment.frames.geometry.frameCount
  }

  populateLater(from: number, to: number): void {
    if (this.populate !== undefined) this.#wanted.push([from, to])
  }

  /** Runs a system call: foreign readers see all of it, or nothing. */
  private call(work: () => number): number {
    let result: number
    this.table.begin()
    try {
      result = work()
    } finally {
      this.table.end()
    }
    for (const [from, to] of this.#wanted.splice(0)) this.populate?.(from, to)
    return result
  }
}
