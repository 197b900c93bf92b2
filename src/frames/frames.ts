/**
 * Frames: one thread's access to the physical memory. Single frames, contiguous runs, small objects, retirement.
 *
 *   allocFrame  freeFrame  allocRun  freeRun  own      allocator.ts ──► magazine.ts, buddy.ts, runs.ts
 *   allocCell  publishCell  unpublishCell  freeCell    slab.ts, on frames of the allocator
 *   enterKernel  leaveKernel  retireFrame  retireCell  retire.ts ──► freed after a grace period
 *   takeOver  floatingOf  ownFor  repair  check                            repair.ts, check.ts, from the truth alone (frame.ts, truth.ts)
 *
 * The life of a frame that goes into a structure, and what a death leaves at each point:
 *
 *   pfn = allocFrame()      FLOATING: the reaper frees it
 *   own(pfn, objectAt)      OWNED, object = objectAt: the object's floor knows. Its reaper's step asks: is it linked? If
 *                           not, it is freed
 *   link it; unlink it
 *   freeFrame(pfn)          MAGAZINE: the reaper frees it
 *   or retireFrame(pfn)     RETIRED: the reaper adopts it
 *
 * and of a small object:
 *
 *   at = allocCell(kind)    building: the reaper frees it, after the kind's own step has freed what belongs to it
 *   publishCell(at)         live: handles to it are good
 *   unpublishCell(at)       building again: ours alone, for taking apart
 *   freeCell(at)            or, instead of the last two, retireCell(at)
 */

import type { Cpu } from '../host/cpu.ts'
import { AssertionError } from '../words/assert.ts'
import { PAGE_SIZE } from '../words/constants.ts'
import { ENOMEM, ESTALE } from '../words/errno.ts'
import { FrameAllocator } from './allocator.ts'
import { checkFrames } from './check.ts'
import type { FrameGeometry } from './access.ts'
import { initFrames } from './init.ts'
import { floatingOf, repairFrames, takeOverZone } from './repair.ts'
import { enterKernel, leaveKernel } from './retire.ts'
import { CACHE_COUNT, findCache, openCache } from './slab-table.ts'
import * as slab from './slab.ts'
import { freeFramesOf, statisticsOf, type FrameStatistics } from './statistics.ts'

export class Frames extends FrameAllocator {
  /** The slab of each cache that had a free cell last, and the caches by their kind's signature. */
  readonly #hints = new Int32Array(CACHE_COUNT)
  readonly #caches = new Map<number, number>()
  #depth = 0

  /** Lays out the frames of a new memory, all of whose words are 0. Nobody else has it yet. */
  static format(cpu: Cpu, geometry: FrameGeometry): void {
    initFrames({ cpu, geometry })
  }

