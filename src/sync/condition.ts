/**
 * The condition variable: threads that gave a mutex away until somebody says that something has changed.
 *
 *   RawCondition  0      1
 *               ┌──────┬───────┐
 *               │ word │ mutex │   8 bytes
 *               └──────┴───────┘
 *
 *   word    1 while somebody may wait, else 0: a notify() that finds 0 is over
 *   mutex   the word of the mutex of those who wait. Means nothing while nobody does
 *
 * Wait morphing (after glibc before 2.25 and FUTEX_CMP_REQUEUE): who is notified is not woken but moved into the queue of
 * the mutex, and the mutex wakes it when its turn comes. So a broadcast is no herd, and each waiter wakes once.
 *
 *   its record        key, purpose     other        who waits
 *   waits             the condition    the mutex    in the condition's queue, the mutex unlocked
 *   is notified       the mutex        the condition   in the mutex's queue like one that called lock(), or WOKEN at
 *                                                   once if nobody holds the mutex (then its record stays as it was)
 *   has the mutex     freed: the notification is used up
 *
 * Whoever holds a recursive mutex more than once keeps it: other is 0 then, and a notification is a wake-up and nothing else.
 *
 * Invariants
 *  1. A waiter is queued before it unlocks the mutex. So whoever changes, under the mutex, what it waits for, finds it.
 *  2. `word` and `mutex` are written under the lock of the condition's bucket. While a record waits there in a bucket that
 *     is not locked, `word` is 1 and `mutex` is that of all who wait.
 *  3. A notification goes to one who waits, in queue order, and to nobody who comes later. It ends with the waiter that
 *     has the mutex again; if that dies before, the reaper gives it to the next (repair.ts). A time-out is decided against
 *     it by the record's state and key, so no notification is spent on one that answers -ETIMEDOUT.
 *  4. Records are moved into the mutex's queue only with WAITERS set in its word: somebody will unlock it and wake one.
 *
 * A wait may end without a notification, with 0, after a death only: whoever died in a queue makes all in it look.
 *
 * Lock order: the condition's bucket and the mutex's, together, when records are moved (queues.ts); both are below the
 * mutex itself.
 *
 * See: pthread_cond_wait(3), pthread_cond_signal(3).
 */

import { ECANCELED, EINVAL, EPERM, ESTALE, ETIMEDOUT } from '../words/errno.ts'
import { i32, layout } from '../words/layout.ts'
import type { Lot } from './lot.ts'
import { MUTEX_PURPOSE, mutexWait, NOT_RECOVERABLE, OWNER_MASK, ownerOf, unlock, WAITERS } from './mutex.ts'
import { BUSY, carryOn, PENDING, waitPrepared, type Waitable } from './wait.ts'
import { CONDITION_PURPOSE, ENDED, HANDED, TIMED_OUT, WAITING, WaitRecord, WOKEN } from './wait-record.ts'

export { CONDITION_PURPOSE }

export const RawCondition = layout('RawCondition', 8, { word: i32, mutex: i32 })

const { mutex } = RawCondition
const { key1, purpose, ticket, other, outcome: answer } = WaitRecord

/**
 * Unlocks the mutex at `mutexAt`, which this thread holds once, waits to be notified, and locks it again; waits until
 * `deadline` for the notification, and as long as it takes for the mutex. Returns
 *  0                 notified; the mutex is held
 *  EOWNERDEAD        the mutex is held, and its last owner died holding it. Whether notified or not, nobody knows
 *  -ETIMEDOUT        not in time; the mutex is held
 *  -EPERM            this thread does not hold the mutex; nothing was done
 *  -EINVAL           others wait here with another mutex; nothing was done
 *  -ENOTRECOVERABLE  the mutex is lost, and not held
 *  -ESTALE           the condition was destroyed (the mutex is held), or the mutex was (it is not)
 */
