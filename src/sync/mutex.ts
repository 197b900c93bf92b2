/**
 * The mutex: the owner's id in one word, and the parking lot for those who wait.
 *
 *   RawMutex  0      1       2      3
 *           ┌──────┬───────┬──────┬───────┐
 *           │ word │ spins │ mode │ since │   16 bytes, 0 = free
 *           └──────┴───────┴──────┴───────┘
 *
 *   spins  a hint: how many turns of spinning have paid lately
 *   mode   the owner's: how it holds the lock, and how often (locks/mutex-kind.ts)
 *   since  a hint for messages, while WAITERS is set: a time at which the present hold had begun, or 0. Written by those
 *          who wait or have waited, never on the fast paths
 *
 *   word                          who holds it     who waits for it
 *   0                             nobody           nobody
 *   WAITERS                       nobody           somebody; one of them has been woken
 *   tid                           tid              nobody
 *   tid | WAITERS                 tid              somebody: unlock() must wake one
 *   tid | OWNER_DIED (| WAITERS)  tid, who was told that the last owner died; unlock() without markConsistent() ruins it
 *   OWNER_DIED (| WAITERS)        nobody: the last owner died
 *   NOT_RECOVERABLE               nobody, ever again
 *
 * The bits are Linux's (FUTEX_WAITERS, FUTEX_OWNER_DIED); the states after a death are those of
 * pthread_mutexattr_setrobust(3).
 *
 * Who is next. Whoever runs may take the lock before those who sleep; an unlock wakes the first of these, and hands the lock over
 * to one that has waited for more than a millisecond, but not so often that the lock does nothing else (queues.ts). So nobody
 * starves, and many threads on few cores do not pay a switch of threads for each section.
 *
 * Invariants
 *  1. The compareExchange that writes the id is the acquisition; nothing else says who owns the lock.
 *  2. While a record waits for the lock in a bucket that is not locked, WAITERS is set in the word.
 *  3. WAITERS is set and cleared under the bucket's lock only. So while it is set, the owner's word changes under that
 *     lock only, and unlock's compareExchange(tid, 0) can never lose a waiter.
 *  4. A lock that is free and waited for has a waiter in WOKEN whose thread will retry, or is dead and will be reaped.
 *
 * Lock order: the bucket of the lock's key comes below the lock itself.
 */

import { EDEADLK, ENOTRECOVERABLE, EOWNERDEAD, EPERM, ESTALE, ETIMEDOUT } from '../words/errno.ts'
import { i32, layout } from '../words/layout.ts'
import type { Cpu } from '../host/cpu.ts'
import type { Lot } from './lot.ts'
import { spinFor } from './spin.ts'
import { LINED } from './wait-record.ts'
import { abandon, begin, BUSY, onBell, waitBlocked, type Waitable } from './wait.ts'

export const RawMutex = layout('RawMutex', 16, { word: i32, spins: i32, mode: i32, since: i32 })

const { spins, since } = RawMutex

export const WAITERS = 0x80000000 | 0
export const OWNER_DIED = 0x40000000
export const OWNER_MASK = 0x3fffffff
export const NOT_RECOVERABLE = OWNER_MASK

export const MUTEX_PURPOSE = LINED | 1

/**
 * Those whom a condition has sent here all sleep, and an idle core takes longer to wake up than one of them to have its turn.
 * So that these times do not add up, each unlock() wakes several: while one is at work the next ones are on their way. A
 * wake-up gives nothing, so one too many is no harm. More than four at once have brought nothing (ARCHITECTURE.md).
 */
const SENT_WAKES = 4

/** Locks the mutex if nobody holds it, waits for it or has died with it. The rest is lock()'s. */
export function lockFast(cpu: Cpu, at: number, tid: number): boolean {
  // Acquire: pairs with the compareExchange in unlockFast(). Whoever sees 0 sees all that the last holder wrote.
  return cpu.compareExchange(at, 0, tid) === 0
}

/** Unlocks the mutex if it is ours and nobody waits. The rest is unlock()'s. */
export function unlockFast(cpu: Cpu, at: number, tid: number): boolean {
  // Release: pairs with the compareExchange in lockFast() and take().
  return cpu.compareExchange(at, tid, 0) === tid
}

/** unlockFast() for a mutex that may have been destroyed: only while the word at `guard` is `own`. */
export function unlockLive(cpu: Cpu, guard: number, own: number, at: number, tid: number): boolean {
  return cpu.guardedCompareExchange(guard, own, at, tid, 0) === 0
}

