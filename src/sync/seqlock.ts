/**
 * The sequence lock: readers who write nothing that another one reads, and look afterwards whether what they saw was whole.
 *
 *   RawSeqLock  0          1 ... 4
 *              ┌──────────┬──────────┐
 *              │ sequence │ RawMutex │   20 bytes, 0 = at rest
 *              └──────────┴──────────┘
 *
 *   sequence           what lies under it
 *   even               whole
 *   odd                torn: a writer is at it, or died at it
 *   ... | WAITERS      odd: a reader waits until it is even
 *
 * A reader loads the sequence, reads, and loads it again: if it is the same, and was even, no writer came in between.
 * What it reads meanwhile may be torn, so nothing may be done with it before.
 *
 * Order. The data are read and written plainly, so both sides need more than a load and a store of the sequence: the writer
 * must not write any of it before the sequence is odd for everybody, nor the reader read any of it after the sequence is
 * loaded again. storeLoad() does that for both, on every machine (cpu.ts): the reader's store goes to a word of its own slot
 * that is 0 at any such time.
 *
 * Invariants
 *  1. The sequence is changed by the holder of the mutex only, but for WAITERS.
 *  2. WAITERS is set under the bucket's lock, while the sequence is odd; and cleared by the step that makes it even.
 *
 * A writer that dies in it leaves the sequence odd, and a mutex that goes on with notice (releaseDead): readers wait until
 * the next writer has made it whole. One that dies before or after leaves it even: then the next writer is not told.
 *
 * See: torvalds/linux include/linux/seqlock.h; Boehm, "Can Seqlocks Get Along With Programming Language Memory Models?"
 * (MSPC 2012).
 */

import { ThreadSlot } from '../threads/slot.ts'
import { EOWNERDEAD } from '../words/errno.ts'
import { i32, layout, words } from '../words/layout.ts'
import type { Lot } from './lot.ts'
import { lock, markConsistent, RawMutex, releaseDead, unlock } from './mutex.ts'
import { abandon, begin, BUSY, onBell, waitBlocked, type Waitable } from './wait.ts'

export const RawSeqLock = layout('RawSeqLock', 20, { sequence: i32, mutex: words(RawMutex.sizeof) })

const { mutex } = RawSeqLock

const WAITERS = 0x80000000 | 0
const ODD = 1
const COUNT = 0x7fffffff
const SPIN_TURNS = 500

export const SEQLOCK_PURPOSE = 11

// ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** The sequence with which a read begins, or -1 while it is odd: wait for it, or try again. */
export function beginSeqRead(lot: Lot, at: number): number {
  // Acquire: pairs with the store in endSeqWrite().
  const seen = lot.cpu.load(at)
  return (seen & ODD) === 0 ? seen : -1
}

/** Whether what was read since beginSeqRead() is whole. */
export function validateSeqRead(lot: Lot, at: number, began: number): boolean {
  return lot.cpu.storeLoad(lot.thread.at + ThreadSlot.admitted, 0, at) === began
}

/** Waits until the sequence is even. 0, -ETIMEDOUT or -ESTALE. */
export function awaitEven(lot: Lot, at: number, deadline: number): number {
  const { cpu, thread } = lot
  const seen = cpu.load(at)
  if ((seen & ODD) === 0) return 0
  // A write is short: most are over before a bucket is locked.
  if (thread.spinTurns !== 0 && (cpu.spinWhileEqual(at, seen, SPIN_TURNS) & ODD) === 0) return 0
  return waitBlocked(lot, evenWait, at, deadline)
}

export const evenWait: Waitable = {
  purpose: SEQLOCK_PURPOSE,

  take(lot, at) {
    return (lot.cpu.load(at) & ODD) === 0 ? 0 : BUSY
  },

  announce(lot, at) {
    for (let seen = lot.cpu.load(at); ;) {
      if ((seen & ODD) === 0) return false
      if ((seen & WAITERS) !== 0) return true
      const now = lot.cpu.compareExchange(at, seen, seen | WAITERS)
      if (now === seen) return true
      seen = now
    }
  },

  accept() {
    return 0
  },

  passOn() {
    // All are woken, and nobody takes anything away: there is no next one.
  },
}

export function beginAwaitEven(lot: Lot, at: number, record: number): number {
  return begin(lot, evenWait, at, record)
}

export function onBellAwaitEven(lot: Lot, at: number, record: number): number {
  return onBell(lot, evenWait, at, record)
}

export function abandonAwaitEven(lot: Lot, at: number, record: number, outcome: number): void {
  abandon(lot, evenWait, at, record, outcome)
}

// ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Begins to write, alone; waits until `deadline` if it must. Returns
 *  0                it is ours, and whole
 *  EOWNERDEAD       it is ours, and a writer died in the middle: make it whole
 *  -EDEADLK, -ETIMEDOUT, -ESTALE as lock()
 */
export function beginSeqWrite(lot: Lot, at: number, deadline: number): number {
  return beginLocked(lot, at, lock(lot, at + mutex, deadline))
}

/** The mutex was locked, or not: `got` says how. */
export function beginLocked(lot: Lot, at: number, got: number): number {
  if (got < 0) return got
  const { cpu } = lot
  const seen = cpu.load(at)
  if (got === EOWNERDEAD) {
    // A sequence that is odd says so to the one after us, if we die too; the mutex need not.
    markConsistent(lot, at + mutex)
    if ((seen & ODD) !== 0) return EOWNERDEAD
  }
  // Dekker, with no other side: what we write stays behind this.
  cpu.storeLoad(at, (seen + 1) & COUNT, at)
  return 0
}

/** Ends the write: what lies there is whole again. */
export function endSeqWrite(lot: Lot, at: number): void {
  const { cpu } = lot
  const odd = cpu.load(at) & COUNT
  const even = (odd + 1) & COUNT
  // Release: pairs with the loads in beginSeqRead() and validateSeqRead().
  if (cpu.compareExchange(at, odd, even) !== odd) {
    const woken: number[] = []
    const bucket = lot.lockBucket(0, at)
    lot.wakeLocked(bucket, 0, at, Infinity, woken)
    cpu.store(at, even)
    lot.unlockBucket(bucket)
    lot.ring(woken)
  }
  unlock(lot, at + mutex)
}

/** Ends a write that could not be finished: it stays odd, and the next writer is told as of a death. */
export function abandonSeqWrite(lot: Lot, at: number): void {
  releaseDead(lot, at + mutex, lot.thread.tid)
}

/** The reaper: a dead writer's lock goes on with notice. */
export function releaseDeadSeqWriter(lot: Lot, at: number, dead: number): void {
  releaseDead(lot, at + mutex, dead)
}
