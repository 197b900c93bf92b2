/**
 * The spin lock: the owner's id in one word, and nobody who sleeps.
 *
 *   RawSpin  0
 *          ┌──────┐
 *          │ word │   4 bytes, 0 = free
 *          └──────┘
 *
 *   word               who holds it
 *   0                  nobody
 *   tid                tid
 *   OWNER_DIED         nobody: the last owner died
 *   tid | OWNER_DIED   tid, who was told so
 *
 * For sections of some hundred nanoseconds. No queue, so no order: whoever comes at the right moment has it. A waiter
 * spins; when that was too long for a section to last, the owner has probably lost its core, and the waiter gives its own
 * away for a millisecond, again and again (Thread.awaitChange). Nobody owes anybody a wake-up, so a death costs no more
 * than the word: unlock() is a store, and a killed waiter has changed nothing.
 *
 * See: pthread_spin_lock(3). Lock order: as its user says.
 */

import { SPINS } from '../threads/counters.ts'
import { EDEADLK, EOWNERDEAD, EPERM, ESTALE, ETIMEDOUT } from '../words/errno.ts'
import { i32, layout } from '../words/layout.ts'
import type { Lot } from './lot.ts'
import { OWNER_DIED, OWNER_MASK } from './mutex.ts'

export const RawSpin = layout('RawSpin', 4, { word: i32 })

/**
 * Locks; spins while another holds it, for `timeoutMs` at most (Infinity: as long as it takes). Returns
 *  0           it is ours
 *  EOWNERDEAD  it is ours, and the last owner died holding it: repair what it protects; unlocking it says so
 *  -EDEADLK    this thread holds it already
 *  -ETIMEDOUT  not in time
 *  -ESTALE     `isThere`, asked before each try but the first, says that the lock has been destroyed
 */
export function spinLock(lot: Lot, at: number, timeoutMs: number, isThere = always): number {
  const { cpu, thread } = lot
  // Acquire: pairs with the store in spinUnlock().
  let seen = cpu.compareExchange(at, 0, thread.tid)
  if (seen === 0) return 0
  if ((seen & OWNER_MASK) === thread.tid) return -EDEADLK
  const began = thread.now()
  let isCounted = thread.spinTurns === 0 // where spinning is no use, awaitChange() does not
  for (;;) {
    const holder = seen & OWNER_MASK
    if (holder === 0) {
      // A word that was cleared because the lock is no more looks free: the look comes after the load.
      if (!isThere()) return -ESTALE
      const now = cpu.compareExchange(at, seen, seen | thread.tid)
      if (now === seen) return seen === 0 ? 0 : EOWNERDEAD
      seen = now
      continue
    }
    if (timeoutMs !== Infinity && ((thread.now() - began) | 0) >= timeoutMs) return -ETIMEDOUT
    if (!isCounted) thread.count(SPINS)
    isCounted = true
    thread.awaitChange(at, seen)
    seen = cpu.load(at)
    if (!isThere()) return -ESTALE
  }
}

function always(): boolean {
  return true
}

/** Locks if nobody holds it: as spinLock(), with -ETIMEDOUT at once. */
export function spinTryLock(lot: Lot, at: number): number {
  const seen = lot.cpu.load(at)
  const holder = seen & OWNER_MASK
  if (holder === lot.thread.tid) return -EDEADLK
  if (holder !== 0 || lot.cpu.compareExchange(at, seen, seen | lot.thread.tid) !== seen) return -ETIMEDOUT
  return seen === 0 ? 0 : EOWNERDEAD
}

/** Unlocks. -EPERM if this thread does not hold it. */
export function spinUnlock(lot: Lot, at: number): number {
  // Release: pairs with the compareExchange in spinLock(). Nobody but the owner changes an owned word.
  if (lot.cpu.compareExchange(at, lot.thread.tid, 0) === lot.thread.tid) return 0
  if ((lot.cpu.load(at) & OWNER_MASK) !== lot.thread.tid) return -EPERM
  lot.cpu.store(at, 0)
  return 0
}

/** The id of the thread that holds it, or 0. */
export function spinOwner(lot: Lot, at: number): number {
  return lot.cpu.load(at) & OWNER_MASK
}

/** The reaper: a lock that a dead thread holds is free, and the next owner is told. */
export function spinReleaseDead(lot: Lot, at: number, dead: number): void {
  if ((lot.cpu.load(at) & OWNER_MASK) === dead) lot.cpu.store(at, OWNER_DIED)
}
