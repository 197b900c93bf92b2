/**
 * The read-write lock: its calls, and what a death leaves.
 *
 * (rwlock-word.ts has the picture, the states and the invariants; rwlock-tries.ts how one comes in and waits;
 * rwlock-turns.ts who is next.)
 */

import { slotOf, ThreadSlot } from '../threads/slot.ts'
import { EBUSY, EDEADLK, EPERM } from '../words/errno.ts'
import type { Lot } from './lot.ts'
import { depthOf, entryOf, readsOfThread, setDepth, unregister, wasRegistered } from './readers.ts'
import {
  leave,
  leaveCounted,
  readAgain,
  readWait,
  spinningRead,
  spinningWrite,
  tryRead,
  tryReadPast,
  tryWrite,
  writeWait,
} from './rwlock-tries.ts'
import { release, ruin, settle, unclaim } from './rwlock-turns.ts'
import { DIED, isCounted, noticeOf, RawRwLock, writerOf } from './rwlock-word.ts'
import { spinFor } from './spin.ts'
import { abandon, begin, BUSY, lookAgain, waitBlocked, type Waitable } from './wait.ts'

const { spins, flags } = RawRwLock

// ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Locks for reading; waits until `deadline` if it must. A thread that reads already does so once more, at once (not with
 * COUNTED, which does not know it). Returns
 *  0                 it is ours to read
 *  EOWNERDEAD        the same, and a writer died in it: what it protects may be torn until a writer has repaired it
 *  -EDEADLK          this thread holds it for writing
 *  -ETIMEDOUT        not in time
 *  -ENOTRECOVERABLE  a writer died and the next one did not call markRwConsistent()
 *  -EAGAIN           this thread reads so much that memory is out
 */
export function readLock(lot: Lot, at: number, deadline: number): number {
  if (readAgain(lot, at)) return noticeOf(lot, at)
  if (writerOf(lot, at) === lot.thread.tid) return -EDEADLK
  const taken = tryRead(lot, at)
  if (taken !== BUSY) return taken
  const spun = spinFor(lot, spinningRead, at, at + spins)
  return spun === BUSY ? waitBlocked(lot, readWait, at, deadline) : spun
}

/** Locks for reading if that needs no waiting: as readLock(), with -EBUSY when it does (also if this thread writes). */
export function tryReadLock(lot: Lot, at: number): number {
  if (readAgain(lot, at)) return noticeOf(lot, at)
  let taken = tryRead(lot, at)
  if (taken === BUSY) taken = tryReadPast(lot, at)
  return taken === BUSY ? -EBUSY : taken
}

/** Ends a read of this thread. -EPERM if it does not read. */
export function readUnlock(lot: Lot, at: number): number {
  if (isCounted(lot, at)) return leaveCounted(lot, at)
  const entry = entryOf(lot, at)
  if (entry === 0) return -EPERM
  const depth = depthOf(lot, entry)
  if (depth > 0) setDepth(lot, entry, depth - 1)
  else leave(lot, at, entry)
  return 0
}

/** How many times this thread reads it. Not with COUNTED. */
export function readsOf(lot: Lot, at: number): number {
  return readsOfThread(lot, at)
}

export function beginRead(lot: Lot, at: number, record: number): number {
  return beginAfter(lot, readWait, tryRead(lot, at), at, record)
}

export function onBellRead(lot: Lot, at: number, record: number): number {
  return lookAgain(lot, readWait, at, record)
}

/** How long a read that waits may be left alone before onBellRead() is to be asked again; Infinity: until the bell rings. */
export function readPatienceMs(lot: Lot, at: number, record: number): number {
  return lot.isInLine(record) ? Infinity : (readWait.patienceMs?.(lot, at) ?? Infinity)
}

export function abandonRead(lot: Lot, at: number, record: number, outcome: number): void {
  abandon(lot, readWait, at, record, outcome)
}

// ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Locks for writing; waits until `deadline` if it must. A thread that reads waits for itself, as in glibc: see readsOf().
 * Returns as readLock(); EOWNERDEAD: repair what it protects, then markRwConsistent().
 */
export function writeLock(lot: Lot, at: number, deadline: number): number {
  if (writerOf(lot, at) === lot.thread.tid) return -EDEADLK
  const taken = tryWrite(lot, at)
  if (taken !== BUSY) return taken
  const spun = spinFor(lot, spinningWrite, at, at + spins)
  return spun === BUSY ? waitBlocked(lot, writeWait, at, deadline) : spun
}

/** Locks for writing if that needs no waiting: as writeLock(), with -EBUSY when it does (also if this thread writes). */
export function tryWriteLock(lot: Lot, at: number): number {
  const taken = tryWrite(lot, at)
  return taken === BUSY ? -EBUSY : taken
}

/** Unlocks what this thread writes, and wakes who is due. -EPERM if it does not. */
export function writeUnlock(lot: Lot, at: number): number {
  const { cpu, thread } = lot
  if ((cpu.plainLoad(at + flags) & DIED) !== 0 && writerOf(lot, at) === thread.tid) return ruin(lot, at)
  return unclaim(lot, at) ? 0 : -EPERM
}

/** Unlocks, whichever way this thread holds it: pthread_rwlock_unlock(3p). -EPERM if it can be seen to hold nothing. */
export function rwUnlock(lot: Lot, at: number): number {
  return writerOf(lot, at) === lot.thread.tid ? writeUnlock(lot, at) : readUnlock(lot, at)
}

/** The writer that was told EOWNERDEAD has repaired what the lock protects. -EPERM if this thread is not that. */
export function markRwConsistent(lot: Lot, at: number): number {
  if (writerOf(lot, at) !== lot.thread.tid || noticeOf(lot, at) === 0) return -EPERM
  lot.cpu.and(at + flags, ~DIED)
  return 0
}

export function beginWrite(lot: Lot, at: number, record: number): number {
  return beginAfter(lot, writeWait, tryWrite(lot, at), at, record)
}

export function onBellWrite(lot: Lot, at: number, record: number): number {
  return lookAgain(lot, writeWait, at, record)
}

export function abandonWrite(lot: Lot, at: number, record: number, outcome: number): void {
  abandon(lot, writeWait, at, record, outcome)
}

/** Starts to wait if the first try was in vain. */
function beginAfter(lot: Lot, what: Waitable, tried: number, at: number, record: number): number {
  lot.callLocked(record, 0)
  if (tried === BUSY) return begin(lot, what, at, record)
  lot.freeRecord(record)
  return tried
}

// ── after a death ─────────────────────────────────────────────────────────────────────────────────────────────────

/** The reaper, for a lock that is robust: what the dead wrote goes on with notice, and who waits for its reads is told. */
export function releaseDeadRw(lot: Lot, at: number, dead: number): void {
  const { cpu } = lot
  if (writerOf(lot, at) === dead) {
    cpu.or(at + flags, DIED)
    release(lot, at, dead)
  }
  if (!wasRegistered(lot, at + flags, dead)) return
  settle(lot, at) // its entries are gone (forgetReads), or it had cleared one and told nobody yet
  unregister(lot, at + flags, dead)
}

/** The reaper: the dead may have left a counted lock and not told those who wait for it. */
export function finishLeaving(lot: Lot, dead: number): void {
  const note = slotOf(lot.geometry.slotsAt, dead) + ThreadSlot.leaving
  const at = lot.cpu.load(note)
  if (at === 0) return
  settle(lot, at)
  lot.cpu.store(note, 0)
}
