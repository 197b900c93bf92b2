/**
 * The object store: one thread's access to the shared memory objects of a machine (shm-object.ts).
 *
 *   create ──► building ── take references, publish ──► live ── the last reference goes ──► pages to limbo ──► retired
 *
 * An object lives while something refers to it: an area, a descriptor, its name. Each changes under the object's lock,
 * together with the count: so after the death of a holder, the references are counted anew from areas, descriptors and
 * names, which are the truth (onCount).
 *
 * Lock order: the names (ipc) ──► an object's lock ──► the zone. A thread holds one object's lock at a time.
 *
 * What a death leaves at each point:
 *   building                       the reaper frees what it may have allocated, and the cell (repairs.ts). Areas and
 *                                  descriptors that refer to it are the dead thread's own: isObject() is false by then
 *   in the lock                    OWNER_DIED. The next holder notes RECOUNT, then settles: redoes `cutting`, counts
 *   live, and refs is 0            the reaper collects it: no reference will come
 *
 * The supervisor must not block: there, withLock() throws MustNotBlock when another has the lock, with nothing done.
 */

import type { Cpu } from '../host/cpu.ts'
import type { Frames } from '../frames/frames.ts'
import type { Attachment } from '../memory/attachment.ts'
import type { Limbo } from '../paging/limbo.ts'
import { isPresent, pfnOf } from '../paging/pte.ts'
import type { Lot } from '../sync/lot.ts'
import { lock, markConsistent, OWNER_DIED, OWNER_MASK, tryLock, unlock } from '../sync/mutex.ts'
import { MustNotBlock, NonBlockingThread } from '../threads/live-thread.ts'
import { slotIndexOf, SUPERVISOR_SLOT } from '../threads/slot.ts'
import { assert } from '../words/assert.ts'
import { PAGE_SIZE } from '../words/constants.ts'
import { EDEADLK, EFBIG, EINVAL, ENOMEM, EOWNERDEAD, ETIMEDOUT } from '../words/errno.ts'
import { demolishLocked } from './demolish.ts'
import { PageIndex } from './page-index.ts'
import { redoLocked, resizeLocked, sizeLocked, touch, type CutCallback, type Resizing } from './resize.ts'
import { CONTIGUOUS, MOST_PAGES, NAMED, RECOUNT, ShmObject } from './shm-object.ts'

const { flags, refs, mode, inode, pages, sequence, run, cutting } = ShmObject
const lockAt = ShmObject.lock
const { signature } = ShmObject

/** References to an object that some floor above holds. Exact while the object's lock is held. */
export type CountCallback = (objectAt: number) => number

export class ObjectStore {
  readonly attachment: Attachment
  readonly frames: Frames
  readonly limbo: Limbo
  readonly index: PageIndex
  declare private readonly cpu: Cpu
  declare private readonly lot: Lot
  readonly #cuts: CutCallback[] = []
  readonly #counters: CountCallback[] = []
  readonly #mayBlock: boolean
  readonly #parts: Resizing

