/**
 * Zapper: what munmap() and mprotect() do to the entries of pages. Called by the mutator of the space.
 *
 *   entry              unmap()                                      protect() to none   to readable      to writable
 *   private frame      0; then it is freed (pinned: to limbo)       HIDDEN              WRITE cleared    WRITE set
 *   object's frame     0                                            HIDDEN              WRITE cleared    WRITE set if shared
 *   zero page          0                                            HIDDEN              as it is         as it is
 *   HIDDEN             as what it hides                             as it is            PRESENT again    PRESENT again
 *   TAKEN              another thread is at it: waited for, then looked at again
 *
 * Each change is one compareExchange: truncation and others change entries too, and whoever loses looks again. Before a
 * frame is freed, this thread's TLB has forgotten it; no other thread translates for this space, so nothing is shot down.
 *
 * A frame is private if Frame.object is the space. A death between an entry's change and its frame's freeing leaves a frame
 * that is OWNED by a dead space: teardown frees those.
 */

import { Frame } from '../frames/frame.ts'
import type { Frames } from '../frames/frames.ts'
import { frameAt } from '../frames/zone.ts'
import type { Cpu } from '../host/cpu.ts'
import {
  DIRTY,
  EXCLUSIVE,
  HIDDEN,
  isMarker,
  isPresent,
  markerOf,
  pfnOf,
  PRESENT,
  pteOf,
  SPECIAL,
  TAKEN,
  WRITE,
} from '../paging/pte.ts'
import type { PageTable } from '../paging/table.ts'
import type { Tlb } from '../paging/tlb.ts'
import { PAGE_SIZE } from '../words/constants.ts'
import type { Kernel } from './kernel.ts'
import { PROT_WRITE } from './constants.ts'

/** From this many pages on, the TLB is cleared as a whole (Linux: tlb_single_page_flush_ceiling = 33; ours costs less). */
const MANY_PAGES = 128

export class Zapper {
  /** The mutator's own TLB; none while a parent makes a child's space. */
  tlb: Pick<Tlb, 'forget' | 'clear'> | undefined
  declare private readonly kernel: Kernel
  declare private readonly cpu: Cpu
  declare private readonly frames: Frames
  declare private readonly table: PageTable
  declare private readonly spaceAt: number
  /** Pinned frames that limbo had no memory for: tried again later. Should this thread die, teardown finds them. */
  #unput: number[] = []

  constructor(kernel: Kernel, spaceAt: number, table: PageTable) {
    this.kernel = kernel
    this.cpu = kernel.attachment.cpu
    this.frames = kernel.attachment.frames
    this.table = table
    this.spaceAt = spaceAt
  }

  /** Empties the entries of [from, to), and frees what only they held. */
  unmap(from: number, to: number): void {
    this.forget(from, to)
    this.table.visit(from, to, (at) => {
      const old = this.change(at, toNone)
      if (old !== 0) this.release(pfnOf(old))
    })
    for (const pfn of this.#unput.splice(0)) this.putAside(pfn)
  }

  /** Frees the tables that served [from, to) alone: nothing is mapped anywhere in [floor, ceiling), which holds it. */
  prune(from: number, to: number, floor: number, ceiling: number): void {
    this.table.prune(from, to, floor, ceiling)
  }

  /** Gives the entries of [from, to) what `prot` of their area permits. */
  protect(from: number, to: number, prot: number, isShared: boolean): void {
    this.forget(from, to)
    const next =
      prot === 0 ? toHidden : (pte: number) => this.readableOr(pte, (prot & PROT_WRITE) !== 0, isShared)
    this.table.visit(from, to, (at) => {
      this.change(at, next)
    })
  }

  /** What an entry becomes in an area that may be read, and perhaps written. */
  private readableOr(pte: number, isWritable: boolean, isShared: boolean): number {
    const pfn = pfnOf(pte)
    const isPrivate = this.isPrivate(pfn)
    const shown = isPresent(pte) ? pte : this.shown(pfn, isPrivate)
    if (!isWritable) return shown & ~WRITE
    // A private page that is not this space's alone stays as it is: the first store to it is a fault, and copies.
    const mayWrite = isPrivate ? (shown & EXCLUSIVE) !== 0 : isShared
    return mayWrite && (shown & SPECIAL) === 0 ? shown | WRITE : shown
  }

  /** The entry that was hidden. */
  private shown(pfn: number, isPrivate: boolean): number {
    if (pfn === this.kernel.zeroFrame) return pteOf(pfn, PRESENT | SPECIAL)
    return pteOf(pfn, isPrivate ? PRESENT | DIRTY | EXCLUSIVE : PRESENT)
  }

  /** Changes an entry to what `next` makes of it, waiting for whoever takes its frame. What it was; 0 if none, or the same. */
  private change(at: number, next: (pte: number) => number): number {
    const { cpu } = this
    for (;;) {
      const pte = cpu.load(at)
      if (isMarker(pte, TAKEN)) {
        this.kernel.attachment.thread.awaitChange(at, pte)
        continue
      }
      if (!isPresent(pte) && !isMarker(pte, HIDDEN)) return 0
      const wanted = next(pte)
      if (wanted === pte) return 0
      // Whoever takes the frame meanwhile wins, and we look again; if we win, he does.
      if (cpu.compareExchange(at, pte, wanted) === pte) return pte
    }
  }

  /** A frame that no entry of this space names any more. */
  private release(pfn: number): void {
    if (!this.isPrivate(pfn)) return
    // Nobody else pins a private page, so what hasOwn says stands still here.
    if (this.kernel.pins.hasOwn && this.kernel.pins.isPinned(pfn)) this.putAside(pfn)
    else this.frames.freeFrame(pfn)
  }

  private putAside(pfn: number): void {
    if (this.kernel.limbo.put(pfn) < 0) this.#unput.push(pfn)
  }

  private isPrivate(pfn: number): boolean {
    return this.cpu.plainLoad(frameAt(this.frames.geometry, pfn) + Frame.object) === this.spaceAt
  }

  /**
   * What this thread has translated in a range is void: before, for nothing is translated until this is over; and all of
   * it, for a truncation may have emptied an entry and not yet shot.
   */
  private forget(from: number, to: number): void {
    const { tlb } = this
    if (tlb === undefined) return
    if (to - from >= MANY_PAGES) tlb.clear()
    else for (let vpn = from; vpn < to; vpn++) tlb.forget(vpn * PAGE_SIZE)
  }
}

function toNone(): number {
  return 0
}

function toHidden(pte: number): number {
  return markerOf(pfnOf(pte), HIDDEN)
}