/**
 * Locks the mutex; waits until `deadline` if it must. Returns
 *  0                 it is ours
 *  EOWNERDEAD        it is ours, and the last owner died holding it: repair what it protects, then markConsistent()
 *  -EDEADLK          this thread holds it already
 *  -ETIMEDOUT        not in time
 *  -ENOTRECOVERABLE  an owner died and the next one did not call markConsistent()
 *  -ESTALE           it was destroyed (guard.ts)
 */
export function lock(lot: Lot, at: number, deadline: number): number {
  if (lot.isOver(at)) return -ESTALE
  return lockFast(lot.cpu, at, lot.thread.tid) ? 0 : lockContended(lot, at, deadline)
}

/** Locks the mutex if that needs no waiting: as lock(), with -ETIMEDOUT when somebody else holds it. */
export function tryLock(lot: Lot, at: number): number {
  if ((lot.cpu.load(at) & OWNER_MASK) === lot.thread.tid) return -EDEADLK
  const taken = mutexWait.take(lot, at)
  return taken === BUSY ? -ETIMEDOUT : taken
}

/** Unlocks the mutex and wakes who is due. -EPERM if this thread does not hold it. */
export function unlock(lot: Lot, at: number): number {
  return unlockFast(lot.cpu, at, lot.thread.tid) ? 0 : unlockContended(lot, at)
}

/** The owner that was told EOWNERDEAD has repaired what the lock protects. -EINVAL is the caller's to check: see locks. */
export function markConsistent(lot: Lot, at: number): number {
  const seen = lot.cpu.load(at)
  if ((seen & OWNER_MASK) !== lot.thread.tid || (seen & OWNER_DIED) === 0) return -EPERM
  lot.cpu.and(at, ~OWNER_DIED)
  return 0
}

/** The id of the thread that holds the mutex, or 0. */
export function ownerOf(lot: Lot, at: number): number {
  const tid = lot.cpu.load(at) & OWNER_MASK
  return tid === NOT_RECOVERABLE ? 0 : tid
}

/** Who holds the mutex (0: nobody), and for how many milliseconds at least; 0 if nobody who waits can tell. */
export function holdOf(lot: Lot, at: number): { readonly owner: number; readonly atLeastMs: number } {
  const bucket = lot.lockBucket(0, at)
  const seen = lot.cpu.load(at)
  const began = lot.cpu.plainLoad(at + since)
  lot.unlockBucket(bucket)
  const isKnown = (seen & WAITERS) !== 0 && began !== 0
  return { owner: seen & OWNER_MASK, atLeastMs: isKnown ? (lot.thread.now() - began) | 0 : 0 }
}

// ── asynchronous: steps for the shell in the floors above ─────────────────────────────────────────────────────────

/** Starts to wait, with a record from the lot. As lock(), or PENDING. Queues also behind this thread's own hold. */
export function beginLock(lot: Lot, at: number, record: number): number {
  return begin(lot, mutexWait, at, record)
}

/** Carries the wait on after the bell rang. As lock(), or PENDING. */
export function onBellLock(lot: Lot, at: number, record: number): number {
  return onBell(lot, mutexWait, at, record)
}

/** Ends the wait: `outcome` is TIMED_OUT or ABORTED. */
export function abandonLock(lot: Lot, at: number, record: number, outcome: number): void {
  abandon(lot, mutexWait, at, record, outcome)
}

// ── below the fast paths ──────────────────────────────────────────────────────────────────────────────────────────

function lockContended(lot: Lot, at: number, deadline: number): number {
  if ((lot.cpu.load(at) & OWNER_MASK) === lot.thread.tid) return -EDEADLK
  const spun = spinFor(lot, mutexWait, at, at + spins)
  return spun === BUSY ? waitBlocked(lot, mutexWait, at, deadline) : spun
}

export const mutexWait: Waitable = {
  purpose: MUTEX_PURPOSE,

  take(lot, at) {
    for (let seen = lot.cpu.load(at); ;) {
      const holder = seen & OWNER_MASK
      if (holder !== 0) return holder === NOT_RECOVERABLE ? -ENOTRECOVERABLE : BUSY
      // Acquire: pairs with unlockFast(). Keeps WAITERS (others may wait) and OWNER_DIED (we are told).
      const now = lot.cpu.compareExchange(at, seen, seen | lot.thread.tid)
      if (now === seen) return (seen & OWNER_DIED) === 0 ? 0 : EOWNERDEAD
      seen = now
    }
  },

  announce(lot, at) {
    for (let seen = lot.cpu.load(at); ;) {
      const holder = seen & OWNER_MASK
      if (holder === 0 || holder === NOT_RECOVERABLE) return false
      if ((seen & WAITERS) !== 0) {
        if (lot.cpu.plainLoad(at + since) === 0) noteHold(lot, at)
        return true
      }
      const now = lot.cpu.compareExchange(at, seen, seen | WAITERS)
      if (now === seen) {
        noteHold(lot, at) // whatever stands there is of an older hold
        return true
      }
      seen = now
    }
  },

  accept(lot, at) {
    // The waker handed the record over under the bucket's lock and writes the word under it too: wait for that.
    if ((lot.cpu.load(at) & OWNER_MASK) !== lot.thread.tid) lot.unlockBucket(lot.lockBucket(0, at))
    const word = lot.cpu.load(at)
    if ((word & OWNER_MASK) !== lot.thread.tid) return BUSY // it died in between; the reaper has seen to the rest
    lot.noteAccepted(lot.bucketOf(0, at))
    return (word & OWNER_DIED) === 0 ? 0 : EOWNERDEAD
  },

  passOn(lot, at) {
    wakeOne(lot, at)
  },

  giveBack(lot, at, tid) {
    releaseHanded(lot, at, tid)
  },

  taken: noteHold,
}

