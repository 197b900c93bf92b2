/**
 * Frames: one thread's access to the physical memory. Single frames, contiguous runs, small objects, retirement.
 *
 *   allocFrame  freeFrame ──► magazine ──► buddy allocator ◄── runs ◄── allocRun  freeRun
 *                              (no lock)     (zone lock)        ▲
 *   allocCell  publishCell  freeCell ─────► slabs ──────────────┘        retire ──► grace period ──► freeFrame, free cell
 *
 * The life of a frame that goes into a structure, and what a death leaves at each point:
 *
 *   pfn = allocFrame()      FLOATING: the reaper frees it
 *   own(pfn, objectAt)      OWNED, object = objectAt: the object's floor knows. Asked by the reaper's step for that kind:
 *                           is it linked? If not, it is freed
 *   link it; unlink it
 *   freeFrame(pfn)          MAGAZINE: the reaper frees it
 *   or retireFrame(pfn)     RETIRED: the reaper adopts it
 *
 * What is handed out reads as zero, unless the caller says keepContents and overwrites all of it.
 *
 * When memory is out, those who registered with onPressure() are asked, with no lock held; then the allocation is tried
 * again, as long as one of them says that it has freed something.
 */

import { isInState, RUNNING } from '../threads/slot.ts'
import type { Thread } from '../threads/thread.ts'
import type { Cpu } from '../host/cpu.ts'
import { assert } from '../words/assert.ts'
import { PAGE_SIZE } from '../words/constants.ts'
import { EINVAL, ENOMEM, ESTALE } from '../words/errno.ts'
import { log2Ceil } from '../words/bits.ts'
import { takeAlignedLocked } from './buddy.ts'
import { checkFrames } from './check.ts'
import {
  FLOATING,
  Frame,
  kindOf,
  MAGAZINE,
  OWNED,
  RETIRED,
  runFlags,
  slackOf,
  VIRGIN,
  withKind,
} from './frame.ts'
import { initFrames } from './init.ts'
import {
  BATCH,
  drain,
  framesInMagazine,
  MAGAZINE_CAPACITY,
  newestFrame,
  popFrame,
  pushFrame,
  refill,
} from './magazine.ts'
import { fillRedZone, findOverrun, findWriteAfterFree, forgetFreedBy, poison } from './poison.ts'
import { repairFrames, takeOverZone } from './repair.ts'
import { enterKernel, leaveKernel, Retirement, type Undertaker } from './retire.ts'
import { freeRunLocked, takeRunLocked } from './runs.ts'
import { CACHE_COUNT, findCache, openCache } from './slab-table.ts'
import * as slab from './slab.ts'
import { statisticsOf, type FrameStatistics } from './statistics.ts'
import { extentFrames, visitRun } from './truth.ts'
import type { Access, FrameGeometry } from './geometry.ts'
import { flagsOf, frameAt, lockZone, setFlags, unlockZone } from './zone.ts'

/** Asked when memory is out. True if it has freed something, so that trying again may help. */
export type PressureCallback = (framesWanted: number) => boolean

/** How often an allocation is tried again while callbacks say that it may help. */
const MOST_ROUNDS = 16

export class Frames implements Access, Undertaker {
  readonly thread: Thread
  readonly cpu: Cpu
  readonly geometry: FrameGeometry
  readonly #retirement: Retirement
  readonly #pressure: PressureCallback[] = []
  /** The slab of each cache that had a free cell last. */
  readonly #hints = new Int32Array(CACHE_COUNT)
  readonly #caches = new Map<number, number>()
  /** Runs that are FLOATING by this thread, since it was interrupted while it freed them. */
  readonly #unfreed = new Set<number>()
  #depth = 0

  constructor(thread: Thread, geometry: FrameGeometry) {
    this.thread = thread
    this.cpu = thread.cpu
    this.geometry = geometry
    this.#retirement = new Retirement(this)
  }

  /** Lays out the frames of a new memory, all of whose words are 0. Nobody else has it yet. */
  static format(cpu: Cpu, geometry: FrameGeometry): void {
    initFrames({ cpu, geometry })
  }

  // ── single frames ───────────────────────────────────────────────────────────────────────────────────────────────

  /** A frame for this thread, FLOATING, all zero unless `keepContents`. Returns its pfn, or -ENOMEM. */
  allocFrame(keepContents = false): number {
    const pfn = newestFrame(this) || this.#refilled()
    if (pfn === 0) return -ENOMEM
    const was = flagsOf(this, pfn)
    setFlags(this, pfn, FLOATING)
    popFrame(this)
    this.#handOut(pfn, 1)
    if (!keepContents && (was & VIRGIN) === 0) this.cpu.fill(pfn * PAGE_SIZE, 0, PAGE_SIZE)
    return pfn
  }

  /** FLOATING becomes OWNED: the commit after which the frame is the object's, and no longer this thread's. */
  own(pfn: number, objectAt: number): void {
    const flags = flagsOf(this, pfn)
    assert(
      kindOf(flags) === FLOATING && this.#isMine(pfn),
      `frame ${pfn} is owned, and this thread did not allocate it`,
    )
    this.cpu.plainStore(frameAt(this.geometry, pfn) + Frame.object, objectAt)
    setFlags(this, pfn, withKind(flags, OWNED))
  }