export function conditionWait(lot: Lot, at: number, mutexAt: number, deadline: number): number {
  const record = lot.ownRecord
  const joined = join(lot, at, mutexAt, record)
  if (joined < 0) return joined
  const ended = lot.blockForSignal(record, deadline)
  const settled = settle(lot, mutexAt, record, ended)
  if (settled !== PENDING) return settled
  const result = lot.cpu.plainLoad(record + answer)
  const taken = takeMutex(lot, mutexAt)
  if (taken !== BUSY) return finish(lot, mutexAt, record, taken, result)
  queueForMutex(lot, at, mutexAt, record)
  const locked = waitPrepared(lot, mutexWait, mutexAt, record, Infinity)
  return locked === 0 ? result : locked
}

/**
 * The same with a mutex that this thread holds more than once: it stays locked all the time, as in glibc, so only who does not
 * ask for it can notify. Returns 0, -ETIMEDOUT, -EPERM, -EINVAL, or -ESTALE: the condition was destroyed.
 */
export function conditionWaitHolding(lot: Lot, at: number, mutexAt: number, deadline: number): number {
  const record = lot.ownRecord
  const joined = join(lot, at, mutexAt, record, 0)
  if (joined < 0) return joined
  const ended = lot.blockForSignal(record, deadline)
  const isGone = ended === ENDED || lot.isVoid(record)
  lot.freeRecord(record)
  if (isGone) return -ESTALE
  return ended === TIMED_OUT ? -ETIMEDOUT : 0
}

/**
 * Notifies the first `count` of those who wait (Infinity: all of them). Returns how many. The caller need not hold the
 * mutex; if it does, they go on when it unlocks.
 */
export function conditionNotify(lot: Lot, at: number, count: number): number {
  const { cpu } = lot
  // Invariant 1: the store is in join(), before the unlock which let the caller change what is waited for.
  if (cpu.load(at) === 0) return 0
  const home = lot.bucketOf(0, at)
  let mutexAt = cpu.load(at + mutex)
  let away = lot.bucketOf(0, mutexAt)
  lot.lockBuckets(home, away)
  while (cpu.load(at + mutex) !== mutexAt) {
    lot.unlockBuckets(home, away)
    mutexAt = cpu.load(at + mutex)
    away = lot.bucketOf(0, mutexAt)
    lot.lockBuckets(home, away)
  }
  const woken: number[] = []
  const notified = notifyLocked(lot, at, mutexAt, count, woken)
  lot.unlockBuckets(home, away)
  lot.ring(woken)
  return notified
}

/** True if somebody waits to be notified. A `word` of 1 does not say so: time-outs and deaths leave it as it is. */
export function hasWaiters(lot: Lot, at: number): boolean {
  if (lot.cpu.load(at) === 0) return false
  const bucket = lot.lockBucket(0, at)
  const first = firstWaiting(lot, bucket, at)
  lot.unlockBucket(bucket)
  return first !== 0
}

// ── asynchronous: steps for the shell in the floors above ─────────────────────────────────────────────────────────

/** Starts to wait, with a record from the lot. -EPERM, -EINVAL, -ESTALE (then the record is free again) or PENDING. */
export function beginConditionWait(lot: Lot, at: number, mutexAt: number, record: number): number {
  const joined = join(lot, at, mutexAt, record)
  if (joined === 0) return PENDING
  lot.freeRecord(record)
  return joined
}

/** Carries the wait on after the bell rang. As conditionWait(), or PENDING. */
export function onBellConditionWait(lot: Lot, at: number, mutexAt: number, record: number): number {
  const state = lot.stateOf(record)
  return state === WAITING ? PENDING : goOn(lot, at, mutexAt, record, state)
}

/**
 * Ends the wait for the notification: `outcome` is TIMED_OUT or ABORTED. The mutex is still to be had: PENDING, and
 * onBell carries on, or as conditionWait(), with -ECANCELED for ABORTED. 0 if the notification was first.
 */
export function leaveConditionWait(
  lot: Lot,
  at: number,
  mutexAt: number,
  record: number,
  outcome: number,
): number {
  return goOn(lot, at, mutexAt, record, lot.withdraw(record, outcome))
}

