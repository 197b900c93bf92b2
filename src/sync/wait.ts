/**
 * Waiting for something that may be taken: the loop that mutexes, semaphores and all later primitives share.
 *
 *      ┌──────── take ── got it ──────────────────────────────► done
 *      │ BUSY
 *      ▼
 *      ┌─► lock bucket ─ announce ── free again ─► unlock ─► take
 *      │          │ marked
 *      │          ▼
 *      │    queue the record ─► unlock ─► sleep, or go on and listen for the bell
 *      │          │
 *      │   WOKEN  ▼  HANDED ─► done      TIMED_OUT, ABORTED, ENDED ─► done, with that
 *      └────── take
 *
 * A primitive says how it is taken and how a waiter announces itself; `announce` runs under the bucket's lock, and so
 * does whatever wakes, hence no wake-up is lost between the look and the queueing.
 *
 * Blocking and asynchronous waits run the same steps. Asynchronous: begin; onBell each time the thread's bell rang;
 * abort or expire at most once. The promise shell is elsewhere.
 */

import { ESTALE, ETIMEDOUT } from '../words/errno.ts'
import type { Lot } from './lot.ts'
import { ENDED, HANDED, TIMED_OUT, WAITING, WOKEN } from './wait-record.ts'

/** What `take` answers when it has to be waited for. No errno is that large. */
export const BUSY = 0x40000000

/** What `begin` and `onBell` answer while the wait goes on. */
export const PENDING = BUSY

export interface Waitable {
  /** For the reaper and for reports: what the record waits for. */
  readonly purpose: number
  /** Tries to get it: 0 or a positive notice when it is ours, BUSY, or a negative errno that ends the wait. */
  take(lot: Lot, at: number): number
  /** Under the bucket's lock: marks that somebody waits. False if it need not be waited for (any more). */
  announce(lot: Lot, at: number): boolean
  /** A waker handed it over: the same answers as `take`. */
  accept(lot: Lot, at: number): number
  /** A waiter that was woken does not want it any more, or has died: the wake-up goes to the next one. */
  passOn(lot: Lot, at: number): void
  /** What was handed to `tid`, who does not want it any more or has died, goes to the next one. If absent, passOn() does. */
  giveBack?(lot: Lot, at: number, tid: number): void
  /** A waiter has given up, or has died, and nobody had woken it: whoever waited because of it must not. */
  withdrawn?(lot: Lot, at: number): void
  /** How long one that queues may sleep before it looks again without being woken. If absent: for ever. */
  patienceMs?(lot: Lot, at: number): number
  /** One that had to wait has it now: what it may note for those who still do. */
  taken?(lot: Lot, at: number): void
}

/**
 * Waits, asleep, until it is taken; the caller has just found it BUSY. Returns what `take` did, or -ETIMEDOUT, or -ESTALE
 * when it has ended.
 */
export function waitBlocked(lot: Lot, what: Waitable, at: number, deadline: number): number {
  const record = lot.ownRecord
  lot.prepare(record, 0, at, what.purpose)
  return waitPrepared(lot, what, at, record, deadline)
}

/** The same with a record that was prepared for it, by this function's caller or by a move from another queue. */
export function waitPrepared(lot: Lot, what: Waitable, at: number, record: number, deadline: number): number {
  for (;;) {
    if (queue(lot, what, at, record)) {
      const patienceMs = what.patienceMs?.(lot, at) ?? Infinity
      const looksAt = patienceMs === Infinity ? Infinity : lot.thread.deadlineIn(patienceMs)
      const ended = lot.block(record, Math.min(looksAt, deadline))
      if (ended === TIMED_OUT && looksAt < deadline) continue
      if (ended === ENDED || lot.isVoid(record)) return finish(lot, record, -ESTALE)
      if (ended === TIMED_OUT) {
        what.withdrawn?.(lot, at)
        return finish(lot, record, -ETIMEDOUT)
      }
      if (ended === HANDED) {
        const accepted = what.accept(lot, at)
        if (accepted !== BUSY) return finishTaken(lot, what, at, record, accepted)
      }
    }
    if (lot.isOver(at)) return finish(lot, record, -ESTALE)
    const taken = what.take(lot, at)
    if (taken !== BUSY) return finishTaken(lot, what, at, record, taken)
  }
}