  constructor(attachment: Attachment, limbo: Limbo) {
    this.attachment = attachment
    this.frames = attachment.frames
    this.cpu = attachment.cpu
    this.lot = attachment.lot
    this.limbo = limbo
    this.index = new PageIndex(attachment.frames)
    const { thread } = attachment
    this.#mayBlock = !(thread instanceof NonBlockingThread) && slotIndexOf(thread.tid) !== SUPERVISOR_SLOT
    this.#parts = {
      frames: this.frames,
      limbo,
      index: this.index,
      cuts: this.#cuts,
      find: (at, page) => this.pageAt(at, page, false),
    }
  }

  /** Registers what unmaps an object's pages wherever they are mapped. */
  onCut(callback: CutCallback): void {
    this.#cuts.push(callback)
  }

  /** Registers what counts references to an object. */
  onCount(callback: CountCallback): void {
    this.#counters.push(callback)
  }

  // ── the life of an object ───────────────────────────────────────────────────────────────────────────────────────

  /**
   * An object of size 0, which this thread builds: the caller takes references, then publishes it; or discards it.
   * `mode` is what fstat shows, permissions and S_IFREG. Its word index, or -ENOMEM, -ENOSPC.
   */
  create(options: { readonly flags: number; readonly mode: number }): number {
    const { cpu, frames } = this
    const at = frames.allocCell(signature, ShmObject.sizeof, true)
    if (at < 0) return at
    cpu.store(at + flags, options.flags)
    cpu.store(at + mode, options.mode)
    cpu.store(at + inode, frames.generationOf(at))
    touch(frames, at)
    return at
  }

  /** Makes a built object live. It has references by now. */
  publish(at: number): void {
    assert(this.cpu.load(at + refs) > 0, 'an object that is published has references')
    this.frames.publishCell(at)
  }

  /** Ends an object that was not published. */
  discard(at: number): void {
    demolishLocked(this.#parts, at, false)
    this.frames.freeCell(at)
  }

  /** True if a live object is at this word. */
  isObject(at: number): boolean {
    return this.frames.isLive(at, this.frames.generationOf(at), signature)
  }

  /** Every live object. */
  all(): Iterable<number> {
    return this.frames.cellsOf(signature)
  }

  // ── the lock, and references ────────────────────────────────────────────────────────────────────────────────────

  /**
   * Runs `work` with the object locked. If nothing refers to it afterwards, it is destroyed.
   * In the supervisor throws MustNotBlock, with the work not done; or done, and what was left to destroy not destroyed.
   */
  withLock<T>(at: number, work: () => T): T {
    this.#acquire(at)
    let isGone = false
    try {
      this.#settleLocked(at)
      const result = work()
      isGone = this.#isUnused(at) && demolishLocked(this.#parts, at, false) === 0
      return result
    } finally {
      this.#release(at, isGone)
    }
  }

  #acquire(at: number): void {
    const word = at + lockAt
    const got = this.#mayBlock ? lock(this.lot, word, Infinity) : tryLock(this.lot, word)
    if (got === -ETIMEDOUT) throw new MustNotBlock()
    if (got === -EDEADLK && !this.#mayBlock) return // from a try before this one: see #release()
    assert(got >= 0, 'the lock of a shared memory object is sound, and not held by who wants it')
    if (got === EOWNERDEAD) {
      // A note that outlives this thread, so that the lock itself is sound again, whatever happens next.
      this.cpu.or(at + flags, RECOUNT)
      markConsistent(this.lot, word)
    }
  }

  /**
   * The supervisor may throw MustNotBlock here too, for somebody has the bucket of those who wait: then the lock stays its
   * own until it comes back. Whatever it does with the object then may be repeated, and settle() finds what is left.
   */
  #release(at: number, isGone: boolean): void {
    if (!isGone) {
      unlock(this.lot, at + lockAt)
      return
    }
    this.frames.enterKernel() // or the reaper could retire the cell, and another object lie there already
    try {
      unlock(this.lot, at + lockAt)
      this.frames.retireCell(at)
    } finally {
      this.frames.leaveKernel()
    }
  }

  /** Makes up for what a dead holder of the lock has left undone. */
  #settleLocked(at: number): void {
    const { cpu } = this
    if (cpu.load(at + cutting) !== 0) redoLocked(this.#parts, at)
    if ((cpu.load(at + flags) & RECOUNT) === 0) return
    cpu.store(at + refs, this.countRefs(at))
    // The end of an object may be torn too. If it cannot be finished now, the note stays.
    if (this.#isUnused(at) && demolishLocked(this.#parts, at, true) !== 0) return
    cpu.and(at + flags, ~RECOUNT)
  }

  /** True for a live object that nothing refers to, nor ever will. Its lock is held. */
  #isUnused(at: number): boolean {
    return this.cpu.load(at) < 0 && this.cpu.load(at + refs) === 0
  }

  /** One more area, descriptor or name refers to the object. Its lock is held, or this thread builds it. */
  refLocked(at: number): void {
    this.cpu.add(at + refs, 1)
  }

  /** One less. The object is destroyed when the lock is given up, if that was the last. */
  unrefLocked(at: number): void {
    const before = this.cpu.sub(at + refs, 1)
    assert(before > 0, 'a reference is given back that was taken')
  }

  unref(at: number): void {
    this.withLock(at, () => {
      this.unrefLocked(at)
    })
  }

  /** References by the truth: areas, descriptors and the name. The object's lock is held, or all is at rest. */
  countRefs(at: number): number {
    const named = (this.cpu.load(at + flags) & NAMED) === 0 ? 0 : 1
    return this.#counters.reduce((sum, count) => sum + count(at), named)
  }

  /**
   * For the reaper: an object that a dead thread had locked is settled, one that nothing refers to is destroyed.
   * May be repeated; throws MustNotBlock.
   */
  settle(at: number): void {
    const word = this.cpu.load(at + lockAt)
    const isOrphan = (word & OWNER_DIED) !== 0 && (word & OWNER_MASK) === 0
    const isLeft = this.cpu.load(at + refs) === 0 && (word & OWNER_MASK) === 0
    const isOwed = (word & OWNER_MASK) === this.lot.thread.tid
    if (isOrphan || isLeft || isOwed) this.withLock(at, () => undefined)
  }

  /** For the reaper: an object that a dead thread was building. Its cell is freed next. */
  unfinished(at: number): void {
    demolishLocked(this.#parts, at, true)
  }

  // ── pages ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Pages of the object: what lies behind is a BusError. */
  pages(at: number): number {
    return this.cpu.load(at + pages)
  }

  /** Whoever maps a page reads this before it looks at pages(), and again when it has mapped: if it moved, it unmaps. */
  sequence(at: number): number {
    return this.cpu.load(at + sequence)
  }

  /** Bytes of the object, of some moment. */
  sizeOf(at: number): number {
    return sizeLocked(this.frames, at)
  }

  /**
   * The frame that holds a page. Inside the kernel (frames.enterKernel) only, where the frame stays what it is.
   * 0 if there is none and `make` is false, or if a contiguous object has no such page (any more); -ENOMEM.
   */
  pageAt(at: number, page: number, make: boolean): number {
    const first = this.cpu.load(at + run)
    if (first === 0) {
      if ((this.cpu.plainLoad(at + flags) & CONTIGUOUS) !== 0) return 0
      return this.index.pageAt(at, page, make)
    }
    return isPresent(first) && page < this.pages(at) ? pfnOf(first) + page : 0
  }

  /** Pages that have a frame. */
  pagesPresent(at: number): number {
    const present = this.pages(at)
    if (this.cpu.load(at + run) !== 0) return present
    let count = 0
    this.frames.enterKernel()
    this.index.visit(at, () => count++, 0, present)
    this.frames.leaveKernel()
    return count
  }

  /**
   * Gives the object another size, in whole bytes; what lies behind it is unmapped everywhere. Takes the lock. Returns 0, or
   *  -EINVAL  negative, or no number; or it is contiguous and would not stay so (resize.ts)
   *  -EFBIG   more than 8 TiB
   *  -ENOMEM  no memory: for the run of a contiguous object, or for the notes about what is cut
   */
  resize(at: number, bytes: number): number {
    if (Number.isNaN(bytes) || bytes < 0) return -EINVAL
    if (bytes > MOST_PAGES * PAGE_SIZE) return -EFBIG
    return this.withLock(at, () => {
      if (this.cpu.load(at + cutting) !== 0) return -ENOMEM // it could not be finished in settle, for want of memory
      return resizeLocked(this.#parts, at, bytes)
    })
  }
}
