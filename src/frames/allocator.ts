/**
 * The allocator: single frames and contiguous runs, for one thread.
 *
 *   allocFrame ◄── magazine ◄── refill ◄──┐                          ┌──► this thread's magazine, what it has retired
 *   freeFrame ───► magazine ───► drain ──►├─ zone lock: buddy, runs ─┤    nothing there?
 *   allocRun ◄────────────────────────────┤                          ├──► the magazines of all threads
 *   freeRun ─────────────────────────────►┘                          └──► pressure callbacks, no lock held
 *
 * What is handed out reads as zero, unless the caller says keepContents and overwrites all of it. It is zeroed when it is
 * allocated: what was never used needs no filling, and its pages are not even there yet.
 *
 * A death at any point leaves what this thread had in its name in the frame table: FLOATING from the commit under the
 * zone lock to own(); again FLOATING from the first line of a free (MAGAZINE for single frames) to the last.
 *
 * When memory is out, what lies in magazines goes back to the zone; then those who registered with onPressure() are asked.
 * The allocation is tried again as long as that has freed something.
 */

import type { Cpu } from '../host/cpu.ts'
import { isInState, RUNNING } from '../threads/slot.ts'
import type { Thread } from '../threads/thread.ts'
import { AssertionError } from '../words/assert.ts'
import { log2Ceil } from '../words/bits.ts'
import { PAGE_SIZE } from '../words/constants.ts'
import { EINVAL, ENOMEM } from '../words/errno.ts'
import { takeAlignedLocked } from './buddy.ts'
import { FLOATING, Frame, kindOf, OWNED, RETIRED, runFlags, slackOf, VIRGIN, withKind } from './frame.ts'
import type { Access, FrameGeometry } from './access.ts'
import {
  BATCH,
  drain,
  drainMagazines,
  listedFrames,
  MAGAZINE_CAPACITY,
  putFrame,
  refill,
  takeFrame,
} from './magazine.ts'
import { fillRedZone, findOverrun, findWriteAfterFree, forgetFreedBy, poison } from './poison.ts'
import { Retirement, type Undertaker } from './retire.ts'
import { freeRunLocked, takeRunLocked } from './runs.ts'
import { freeCell } from './slab.ts'
import { extentFrames, visitRun } from './truth.ts'
import { flagsOf, frameAt, lockZone, setFlags, unlockZone, Zone } from './zone.ts'

/** Asked when memory is out. True if it has freed something, so that trying again may help. */
export type PressureCallback = (framesWanted: number) => boolean

/** Called before retired frames are freed: retires what can be by now. Returns how many frames it still keeps. */
export type DrainCallback = () => number

/** How often an allocation is tried again while callbacks say that it may help. */
const MOST_ROUNDS = 16

export class FrameAllocator implements Access, Undertaker {
  readonly thread: Thread
  readonly cpu: Cpu
  readonly geometry: FrameGeometry
  protected readonly retirement: Retirement
  readonly #pressure: PressureCallback[] = []
  readonly #drains: DrainCallback[] = []
  /** Runs that are FLOATING by this thread, since it was interrupted while it freed them. */
  readonly #unfreed = new Set<number>()

  constructor(thread: Thread, geometry: FrameGeometry) {
    this.thread = thread
    this.cpu = thread.cpu
    this.geometry = geometry
    this.retirement = new Retirement(this)
  }

  // ── single frames ───────────────────────────────────────────────────────────────────────────────────────────────

  /** A frame for this thread, FLOATING, all zero unless `keepContents`. Returns its pfn, or -ENOMEM. */
  allocFrame(keepContents = false): number {
    const pfn = takeFrame(this) || this.#refilled()
    if (pfn === 0) return -ENOMEM
    this.#handOut(pfn, 1)
    const isZero = (flagsOf(this, pfn) & VIRGIN) !== 0
    if (!keepContents && !isZero) this.cpu.fill(pfn * PAGE_SIZE, 0, PAGE_SIZE)
    return pfn
  }

  /** FLOATING becomes OWNED: the commit after which the frame is the object's, and no longer this thread's. */
  own(pfn: number, objectAt: number): void {
    const flags = flagsOf(this, pfn)
    if (kindOf(flags) !== FLOATING || !this.#isMine(pfn)) {
      throw new AssertionError(`frame ${pfn} is owned, and this thread did not allocate it`)
    }
    this.cpu.plainStore(frameAt(this.geometry, pfn) + Frame.object, objectAt)
    setFlags(this, pfn, withKind(flags, OWNED))
  }