  // ── cells ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * A zeroed cell for an object of a kind, which this thread builds: the reaper frees it until it is published. `words` is
   * its size with status and generation (Cell, in slab.ts); `ownLines` gives it cache lines of its own, `life` is that of SlabCache.
   * Returns its word index, or -ENOMEM, -EINVAL or -ENOSPC (openCache, in slab-table.ts).
   */
  allocCell(signature: number, words: number, ownLines = false, life = 0): number {
    const cache = this.#caches.get(signature) ?? openCache(this, signature, words, ownLines, life)
    if (cache < 0) return cache
    this.#caches.set(signature, cache)
    for (;;) {
      const at = slab.claimCell(this, cache, this.#hints[cache])
      if (at !== 0) {
        this.#hints[cache] = slab.slabOf(this, at)
        return at
      }
      const pfn = this.allocAligned(slab.framesPerSlab(this, cache))
      if (pfn === 0) return -ENOMEM
      slab.addSlab(this, cache, pfn)
      this.#hints[cache] = pfn
    }
  }

  /** Makes a built cell live: its handle is good from now on. */
  publishCell(at: number): void {
    slab.publishCell(this, at)
  }

  /** Takes a live cell away from everybody: this thread may end it, and the reaper will if it cannot. 0 or -ESTALE. */
  unpublishCell(at: number, generation?: number): number {
    const seen = this.cpu.load(at)
    if (generation !== undefined && seen !== -generation) return -ESTALE
    return slab.unpublishCell(this, at, seen, 0)
  }

  /** Frees a cell that this thread is building or has unpublished, and that nobody can be walking (else retireCell). */
  freeCell(at: number): void {
    if (this.cpu.load(at) !== this.thread.tid) {
      throw new AssertionError(`the cell at ${at} is freed, and is not this thread's to free`)
    }
    slab.freeCell(this, at)
  }

  /** The number that tells the object in this cell from those before and after it. Never 0 while there is one. */
  generationOf(at: number): number {
    return this.cpu.plainLoad(at + slab.Cell.generation)
  }

  /** True while a handle means a live object. Any numbers may be asked. */
  isLive(at: number, generation: number, signature: number): boolean {
    return slab.isLive(this, at, generation, signature)
  }

  /** True if a live object of any kind begins at this word, which may be any number. */
  isLiveCell(at: number): boolean {
    return slab.isCell(this, at) && this.cpu.load(at) < 0
  }

  /** Every live cell of a kind. Those that are published or freed meanwhile may be among them or not. */
  *cellsOf(signature: number): Generator<number> {
    const cache = findCache(this, signature)
    if (cache >= 0) yield* slab.liveCells(this, cache)
  }

  /** Every cell of a kind that a thread is building, or was when it died. */
  *unfinishedCellsOf(signature: number, tid: number): Generator<number> {
    const cache = findCache(this, signature)
    if (cache < 0) return
    for (const at of slab.cellsOf(this, cache)) if (this.cpu.load(at) === tid) yield at
  }

  /** The words of every cell, of whatever kind, that a dead thread was building or taking apart. */
  *unfinishedRanges(tid: number): Generator<{ readonly from: number; readonly to: number }> {
    for (const cache of slab.caches(this)) {
      for (const at of slab.cellsOf(this, cache)) {
        if (this.cpu.load(at) === tid) yield { from: at, to: at + slab.wordsOf(this, cache) }
      }
    }
  }

  /** Every live cell of every kind. */
  *allCells(): Generator<{ readonly signature: number; readonly at: number }> {
    for (const cache of slab.caches(this)) {
      const signature = slab.signatureOf(this, cache)
      for (const at of slab.liveCells(this, cache)) yield { signature, at }
    }
  }

  /** Nothing in this memory lives any more, whatever it holds: handles are stale, and fast paths refuse. */
  endAll(): void {
    for (const cache of slab.caches(this)) slab.endLiveCells(this, cache)
  }

  // ── walking what others may unlink ──────────────────────────────────────────────────────────────────────────────

  /** This thread begins to walk structures that others may unlink. May be nested. */
  enterKernel(): void {
    if (this.#depth++ === 0) enterKernel(this)
  }

  /** It keeps no address of such a structure any more. */
  leaveKernel(): void {
    if (--this.#depth === 0) leaveKernel(this)
  }

  /** Frees an unlinked live cell once nobody can be walking it; until then its contents stay. 0 or -ESTALE. */
  retireCell(at: number): number {
    return this.retirement.retireCell(at)
  }

  // ── everybody's ─────────────────────────────────────────────────────────────────────────────────────────────────

  statistics(): FrameStatistics {
    return statisticsOf(this)
  }

  /** Bytes that are free, magazines included: a few loads, in any state. */
  freeBytes(): number {
    return freeFramesOf(this) * PAGE_SIZE
  }

  /** Bytes of the largest run that can be allocated now. */
  largestFreeBytes(): number {
    return this.statistics().largestRun * PAGE_SIZE
  }

  /** Recounts everything and says what does not fit. The other threads must be at rest. */
  check(): readonly string[] {
    return checkFrames(this)
  }

  /**
   * The reaper's first step of all: takes over the zone lock if the dead held it. Before it nobody can allocate or free,
   * and the steps of the floors above do. May be repeated.
   */
  takeOver(dead: number): void {
    takeOverZone(this, dead)
  }

  /** Frames and runs that a dead thread had allocated, and neither owned nor freed: repair() will free them. */
  floatingOf(dead: number): readonly number[] {
    return floatingOf(this, dead)
  }

  /** The reaper's steps for this floor, after the death of a thread. May be repeated at any time (repair.ts). */
  repair(dead: number): void {
    repairFrames(this, this.retirement, dead)
  }
}