  /** Frees a frame (or run) that is this thread's to free: FLOATING by it, or OWNED by an object that it may change. */
  freeFrame(pfn: number): void {
    const flags = this.#mineToFree(pfn)
    const frame = frameAt(this.geometry, pfn)
    if (this.cpu.plainLoad(frame + Frame.count) !== 1 || slackOf(flags) !== 0) {
      this.#freeRun(pfn, flags)
      return
    }
    if (framesInMagazine(this) === MAGAZINE_CAPACITY) drain(this, MAGAZINE_CAPACITY - BATCH)
    this.cpu.plainStore(frame + Frame.owner, this.thread.tid)
    if (this.geometry.debug) {
      setFlags(this, pfn, FLOATING)
      poison(this, pfn, 1, this.thread.tid)
    }
    setFlags(this, pfn, MAGAZINE)
    pushFrame(this, pfn)
  }

  /** The thread ends in order: its magazine goes back, and what can be freed of what it has retired. */
  detach(): void {
    this.drainRetired()
    drain(this, 0)
  }

  // ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Contiguous frames for `lengthBytes` bytes, FLOATING, all zero unless `keepContents`; freed by freeRun().
   * Returns the first pfn, or
   *  -EINVAL  lengthBytes is not a whole number above 0
   *  -ENOMEM  no such row of frames is free
   */
  allocRun(lengthBytes: number, options: { readonly keepContents?: boolean } = {}): number {
    if (!Number.isSafeInteger(lengthBytes) || lengthBytes < 1) return -EINVAL
    const guard = this.geometry.debug ? 1 : 0
    const frames = Math.ceil(lengthBytes / PAGE_SIZE) + guard
    const slack = this.geometry.debug ? frames * PAGE_SIZE - lengthBytes : 0
    const pfn = this.#retried(frames, () => takeRunLocked(this, frames, slack))
    if (pfn === 0) return -ENOMEM
    this.#handOut(pfn, frames)
    if (options.keepContents !== true) this.#zeroRun(pfn)
    if (slack > 0) fillRedZone(this, pfn)
    return pfn
  }

  /** Frees a run. In debug mode throws a FrameDamageError, after freeing it, if its red zone was written to. */
  freeRun(pfn: number): void {
    this.#freeRun(pfn, this.#mineToFree(pfn))
  }

  /** Frames of the run that begins at pfn, its guard frame included. */
  framesOf(pfn: number): number {
    return extentFrames(this, pfn, flagsOf(this, pfn))
  }

