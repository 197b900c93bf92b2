/**
 * The latch: a number that is counted down once, and the parking lot for those who wait until it is 0.
 *
 *   RawLatch  0      1
 *           ┌──────┬───────┐
 *           │ word │ spins │   8 bytes
 *           └──────┴───────┘
 *
 *   word         left to count   who waits
 *   n            n               nobody
 *   n | WAITERS  n               somebody: whoever counts to 0 must wake all
 *   0            open, for ever  nobody
 *
 * See: java.util.concurrent.CountDownLatch, std::latch. As in Java, counting an open latch down does nothing.
 *
 * Invariants
 *  1. The number never grows; at 0 it stays.
 *  2. While a record waits in a bucket that is not locked, WAITERS is set; it is set and cleared under that lock only. So
 *     a latch that is waited for is opened under the lock: if the opener dies there, the reaper wakes all who wait.
 */

import { i32, layout } from '../words/layout.ts'
import type { Lot } from './lot.ts'
import { spinForSignal } from './spin.ts'
import { abandon, begin, BUSY, onBell, waitBlocked, type Waitable } from './wait.ts'

export const RawLatch = layout('RawLatch', 8, { word: i32, spins: i32 })

const { spins } = RawLatch

const WAITERS = 0x80000000 | 0
const COUNT = 0x7fffffff

export const LATCH_MAX = COUNT
export const LATCH_PURPOSE = 8

/** Waits until the latch is open. 0, or -ETIMEDOUT, or -ESTALE. */
export function awaitLatch(lot: Lot, at: number, deadline: number): number {
  if (isOpen(lot, at)) return 0
  const spun = spinForSignal(lot, latchWait, at, at + spins)
  return spun === BUSY ? waitBlocked(lot, latchWait, at, deadline) : spun
}

export function isOpen(lot: Lot, at: number): boolean {
  // Acquire: pairs with the compareExchange in countDown(). Whoever sees 0 sees what all did before they counted.
  return (lot.cpu.load(at) & COUNT) === 0
}

/** How much is left to count. */
export function countOf(lot: Lot, at: number): number {
  return lot.cpu.load(at) & COUNT
}

/** Counts down by `n`, to 0 at the least; whoever comes to 0 wakes all who wait. True for the one who opened it. */
export function countDown(lot: Lot, at: number, n: number): boolean {
  for (let seen = lot.cpu.load(at); ;) {
    const count = seen & COUNT
    if (count === 0) return false
    if (count <= n && (seen & WAITERS) !== 0) return openContended(lot, at, n)
    const next = count <= n ? 0 : seen - n
    // Release: pairs with the load in isOpen() and take().
    const now = lot.cpu.compareExchange(at, seen, next)
    if (now === seen) return next === 0
    seen = now
  }
}

export function beginLatch(lot: Lot, at: number, record: number): number {
  return begin(lot, latchWait, at, record)
}

export function onBellLatch(lot: Lot, at: number, record: number): number {
  return onBell(lot, latchWait, at, record)
}

export function abandonLatch(lot: Lot, at: number, record: number, outcome: number): void {
  abandon(lot, latchWait, at, record, outcome)
}

export const latchWait: Waitable = {
  purpose: LATCH_PURPOSE,

  take(lot, at) {
    return isOpen(lot, at) ? 0 : BUSY
  },

  announce(lot, at) {
    for (let seen = lot.cpu.load(at); ;) {
      if (seen === 0) return false
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
    // All are woken, or none.
  },
}

/** The last count while somebody waits. Others may count meanwhile, but nobody comes to 0 elsewhere. */
function openContended(lot: Lot, at: number, n: number): boolean {
  const { cpu } = lot
  const handed: number[] = []
  const bucket = lot.lockBucket(0, at)
  let opens = false
  for (let seen = cpu.load(at); ;) {
    const count = seen & COUNT
    if (count === 0) break // somebody else has opened it
    const next = count <= n ? 0 : seen - n
    const now = cpu.compareExchange(at, seen, next)
    if (now === seen) {
      opens = next === 0
      break
    }
    seen = now
  }
  if (opens) lot.handEachLocked(bucket, 0, at, Infinity, handed)
  lot.unlockBucket(bucket)
  lot.ring(handed)
  return opens
}