  /** As own(), for a reaper: a frame that a dead thread had linked, and not yet owned, becomes the object's. */
  ownFor(pfn: number, objectAt: number): void {
    const flags = flagsOf(this, pfn)
    if (kindOf(flags) !== FLOATING || !this.#isMineOrDead(pfn)) {
      throw new AssertionError(`frame ${pfn} is owned, and is not a dead thread's`)
    }
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
    if (listedFrames(this) === MAGAZINE_CAPACITY) drain(this, MAGAZINE_CAPACITY - BATCH)
    if (this.geometry.debug) {
      this.cpu.plainStore(frame + Frame.owner, this.thread.tid)
      setFlags(this, pfn, FLOATING)
      poison(this, pfn, 1, this.thread.tid)
    }
    putFrame(this, pfn)
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

  // ── retired frames ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Frees an unlinked frame or run once nobody can be walking it (retire.ts). */
  retireFrame(pfn: number): void {
    this.#mineToFree(pfn)
    this.retirement.retireFrame(pfn)
  }

  /** Frees what nobody can be walking any more; done at each refill of the magazine. Returns how much is pending still. */
  drainRetired(): number {
    for (const pfn of this.#unfreed) this.freeRun(pfn)
    let kept = 0
    for (const drains of this.#drains) kept += drains()
    return kept + this.retirement.drain(this)
  }

  /** Registers somebody who keeps frames for a while before they are retired: limbo. It must not allocate. */
  onDrain(callback: DrainCallback): void {
    this.#drains.push(callback)
  }

  /** For Retirement only. */
  freeRetiredFrame(pfn: number): void {
    this.freeFrame(pfn)
  }

  /** For Retirement only. */
  freeRetiredCell(at: number): void {
    freeCell(this, at)
  }

  /** Registers somebody who can free memory when it is out. Asked in the order of registration, with no lock held. */
  onPressure(callback: PressureCallback): void {
    this.#pressure.push(callback)
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
    if (!(Number.isInteger(pfn) && pfn >= reservedFrames && pfn < frameCount)) {
      throw new AssertionError(`frame ${pfn} is freed, and cannot be allocated`)
    }
    const flags = flagsOf(this, pfn)
    const kind = kindOf(flags)
    const isMine = kind === OWNED || ((kind === FLOATING || kind === RETIRED) && this.#isMineOrDead(pfn))
    // Not assert(): its text would be made each time a frame is freed.
    if (!isMine)
      throw new AssertionError(`frame ${pfn} (kind ${kind}) is freed, and is not this thread's to free`)
    return flags
  }

  #freeRun(pfn: number, flags: number): void {
    const { cpu, geometry, thread } = this
    cpu.plainStore(frameAt(geometry, pfn) + Frame.owner, thread.tid)
    setFlags(this, pfn, withKind(flags, FLOATING)) // if this thread dies from here on, the reaper carries on
    const damage = findOverrun(this, pfn)
    if (geometry.debug) {
      setFlags(this, pfn, FLOATING) // no slack: if this is done once more, the poison is not taken for damage
      poison(this, pfn, this.framesOf(pfn), thread.tid)
    }
    // A reaper's lockZone() throws where others wait. The run is in its name by then: it must not forget it.
    this.#unfreed.add(pfn)
    lockZone(this)
    freeRunLocked(this, pfn)
    unlockZone(this)
    this.#unfreed.delete(pfn)
    if (damage !== undefined) throw damage
  }

  /** As takeFrame(), when the magazine was empty. 0 if memory is out. */
  #refilled(): number {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      this.drainRetired()
      // Nobody hoards what is short.
      const pfn = takeFrame(this) || refill(this, round === 0 ? BATCH - 1 : 0)
      if (pfn !== 0) return pfn
      if (drainMagazines(this) === 0 && !this.#relieve(1) && this.#freeInZone() === 0) break
    }
    return 0
  }

  /** Tries to take something under the zone lock, until it succeeds or nobody can help. 0 if memory is out. */
  #retried(frames: number, take: () => number): number {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      lockZone(this)
      const pfn = take()
      const free = this.cpu.plainLoad(this.geometry.zoneAt + Zone.free)
      unlockZone(this)
      if (pfn !== 0) return pfn
      const had = listedFrames(this) + this.retirement.pending
      this.detach()
      if (listedFrames(this) + this.retirement.pending !== had) continue
      if (drainMagazines(this) === 0 && !this.#relieve(frames) && this.#freeInZone() === free) break
    }
    return 0
  }

  /** Free frames of the zone now. Others may have freed some since this thread found none: a reaper, say. */
  #freeInZone(): number {
    lockZone(this)
    const free = this.cpu.plainLoad(this.geometry.zoneAt + Zone.free)
    unlockZone(this)
    return free
  }

  #relieve(framesWanted: number): boolean {
    let helped = false
    for (const callback of this.#pressure) if (callback(framesWanted)) helped = true
    return helped
  }

  /** Zeroed frames, a power of two of them, aligned to their number. 0 if memory is out. */
  protected allocAligned(frames: number): number {
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