/**
 * Starts an asynchronous wait with a record from the lot.
 * Returns what `take` did (the record is free again), or PENDING: onBell carries on.
 */
export function begin(lot: Lot, what: Waitable, at: number, record: number): number {
  lot.prepare(record, 0, at, what.purpose)
  return carryOn(lot, what, at, record)
}

/** After the thread's bell rang: carries a pending wait on. PENDING if it still is, -ESTALE if what it waits for has ended. */
export function onBell(lot: Lot, what: Waitable, at: number, record: number): number {
  const state = lot.stateOf(record)
  if (state === WAITING) return PENDING
  if (state === ENDED || lot.isVoid(record)) return finish(lot, record, -ESTALE)
  const accepted = state === HANDED ? what.accept(lot, at) : BUSY
  const result = accepted === BUSY ? carryOn(lot, what, at, record) : finish(lot, record, accepted)
  if (result !== PENDING && result >= 0) what.taken?.(lot, at)
  return result
}

/** As onBell(), and one that waits still tries again, without leaving its place. */
export function lookAgain(lot: Lot, what: Waitable, at: number, record: number): number {
  if (lot.stateOf(record) === WAITING && !lot.isVoid(record)) {
    const bucket = lot.lockBucket(0, at)
    // Whoever else ends the wait does so under this lock, or has done so.
    if (lot.stateOf(record) === WAITING) {
      lot.callLocked(record, 0)
      if (lot.isOver(at)) lot.endLocked(bucket, record, ENDED)
      else if (!what.announce(lot, at)) lot.endLocked(bucket, record, WOKEN)
    }
    lot.unlockBucket(bucket)
  } else {
    lot.callLocked(record, 0)
  }
  return onBell(lot, what, at, record)
}

/** Takes it, or queues a record that was prepared for it: then PENDING. */
export function carryOn(lot: Lot, what: Waitable, at: number, record: number): number {
  for (;;) {
    if (lot.isOver(at)) return finish(lot, record, -ESTALE)
    const taken = what.take(lot, at)
    if (taken !== BUSY) return finish(lot, record, taken)
    if (queue(lot, what, at, record)) return PENDING
  }
}

/** Ends a pending wait from outside: TIMED_OUT or ABORTED. If a wake-up was on its way, the next waiter gets it. */
export function abandon(lot: Lot, what: Waitable, at: number, record: number, outcome: number): void {
  const ended = lot.withdraw(record, outcome)
  if (ended === ENDED || lot.isVoid(record)) {
    // Nothing of it is left to be passed on.
  } else if (ended === HANDED && what.giveBack !== undefined) what.giveBack(lot, at, lot.thread.tid)
  else if (ended === outcome) what.withdrawn?.(lot, at)
  else what.passOn(lot, at)
  lot.freeRecord(record)
}

/** False: it need not be waited for, or is over. */
function queue(lot: Lot, what: Waitable, at: number, record: number): boolean {
  const bucket = lot.lockBucket(0, at)
  const waits = !lot.isOver(at) && what.announce(lot, at)
  if (waits) lot.enqueueLocked(bucket, record)
  lot.unlockBucket(bucket)
  return waits
}

function finishTaken(lot: Lot, what: Waitable, at: number, record: number, result: number): number {
  if (result >= 0) what.taken?.(lot, at)
  return finish(lot, record, result)
}

/** The record is freed only now: until then the reaper passes its wake-up on if this thread dies. */
function finish(lot: Lot, record: number, result: number): number {
  lot.freeRecord(record)
  return result
}