  // ── cells ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * A zeroed cell for an object of a kind, which this thread builds: the reaper frees it until it is published. `words` is
   * its size with status and generation (Cell, in slab.ts); `ownLines` gives it cache lines of its own.
   * Returns its word index, or -ENOMEM, -EINVAL or -ENOSPC (openCache, in slab-table.ts).
   */
  allocCell(signature: number, words: number, ownLines = false): number {
    const cache = this.#caches.get(signature) ?? openCache(this, signature, words, ownLines)
    if (cache < 0) return cache
    this.#caches.set(signature, cache)
    for (;;) {
      const at = slab.claimCell(this, cache, this.#hints[cache])
      if (at !== 0) {
        this.#hints[cache] = slab.slabOf(this, at)
        return at
      }
      const pfn = this.#allocSlab(slab.framesPerSlab(this, cache))
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
    assert(
      this.cpu.load(at) === this.thread.tid,
      `the cell at ${at} is freed, and is not this thread's to free`,
    )
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

  /** Every live cell of every kind. */
  *allCells(): Generator<{ readonly signature: number; readonly at: number }> {
    for (const cache of slab.caches(this)) {
      const signature = slab.signatureOf(this, cache)
      for (const at of slab.liveCells(this, cache)) yield { signature, at }
    }
  }

  // ── retirement ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** This thread begins to walk structures that others may unlink. May be nested. */
  enterKernel(): void {
    if (this.#depth++ === 0) enterKernel(this)
  }

  leaveKernel(): void {
    if (--this.#depth === 0) leaveKernel(this)
  }

  /** Frees an unlinked frame or run once nobody can be walking it. */
  retireFrame(pfn: number): void {
    this.#mineToFree(pfn)
    this.#retirement.retireFrame(pfn)
  }

  /** Frees an unlinked live cell once nobody can be walking it; until then its contents stay. 0 or -ESTALE. */
  retireCell(at: number): number {
    return this.#retirement.retireCell(at)
  }

  /** Frees what nobody can be walking any more; done at each refill of the magazine. Returns how much is pending still. */
  drainRetired(): number {
    for (const pfn of this.#unfreed) this.freeRun(pfn)
    return this.#retirement.drain(this)
  }

  /** For Retirement only. */
  freeRetiredFrame(pfn: number): void {
    this.freeFrame(pfn)
  }

  /** For Retirement only. */
  freeRetiredCell(at: number): void {
    slab.freeCell(this, at)
  }

  // ── everybody's ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Registers somebody who can free memory when it is out. Asked in the order of registration, with no lock held. */
  onPressure(callback: PressureCallback): void {
    this.#pressure.push(callback)
  }

  statistics(): FrameStatistics {
    return statisticsOf(this)
  }

  freeBytes(): number {
    return this.statistics().freeFrames * PAGE_SIZE
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

  /** The reaper's steps for this floor, after the death of a thread. May be repeated at any time (repair.ts). */
  repair(dead: number): void {
    repairFrames(this, this.#retirement, dead)
  }

  // ── below ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #isMine(pfn: number): boolean {
    return this.cpu.plainLoad(frameAt(this.geometry, pfn) + Frame.owner) === this.thread.tid
  }

  /** Also true for what a dead thread had: the reaper's steps for the objects of other floors free that. */
  #isMineOrDead(pfn: number): boolean {
    const tid = this.cpu.plainLoad(frameAt(this.geometry, pfn) + Frame.owner)
    return tid === this.thread.tid || !isInState(this.cpu, this.geometry.slotsAt, tid, RUNNING)
  }

  /** The flags of a frame that this thread may free. Freeing twice, and freeing what is another's, are bugs. */
  #mineToFree(pfn: number): number {
    const { reservedFrames, frameCount } = this.geometry
    assert(Number.isInteger(pfn) && pfn >= reservedFrames && pfn < frameCount, `frame ${pfn} is freed`)
    const flags = flagsOf(this, pfn)
    const kind = kindOf(flags)
    const isMine = kind === OWNED || ((kind === FLOATING || kind === RETIRED) && this.#isMineOrDead(pfn))
    assert(isMine, `frame ${pfn} (kind ${kind}) is freed, and is not this thread's to free`)
    return flags
  }

  #freeRun(pfn: number, flags: number): void {
    const { cpu, geometry, thread } = this
    cpu.plainStore(frameAt(geometry, pfn) + Frame.owner, thread.tid)
    setFlags(this, pfn, withKind(flags, FLOATING)) // if this thread dies from here on, the reaper carries on
    const damage = findOverrun(this, pfn)
    if (geometry.debug) poison(this, pfn, this.framesOf(pfn), thread.tid)
    // A reaper's lockZone() throws where others wait. The run is in its name by then: it must not forget it.
    this.#unfreed.add(pfn)
    lockZone(this)
    freeRunLocked(this, pfn)
    unlockZone(this)
    this.#unfreed.delete(pfn)
    if (damage !== undefined) throw damage
  }

  /** A frame in the magazine, which was empty; 0 if memory is out. */
  #refilled(): number {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      this.drainRetired()
      if (newestFrame(this) === 0) refill(this)
      const pfn = newestFrame(this)
      if (pfn !== 0) return pfn
      if (!this.#relieve(1)) break
    }
    return 0
  }

  /** Tries to take something under the zone lock, until it succeeds or nobody can help. 0 if memory is out. */
  #retried(frames: number, take: () => number): number {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      lockZone(this)
      const pfn = take()
      unlockZone(this)
      if (pfn !== 0) return pfn
      const mine = framesInMagazine(this) + this.#retirement.pending
      this.detach()
      const has = framesInMagazine(this) + this.#retirement.pending
      if (has === mine && !this.#relieve(frames)) break
    }
    return 0
  }

  #relieve(framesWanted: number): boolean {
    let helped = false
    for (const callback of this.#pressure) if (callback(framesWanted)) helped = true
    return helped
  }

  #allocSlab(frames: number): number {
    // Aligned to its size, so that a cell's slab is found from its address.
    const pfn = this.#retried(frames, () => takeAlignedLocked(this, log2Ceil(frames), FLOATING))
    if (pfn === 0) return 0
    this.#handOut(pfn, frames)
    this.#zeroRun(pfn)
    return pfn
  }

  /** A FLOATING run of this thread's leaves the allocator: checked in debug mode, with clean words for its holder. */
  #handOut(pfn: number, frames: number): void {
    const { cpu, geometry } = this
    if (geometry.debug) {
      const damage = findWriteAfterFree(this, pfn, frames)
      if (damage !== undefined) {
        // It goes back, mended: told once, and nothing is lost.
        setFlags(this, pfn, runFlags(FLOATING, 0, 0))
        this.freeFrame(pfn)
        throw damage
      }
      forgetFreedBy(this, pfn, frames)
    }
    const frame = frameAt(geometry, pfn)
    cpu.plainStore(frame + Frame.refcount, 0)
    cpu.plainStore(frame + Frame.mapcount, 0)
    cpu.plainStore(frame + Frame.link, 0)
    cpu.plainStore(frame + Frame.object, 0)
    cpu.plainStore(frame + Frame.index, 0)
  }

  /** Fills what was used before. What is VIRGIN is zero, and its pages are not even there yet. */
  #zeroRun(pfn: number): void {
    visitRun(this, pfn, (first, flags, frames) => {
      if ((flags & VIRGIN) === 0) this.cpu.fill(first * PAGE_SIZE, 0, frames * PAGE_SIZE)
    })
  }
}
