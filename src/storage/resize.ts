/**
 * The size of an object, and how it changes: a redo log of one entry, so that a death in the middle is made up for.
 *
 *   next = bytes; cutting = 1 + its pages       the commit: from here on it will be done, by this thread or the next holder
 *   size; pages; sequence += 1                  nobody maps a page behind the end any more, and who just did looks again
 *   unmap it everywhere; take the pages         only if it does not grow. Frames wait in limbo for the acknowledgements
 *   the rest of the last page = 0               likewise: as Linux, which does it even if the size stays as it was
 *   cutting = 0
 *
 * A contiguous object is one run of frames. Its run is allocated when its size is first not 0; from then on it may have
 * another size within its last page, or 0, which gives the run back. Anything else is -EINVAL: views cover the run as a
 * whole, and what another process still writes to through one could not be cut off.
 */

import { Frame } from '../frames/frame.ts'
import type { Frames } from '../frames/frames.ts'
import { frameAt } from '../frames/zone.ts'
import type { Limbo, Volley } from '../paging/limbo.ts'
import { linkFrame } from '../paging/link.ts'
import { isPresent, PRESENT, pteOf } from '../paging/pte.ts'
import { assert } from '../words/assert.ts'
import { PAGE_SIZE } from '../words/constants.ts'
import { EINVAL } from '../words/errno.ts'
import type { PageIndex } from './page-index.ts'
import { CONTIGUOUS, highOf, joined, lowOf, ShmObject } from './shm-object.ts'

const { flags, pages, sequence, run, sizeLow, sizeHigh, cutting, nextLow, nextHigh, ctime, mtime } = ShmObject

/** Unmaps the pages of an object from `firstPage` on, wherever they are mapped. The object's lock is held. */
export type CutCallback = (objectAt: number, firstPage: number, volley: Volley) => void

/** What a change of size needs. */
export interface Resizing {
  readonly frames: Frames
  readonly limbo: Limbo
  readonly index: PageIndex
  readonly cuts: readonly CutCallback[]
  /** The frame of a page of any object, contiguous or not; 0 if there is none. Inside the kernel. */
  readonly find: (objectAt: number, page: number) => number
}

export function pagesOf(bytes: number): number {
  return Math.ceil(bytes / PAGE_SIZE)
}

/** Bytes of an object. Right under its lock; without it, of some moment. */
export function sizeLocked({ cpu }: Frames, at: number): number {
  return joined(cpu.load(at + sizeLow), cpu.load(at + sizeHigh))
}

/**
 * Gives an object another size. Its lock is held, and no earlier change is unfinished. Returns 0, or with nothing changed
 *  -EINVAL  it is contiguous, and would not stay so
 *  -ENOMEM  no memory for the run, or for the batch of what is cut
 */
export function resizeLocked(parts: Resizing, at: number, bytes: number): number {
  const { frames, limbo } = parts
  const { cpu } = frames
  const wanted = pagesOf(bytes)
  const had = cpu.load(at + pages)
  const isContiguous = (cpu.load(at + flags) & CONTIGUOUS) !== 0
  if (isContiguous && had !== wanted && had !== 0 && wanted !== 0) return -EINVAL

  const cuts = wanted < had || (isContiguous && had === 0 && cpu.load(at + run) !== 0)
  const volley = cuts ? limbo.open() : undefined
  if (typeof volley === 'number') return volley
  try {
    if (isContiguous && had === 0 && wanted !== 0) {
      const got = allocRun(parts, at, wanted, volley)
      if (got < 0) return got
    }
    cpu.plainStore(at + nextLow, lowOf(bytes))
    cpu.plainStore(at + nextHigh, highOf(bytes))
    cpu.store(at + cutting, 1 + wanted)
    applyLocked(parts, at, wanted < had ? volley : undefined)
  } finally {
    volley?.close()
  }
  return 0
}

/**
 * Finishes a change that a dead holder of the lock began, or one that met no memory. 0 or -ENOMEM: it is unfinished still.
 *
 * The dead may have emptied entries, and not have shot those who had translated them, nor taken a page: its batch holds
 * nothing, and the entries say nothing any more. So everybody is shot before the pages that they showed leave limbo.
 */
export function redoLocked(parts: Resizing, at: number): number {
  const volley = parts.limbo.open()
  if (typeof volley === 'number') return volley
  try {
    applyLocked(parts, at, volley)
  } finally {
    volley.shootEverybody() // also when the supervisor breaks off in the middle: it may have taken frames by then
    volley.close()
  }
  return 0
}

/** From the commit to its end. May be repeated. Without a volley it has as many pages as before, or more. */
function applyLocked(parts: Resizing, at: number, volley: Volley | undefined): void {
  const { frames, index, cuts } = parts
  const { cpu } = frames
  const bytes = joined(cpu.plainLoad(at + nextLow), cpu.plainLoad(at + nextHigh))
  const wanted = pagesOf(bytes)
  const grows = bytes > sizeLocked(frames, at)
  // The low word first: one that a death has torn is then not below what it shrinks to, and is seen to shrink.
  cpu.store(at + sizeLow, lowOf(bytes))
  cpu.store(at + sizeHigh, highOf(bytes))
  if (volley !== undefined || cpu.load(at + pages) !== wanted) {
    cpu.store(at + pages, wanted)
    // Pairs with the loads of whoever maps a page: it reads this before and after, or we find what it has mapped.
    cpu.add(at + sequence, 1)
  }
  if (!grows) {
    if (volley !== undefined) {
      for (const cut of cuts) cut(at, wanted, volley)
      index.cut(at, wanted, volley)
      if (wanted === 0) takeRun(frames, at, volley)
    }
    clearTail(parts, at, bytes)
  }
  touch(frames, at)
  cpu.store(at + cutting, 0)
}

/** What lies behind the end in the last page reads as zero, should the object grow. */
function clearTail({ frames, find }: Resizing, at: number, bytes: number): void {
  const used = bytes % PAGE_SIZE
  if (used === 0) return
  frames.enterKernel()
  try {
    const pfn = find(at, pagesOf(bytes) - 1)
    if (pfn > 0) frames.cpu.fill(pfn * PAGE_SIZE + used, 0, PAGE_SIZE - used)
  } finally {
    frames.leaveKernel()
  }
}

/** The object has changed. */
export function touch({ cpu }: Frames, at: number): void {
  const seconds = Math.floor(Date.now() / 1000) | 0
  cpu.plainStore(at + mtime, seconds)
  cpu.plainStore(at + ctime, seconds)
}

/** The run of a contiguous object that has no pages. One that a death has left is given back first. */
function allocRun({ frames }: Resizing, at: number, count: number, volley?: Volley): number {
  const { cpu } = frames
  if (volley !== undefined) takeRun(frames, at, volley)
  const pfn = frames.allocRun(count * PAGE_SIZE)
  if (pfn < 0) return pfn
  // Each of its frames says whose it is: they have been others' before.
  for (let page = 1; page < count; page++) {
    const frame = frameAt(frames.geometry, pfn + page)
    cpu.plainStore(frame + Frame.object, at)
    cpu.plainStore(frame + Frame.index, page)
  }
  const isLinked = linkFrame(frames, pfn, at + run, 0, pteOf(pfn, PRESENT), at, 0)
  assert(isLinked, 'an object has one run, and its lock is held')
  return 0
}

/** Takes the run of an object, if it has one. */
export function takeRun({ cpu }: Frames, at: number, volley: Volley): void {
  const first = cpu.load(at + run)
  if (isPresent(first)) volley.take(at + run, first)
}
