/**
 * The semaphore: a number of permits that nobody owns, and the parking lot for those who wait.
 *
 *   RawSemaphore  0      1
 *               ┌──────┬───────┐
 *               │ word │ spins │   8 bytes
 *               └──────┴───────┘
 *
 *   word         permits    who waits
 *   n            n          nobody
 *   n | WAITERS  n          somebody: release() must wake; n > 0 while the woken ones are on their way
 *
 * Semantics of sem_overview(7): permits have no owner, so a thread that dies keeps none and returns none.
 *
 * Invariants
 *  1. The compareExchange that lowers the number is the acquisition.
 *  2. While a record waits in a bucket that is not locked, WAITERS is set; it is set and cleared under that lock only.
 *  3. A permit that was handed over lies in the record (HANDED) until its thread goes on; if that thread dies, the
 *     reaper releases it.
 */

import { EOVERFLOW, ETIMEDOUT } from '../words/errno.ts'
import { i32, layout } from '../words/layout.ts'
import type { Cpu } from '../host/cpu.ts'
import type { Lot } from './lot.ts'
import { spinForSignal } from './spin.ts'
import { LINED } from './wait-record.ts'
import { abandon, begin, BUSY, onBell, waitBlocked, type Waitable } from './wait.ts'

export const RawSemaphore = layout('RawSemaphore', 8, { word: i32, spins: i32 })

const { spins } = RawSemaphore

const WAITERS = 0x80000000 | 0
const PERMITS = 0x7fffffff

export const SEM_VALUE_MAX = PERMITS
export const SEMAPHORE_PURPOSE = LINED | 2

/**
 * Takes a permit if there is one, nobody waits, and nobody comes in between, while the word at `guard` is `own` (what may be
 * destroyed changes it). The rest is acquire()'s.
 */
export function acquireLive(cpu: Cpu, guard: number, own: number, at: number): boolean {
  // Acquire: pairs with releaseLive() and the compareExchange in release().
  return cpu.guardedTakeOne(guard, own, at) === 0
}

/** Adds a permit if there is room for one, nobody waits, and nobody comes in between. The rest is release()'s. */
export function releaseLive(cpu: Cpu, guard: number, own: number, at: number): boolean {
  // Release: pairs with acquireLive() and the compareExchange in take().
  return cpu.guardedAddOne(guard, own, at) === 0
}

/** Takes a permit; waits until `deadline` if it must. 0, or -ETIMEDOUT. */
export function acquire(lot: Lot, at: number, deadline: number): number {
  const taken = semaphoreWait.take(lot, at)
  if (taken !== BUSY) return taken
  const spun = spinForSignal(lot, semaphoreWait, at, at + spins)
  return spun === BUSY ? waitBlocked(lot, semaphoreWait, at, deadline) : spun
}

/** Takes a permit if there is one: 0, or -ETIMEDOUT. */
export function tryAcquire(lot: Lot, at: number): number {
  return semaphoreWait.take(lot, at) === BUSY ? -ETIMEDOUT : 0
}

/** Adds `count` permits and wakes as many waiters. -EOVERFLOW, and nothing changed, beyond SEM_VALUE_MAX. */
export function release(lot: Lot, at: number, count: number): number {
  const { cpu } = lot
  for (let seen = cpu.load(at); ;) {
    if ((seen & PERMITS) + count > SEM_VALUE_MAX) return -EOVERFLOW
    if ((seen & WAITERS) !== 0) return releaseContended(lot, at, count)
    // Release: pairs with the compareExchange in take().
    const now = cpu.compareExchange(at, seen, seen + count)
    if (now === seen) return 0
    seen = now
  }
}

/** The permits there are now. */
export function permitsOf(lot: Lot, at: number): number {
  return lot.cpu.load(at) & PERMITS
}

export function beginAcquire(lot: Lot, at: number, record: number): number {
  return begin(lot, semaphoreWait, at, record)
}

export function onBellAcquire(lot: Lot, at: number, record: number): number {
  return onBell(lot, semaphoreWait, at, record)
}

export function abandonAcquire(lot: Lot, at: number, record: number, outcome: number): void {
  abandon(lot, semaphoreWait, at, record, outcome)
}

export const semaphoreWait: Waitable = {
  purpose: SEMAPHORE_PURPOSE,

  take(lot, at) {
    for (let seen = lot.cpu.load(at); ;) {
      if ((seen & PERMITS) === 0) return BUSY
      // Acquire: pairs with the compareExchange in release() and releaseContended().
      const now = lot.cpu.compareExchange(at, seen, seen - 1)
      if (now === seen) return 0
      seen = now
    }
  },

  announce(lot, at) {
    for (let seen = lot.cpu.load(at); ;) {
      if ((seen & PERMITS) !== 0) return false
      if (seen !== 0) return true
      const now = lot.cpu.compareExchange(at, 0, WAITERS)
      if (now === 0) return true
      seen = now
    }
  },

  accept() {
    return 0 // the permit came with the wake-up
  },

  passOn(lot, at) {
    wakeWaiters(lot, at, 0, 1)
  },

  giveBack(lot, at) {
    wakeWaiters(lot, at, 1, 1)
  },
}

function releaseContended(lot: Lot, at: number, count: number): number {
  return wakeWaiters(lot, at, count, count)
}

/** Adds permits and wakes waiters, under the bucket's lock. A waiter that has starved gets its permit in hand. */
function wakeWaiters(lot: Lot, at: number, permits: number, wakes: number): number {
  const { cpu } = lot
  const woken: number[] = []
  const bucket = lot.lockBucket(0, at)
  if ((cpu.load(at) & PERMITS) + permits > SEM_VALUE_MAX) {
    lot.unlockBucket(bucket)
    return -EOVERFLOW
  }
  let added = permits
  const heir = added > 0 ? lot.handLocked(bucket, 0, at) : 0
  if (heir !== 0) {
    woken.push(heir)
    added--
  }
  const more = lot.wakeLocked(bucket, 0, at, wakes - woken.length, woken)
  let result = 0
  for (let seen = cpu.load(at); ;) {
    const fits = (seen & PERMITS) + added <= SEM_VALUE_MAX
    const next = ((seen & PERMITS) + (fits ? added : 0)) | (more ? WAITERS : 0)
    // Release: pairs with the compareExchange in take(), which may lower the number meanwhile.
    const now = cpu.compareExchange(at, seen, next)
    if (now !== seen) {
      seen = now
      continue
    }
    if (!fits) result = -EOVERFLOW // those woken find out for themselves
    break
  }
  lot.unlockBucket(bucket)
  lot.ring(woken)
  return result
}