/** Gives the wait up, and the mutex with it: the record is free. A notification that was first goes to the next. */
export function abandonConditionWait(
  lot: Lot,
  at: number,
  mutexAt: number,
  record: number,
  outcome: number,
): void {
  const ended = lot.withdraw(record, outcome)
  const isNotified = ended === WOKEN || lot.cpu.plainLoad(record + key1) === mutexAt
  if (isNotified && !lot.isVoid(record)) conditionWaitable.passOn(lot, at)
  if (ended === WOKEN && !isMutexGone(lot, record)) mutexWait.passOn(lot, mutexAt)
  lot.freeRecord(record)
}

function goOn(lot: Lot, at: number, mutexAt: number, record: number, state: number): number {
  const settled = settle(lot, mutexAt, record, state)
  if (settled !== PENDING) return settled
  const result = lot.cpu.plainLoad(record + answer)
  const taken = takeMutex(lot, mutexAt)
  if (taken !== BUSY) return finish(lot, mutexAt, record, taken, result)
  queueForMutex(lot, at, mutexAt, record)
  const locked = carryOn(lot, mutexWait, mutexAt, record)
  if (locked === PENDING) return PENDING
  if (locked >= 0) mutexWait.taken?.(lot, mutexAt)
  return locked === 0 ? result : locked
}

// ── below ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Queues for a notification, then unlocks the mutex, unless `wanted` is 0: the mutex that it needs when it is notified. */
function join(lot: Lot, at: number, mutexAt: number, record: number, wanted = mutexAt): number {
  const { cpu } = lot
  if (ownerOf(lot, mutexAt) !== lot.thread.tid) return -EPERM
  lot.prepare(record, 0, at, CONDITION_PURPOSE)
  cpu.plainStore(record + other, wanted)
  cpu.plainStore(record + answer, 0)
  const bucket = lot.lockBucket(0, at)
  if (lot.isOver(at)) {
    lot.unlockBucket(bucket)
    return -ESTALE
  }
  const first = firstWaiting(lot, bucket, at)
  if (first !== 0 && cpu.load(at + mutex) !== mutexAt) {
    lot.unlockBucket(bucket)
    return -EINVAL
  }
  if (first === 0) cpu.store(at + mutex, mutexAt)
  cpu.store(at, 1)
  lot.enqueueLocked(bucket, record)
  lot.unlockBucket(bucket)
  if (wanted !== 0) unlock(lot, mutexAt)
  return 0
}

/** One whose wait its owner has just ended may still stand in the queue, and counts no more. */
function firstWaiting(lot: Lot, bucket: number, at: number): number {
  let record = lot.firstLocked(bucket, 0, at)
  while (record !== 0 && lot.stateOf(record) !== WAITING) record = lot.nextLocked(record, 0, at)
  return record
}

/** What a mutex is to those who are notified. */
const OWED = 0 // somebody will unlock it and wake who queues for it
const FREE = 1 // the next one must be woken; if others follow, they are OWED by it
const LOST = 2 // not recoverable: nobody can wait for it

/** Both buckets are locked. */
function notifyLocked(lot: Lot, at: number, mutexAt: number, count: number, woken: number[]): number {
  const { cpu } = lot
  const home = lot.bucketOf(0, at)
  const away = lot.bucketOf(0, mutexAt)
  let chance = FREE
  let notified = 0
  let record = lot.firstLocked(home, 0, at)
  while (record !== 0 && notified < count) {
    const after = lot.nextLocked(record, 0, at)
    const wantsMutex = cpu.plainLoad(record + other) !== 0
    if (wantsMutex && chance !== OWED) chance = lookAtMutex(lot, mutexAt, after !== 0 && notified + 1 < count)
    if (wantsMutex && chance === OWED) {
      if (lot.takeLocked(home, record)) {
        // Not before: what an ended wait is for tells its owner what was destroyed meanwhile (settle).
        changePurpose(lot, at, record)
        lot.putLocked(away, record, 0, mutexAt)
        notified++
      }
    } else if (lot.endLocked(home, record, WOKEN)) {
      woken.push(record)
      notified++
      if (wantsMutex && chance === FREE) chance = OWED
    }
    record = after
  }
  if (record === 0) cpu.store(at, 0)
  return notified
}

/**
 * Marks the mutex as waited for if it is held, or if others will queue behind the one that is woken: before that is woken,
 * since it may take the mutex and unlock it at once.
 */
