/**
 * The event: set or not, and the parking lot for those who wait until it is.
 *
 *   RawEvent  0      1
 *           ┌──────┬───────┐
 *           │ word │ spins │   8 bytes
 *           └──────┴───────┘
 *
 *   word (each with AUTO, or without, for ever)
 *   0        not set                                  nobody waits
 *   SET      set; of an AUTO event the next one to    nobody waits
 *            wait takes it, and it is set no more
 *   WAITERS  not set                                  somebody waits: set() must wake
 *
 * A manual event lets all pass while it is set. An automatic one lets one waiter pass for each set(), the longest waiting
 * first; with nobody there it remembers one set().
 *
 * A set() is handed to those who wait (HANDED in their records, whether they sleep or wait asynchronously), and does not
 * pass through the word: so two of them in a row let two pass, and a reset() right after a set() takes nothing back from
 * those who waited. (After NT's dispatcher events; .NET's ResetEvent classes are their public face.)
 *
 * Invariants
 *  1. SET and WAITERS are never both in the word.
 *  2. While a record waits in a bucket that is not locked, WAITERS is set; it is set and cleared under that lock only.
 *  3. A set() of an AUTO event is in one place until it lets somebody pass: in the word, or in a HANDED record. If the
 *     record's thread dies, or does not want it any more, it goes to the next one, or back into the word.
 */

import { i32, layout } from '../words/layout.ts'
import type { Lot } from './lot.ts'
import { spinForSignal } from './spin.ts'
import { abandon, begin, BUSY, onBell, waitBlocked, type Waitable } from './wait.ts'

export const RawEvent = layout('RawEvent', 8, { word: i32, spins: i32 })

const { spins } = RawEvent

const SET = 1
const WAITERS = 0x80000000 | 0

/** What the word of a new event is: 0 for a manual one. */
export const AUTO = 2

export const EVENT_PURPOSE = 9

/** Waits until the event is set, and takes that if it is automatic. 0, or -ETIMEDOUT, or -ESTALE. */
export function awaitEvent(lot: Lot, at: number, deadline: number): number {
  if (eventWait.take(lot, at) !== BUSY) return 0
  const spun = spinForSignal(lot, eventWait, at, at + spins)
  return spun === BUSY ? waitBlocked(lot, eventWait, at, deadline) : spun
}

/** True if the event is set; that is taken if it is automatic. */
export function tryAwaitEvent(lot: Lot, at: number): boolean {
  return eventWait.take(lot, at) !== BUSY
}

/** Sets the event: all who wait pass, or the first of them if it is automatic. */
export function setEvent(lot: Lot, at: number): void {
  for (let seen = lot.cpu.load(at); ;) {
    if ((seen & WAITERS) !== 0) {
      setContended(lot, at)
      return
    }
    // Release: pairs with the load or the compareExchange in take(). Stored again if it is set: for what came before this.
    const now = lot.cpu.compareExchange(at, seen, seen | SET)
    if (now === seen) return
    seen = now
  }
}

/** The event is not set any more. */
export function resetEvent(lot: Lot, at: number): void {
  lot.cpu.and(at, ~SET)
}

export function beginEvent(lot: Lot, at: number, record: number): number {
  return begin(lot, eventWait, at, record)
}

export function onBellEvent(lot: Lot, at: number, record: number): number {
  return onBell(lot, eventWait, at, record)
}

export function abandonEvent(lot: Lot, at: number, record: number, outcome: number): void {
  abandon(lot, eventWait, at, record, outcome)
}

export const eventWait: Waitable = {
  purpose: EVENT_PURPOSE,

  take(lot, at) {
    for (let seen = lot.cpu.load(at); ;) {
      if ((seen & SET) === 0) return BUSY
      if ((seen & AUTO) === 0) return 0
      // Acquire: pairs with the compareExchange in setEvent().
      const now = lot.cpu.compareExchange(at, seen, seen & ~SET)
      if (now === seen) return 0
      seen = now
    }
  },

  announce(lot, at) {
    for (let seen = lot.cpu.load(at); ;) {
      if ((seen & SET) !== 0) return false
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
    // A wake-up without a set() comes from the reaper only, and to all.
  },

  giveBack(lot, at) {
    if ((lot.cpu.load(at) & AUTO) !== 0) setEvent(lot, at)
  },
}

/** Somebody waits, or did: all of it happens under the bucket's lock. */
function setContended(lot: Lot, at: number): void {
  const { cpu } = lot
  const handed: number[] = []
  const bucket = lot.lockBucket(0, at)
  const isAuto = (cpu.load(at) & AUTO) !== 0
  const more = lot.handEachLocked(bucket, 0, at, isAuto ? 1 : Infinity, handed)
  const isLeft = !isAuto || handed.length === 0 // nobody has taken it: it stays for the next one
  for (let seen = cpu.load(at); ;) {
    // With WAITERS in the word nobody sets it but here; whoever resets it may come in between.
    const next = isLeft ? (seen & AUTO) | SET : more ? seen : seen & ~WAITERS
    const now = cpu.compareExchange(at, seen, next)
    if (now === seen) break
    seen = now
  }
  lot.unlockBucket(bucket)
  lot.ring(handed)
}