/** Somebody holds the mutex now. By its owner, or under the bucket's lock while WAITERS keeps it from being unlocked. */
function noteHold(lot: Lot, at: number): void {
  lot.cpu.plainStore(at + since, lot.thread.now() || 1)
}

/** The word is not just our id: the lock is not ours, somebody waits, or we were told of a death and did not repair. */
function unlockContended(lot: Lot, at: number): number {
  const { cpu } = lot
  const seen = cpu.load(at)
  if ((seen & OWNER_MASK) !== lot.thread.tid) return -EPERM
  const woken: number[] = []
  const bucket = lot.lockBucket(0, at)
  if ((seen & OWNER_DIED) !== 0) {
    lot.wakeLocked(bucket, 0, at, Infinity, woken)
    cpu.store(at, NOT_RECOVERABLE)
  } else {
    const heir = lot.handLocked(bucket, 0, at)
    if (heir !== 0) woken.push(heir)
    cpu.plainStore(at + since, 0)
    const more = heir === 0 ? wakeNext(lot, bucket, at, woken) : lot.firstLocked(bucket, 0, at) !== 0
    // Release. A plain decision suffices: by invariant 3 the word cannot change here but through us.
    cpu.store(at, (heir === 0 ? 0 : lot.ownerOf(heir)) | (more ? WAITERS : 0))
  }
  lot.unlockBucket(bucket)
  lot.ring(woken)
  return 0
}

/** Wakes who is next, and appends it to `woken`. True if others are left. */
function wakeNext(lot: Lot, bucket: number, at: number, woken: number[]): boolean {
  if (lot.isSentLocked(bucket, 0, at)) return lot.wakeLocked(bucket, 0, at, SENT_WAKES, woken)
  // Invariant 4 holds: the lock is free, waited for, and that one will try it.
  if (lot.isWakingLocked(bucket, 0, at)) return lot.firstLocked(bucket, 0, at) !== 0
  const more = lot.wakeLocked(bucket, 0, at, 1, woken)
  if (more) lot.noteWakingLocked(bucket, woken)
  return more
}

/** Wakes one waiter, whoever holds the lock: it will look for itself. */
function wakeOne(lot: Lot, at: number): void {
  const woken: number[] = []
  const bucket = lot.lockBucket(0, at)
  lot.wakeLocked(bucket, 0, at, 1, woken)
  lot.unlockBucket(bucket)
  lot.ring(woken)
}

/** The reaper: a mutex that a dead thread holds becomes OWNER_DIED, and one waiter is woken. Its waits are withdrawn. */
export function releaseDead(lot: Lot, at: number, dead: number): void {
  // No thread but it writes its id, and no waker hands over to a wait that is withdrawn: what it holds now is all.
  const seen = lot.cpu.load(at)
  if ((seen & OWNER_MASK) !== dead) return
  // Nobody waits, by invariant 2: whoever wants to sets WAITERS first, and then this fails.
  if ((seen & WAITERS) === 0 && lot.cpu.compareExchange(at, seen, OWNER_DIED) === seen) return
  releaseHanded(lot, at, dead)
}

/** The same for a lock that was handed to the dead: the waker may not have written the word yet, under the bucket's lock. */
export function releaseHanded(lot: Lot, at: number, dead: number): void {
  const { cpu } = lot
  const woken: number[] = []
  const bucket = lot.lockBucket(0, at)
  cpu.plainStore(at + since, 0)
  for (let seen = cpu.load(at); (seen & OWNER_MASK) === dead;) {
    const now = cpu.compareExchange(at, seen, OWNER_DIED | (seen & WAITERS))
    if (now === seen) break
    seen = now
  }
  lot.wakeLocked(bucket, 0, at, 1, woken)
  lot.unlockBucket(bucket)
  lot.ring(woken)
}