function lookAtMutex(lot: Lot, mutexAt: number, hasMore: boolean): number {
  if (mutexWait.announce(lot, mutexAt)) return OWED
  for (let seen = lot.cpu.load(mutexAt); ;) {
    const holder = seen & OWNER_MASK
    if (holder === NOT_RECOVERABLE) return LOST
    if ((seen & WAITERS) !== 0 || (holder === 0 && !hasMore)) return holder === 0 ? FREE : OWED
    const now = lot.cpu.compareExchange(mutexAt, seen, seen | WAITERS)
    if (now === seen) return holder === 0 ? FREE : OWED
    seen = now
  }
}

/** In this order: whoever dies in between leaves a record by which the reaper finds whom to tell. */
function changePurpose(lot: Lot, at: number, record: number): void {
  lot.cpu.plainStore(record + other, at)
  lot.cpu.plainStore(record + purpose, MUTEX_PURPOSE)
}

/** What the end of the wait means: PENDING if the mutex is next, with the answer noted; or that the mutex is there, or gone. */
function settle(lot: Lot, mutexAt: number, record: number, state: number): number {
  const { cpu } = lot
  const isNotified = cpu.plainLoad(record + key1) === mutexAt
  if (isMutexGone(lot, record)) {
    lot.freeRecord(record)
    return -ESTALE
  }
  if (state === HANDED) {
    const accepted = mutexWait.accept(lot, mutexAt)
    if (accepted === BUSY) return PENDING
    return finish(lot, mutexAt, record, accepted, cpu.plainLoad(record + answer))
  }
  if (isNotified) {
    if (state !== ENDED) return PENDING
    lot.freeRecord(record)
    return -ESTALE
  }
  if (state === ENDED) cpu.plainStore(record + answer, -ESTALE)
  else if (state !== WOKEN) cpu.plainStore(record + answer, state === TIMED_OUT ? -ETIMEDOUT : -ECANCELED)
  return PENDING
}

function takeMutex(lot: Lot, mutexAt: number): number {
  return lot.isOver(mutexAt) ? -ESTALE : mutexWait.take(lot, mutexAt)
}

/** Whether the mutex was destroyed after the record had left the queue (Lot.endWaits). */
function isMutexGone(lot: Lot, record: number): boolean {
  const { cpu } = lot
  if (cpu.plainLoad(record + purpose) === MUTEX_PURPOSE) return lot.isVoid(record)
  return cpu.plainLoad(record + other) === 0
}

function finish(lot: Lot, mutexAt: number, record: number, taken: number, result: number): number {
  if (taken >= 0) mutexWait.taken?.(lot, mutexAt)
  lot.freeRecord(record)
  return taken === 0 ? result : taken
}

/** Makes of a record that is out of the condition's queue one that queues for the mutex; one that was moved keeps its place. */
function queueForMutex(lot: Lot, at: number, mutexAt: number, record: number): void {
  const { cpu } = lot
  if (cpu.plainLoad(record + key1) === mutexAt) return
  changePurpose(lot, cpu.plainLoad(record + answer) === 0 && !lot.isVoid(record) ? at : 0, record)
  cpu.plainStore(record + ticket, 0)
  cpu.plainStore(record + key1, mutexAt)
}

/** For the reaper: a notified waiter died. */
export const conditionWaitable: Waitable = {
  purpose: CONDITION_PURPOSE,
  take: () => BUSY,
  announce: () => true,
  accept: () => BUSY,

  /** Wakes the next who waits for a notification; it asks for its mutex by itself. Writes no word but those of records. */
  passOn(lot, at) {
    const woken: number[] = []
    const bucket = lot.lockBucket(0, at)
    for (let record = lot.firstLocked(bucket, 0, at); record !== 0 && woken.length === 0;) {
      const after = lot.nextLocked(record, 0, at)
      const isOurs = lot.cpu.plainLoad(record + purpose) === CONDITION_PURPOSE
      if (isOurs && lot.endLocked(bucket, record, WOKEN)) woken.push(record)
      record = after
    }
    lot.unlockBucket(bucket)
    lot.ring(woken)
  },
}
