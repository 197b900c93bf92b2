/**
 * The futex: to sleep on a word while it has a value, and to wake who sleeps. What a word means is the user's business.
 *
 *   key             two opaque words: which futex it is. 0 and a word's index in the memory, or an object and an offset
 *   record          key, bitset; purpose FUTEX. No words of its own beside the word that is compared
 *
 * The comparison runs under the lock of the key's bucket, and so does every wake-up: hence none is lost between the look
 * at the word and the queueing. Who is woken is decided by the waker, in queue order: exactly as many as it says, sleeping
 * threads and asynchronous waits alike, since a futex has no second look that would make up for one too few or too many.
 *
 * A woken waiter that dies before it has gone on passes the wake-up to the next (Linux does not). A death in a queue wakes
 * all in it: 0 from futexWait() does not say that somebody called futexWake() (nor does it on Linux).
 *
 * See: futex(2), FUTEX_WAKE_OP(2const), torvalds/linux kernel/futex/{waitwake,requeue}.c. What Linux does with counts that
 * are not positive is the caller's business (FUTEX_WAKE wakes one, FUTEX_REQUEUE answers EINVAL).
 */

import { EAGAIN, EINVAL, ENOMEM, ENOSYS, ESTALE, ETIMEDOUT } from '../words/errno.ts'
import type { Lot } from './lot.ts'
import { PENDING } from './wait.ts'
import { ANY, BLOCKED, ENDED, TIMED_OUT, WAITING, WaitRecord, WOKEN } from './wait-record.ts'

const { key0: keyWord0, key1: keyWord1, bitset: bits, outcome: mask, kind } = WaitRecord

export const FUTEX_PURPOSE = 3
/** The most futexes of one futexWaitv(): Linux's FUTEX_WAITV_MAX. */
export const FUTEX_WAITV_MAX = 128

export interface FutexKey {
  readonly key0: number
  readonly key1: number
}

/** One of several futexes to wait for: the word at `at` must hold `expected`. */
export interface FutexWaiter extends FutexKey {
  readonly at: number
  readonly expected: number
}

/**
 * Sleeps while the word at `at` holds `expected`, until woken. Returns
 *  0           woken (or a thread died in the queue)
 *  -EAGAIN     the word holds something else
 *  -ETIMEDOUT  not in time
 *  -EINVAL     the bitset is 0: nobody could wake it
 *  -ESTALE     the memory that the word lies in was destroyed
 */
export function futexWait(
  lot: Lot,
  at: number,
  key0: number,
  key1: number,
  expected: number,
  bitset: number,
  deadline: number,
): number {
  if (bitset === 0) return -EINVAL
  const record = lot.ownRecord
  if (!join(lot, at, key0, key1, expected, bitset, record)) return -EAGAIN
  return finish(lot, record, lot.block(record, deadline))
}

/** Wakes the first `count` waiters of a key whose bitset meets `bitset`. Returns how many. -EINVAL if the bitset is 0. */
export function futexWake(lot: Lot, key0: number, key1: number, count: number, bitset = ANY): number {
  if (bitset === 0) return -EINVAL
  const woken: number[] = []
  const bucket = lot.lockBucket(key0, key1)
  const number = lot.wakeExactlyLocked(bucket, key0, key1, count, bitset, woken)
  lot.unlockBucket(bucket)
  lot.ring(woken)
  return number
}

/**
 * Wakes the first `wake` waiters of `from`, and moves the next `requeue` behind those of `to`. Returns how many were woken
 * or moved, as both FUTEX_REQUEUE and FUTEX_CMP_REQUEUE do (whatever the manual says of the former). -EAGAIN if
 * `expected` is given and its word holds another value.
 */
export function futexRequeue(
  lot: Lot,
  from: FutexKey,
  to: FutexKey,
  wake: number,
  requeue: number,
  expected?: { readonly at: number; readonly value: number },
): number {
  const home = lot.bucketOf(from.key0, from.key1)
  const away = lot.bucketOf(to.key0, to.key1)
  const isSame = from.key0 === to.key0 && from.key1 === to.key1
  lot.lockBuckets(home, away)
  if (expected !== undefined && lot.cpu.load(expected.at) !== expected.value) {
    lot.unlockBuckets(home, away)
    return -EAGAIN
  }
  const woken: number[] = []
  let moved = 0
  lot.wakeExactlyLocked(home, from.key0, from.key1, wake, ANY, woken)
  let record = lot.firstLocked(home, from.key0, from.key1)
  while (record !== 0 && moved < requeue) {
    const after = lot.nextLocked(record, from.key0, from.key1)
    // To the same key: it stays where it is, and counts.
    if (isSame ? lot.stateOf(record) === WAITING : lot.moveLocked(home, away, record, to.key0, to.key1))
      moved++
    record = after
  }
  lot.unlockBuckets(home, away)
  lot.ring(woken)
  return woken.length + moved
}

/** The operations and comparisons of futexWakeOp(), with Linux's numbers. FUTEX_OP_OPARG_SHIFT: 1 << oparg instead of oparg. */
export const FUTEX_OP_SET = 0
export const FUTEX_OP_ADD = 1
export const FUTEX_OP_OR = 2
export const FUTEX_OP_ANDN = 3
export const FUTEX_OP_XOR = 4
export const FUTEX_OP_OPARG_SHIFT = 8
export const FUTEX_OP_CMP_EQ = 0
export const FUTEX_OP_CMP_NE = 1
export const FUTEX_OP_CMP_LT = 2
export const FUTEX_OP_CMP_LE = 3
export const FUTEX_OP_CMP_GT = 4
export const FUTEX_OP_CMP_GE = 5

/**
 * Changes the word at `at2`, in one step; then wakes `wake` waiters of `first`, and `wake2` of `second` if the word's old
 * value compares so. Returns how many were woken. -ENOSYS: no such operation (nothing was done), or no such comparison
 * (the word was changed, and nobody woken, as on Linux).
 */
export function futexWakeOp(
  lot: Lot,
  at2: number,
  first: FutexKey,
  second: FutexKey,
  wake: number,
  wake2: number,
  op: number,
  oparg: number,
  cmp: number,
  cmparg: number,
): number {
  const operand = (op & FUTEX_OP_OPARG_SHIFT) !== 0 ? 1 << oparg : oparg
  const change = CHANGES[op & ~FUTEX_OP_OPARG_SHIFT]
  const compares = COMPARISONS[cmp]
  if (change === undefined) return -ENOSYS
  const one = lot.bucketOf(first.key0, first.key1)
  const two = lot.bucketOf(second.key0, second.key1)
  lot.lockBuckets(one, two)
  const old = change(lot, at2, operand)
  const woken: number[] = []
  if (compares !== undefined) {
    lot.wakeExactlyLocked(one, first.key0, first.key1, wake, ANY, woken)
    if (compares(old, cmparg)) lot.wakeExactlyLocked(two, second.key0, second.key1, wake2, ANY, woken)
  }
  lot.unlockBuckets(one, two)
  lot.ring(woken)
  return compares === undefined ? -ENOSYS : woken.length
}

const CHANGES: readonly (((lot: Lot, at: number, operand: number) => number) | undefined)[] = [
  ({ cpu }, at, operand) => cpu.exchange(at, operand),
  ({ cpu }, at, operand) => cpu.add(at, operand),
  ({ cpu }, at, operand) => cpu.or(at, operand),
  ({ cpu }, at, operand) => cpu.and(at, ~operand),
  ({ cpu }, at, operand) => cpu.xor(at, operand),
]

const COMPARISONS: readonly (((old: number, operand: number) => boolean) | undefined)[] = [
  (old, operand) => old === operand,
  (old, operand) => old !== operand,
  (old, operand) => old < operand,
  (old, operand) => old <= operand,
  (old, operand) => old > operand,
  (old, operand) => old >= operand,
]

/**
 * Sleeps while each of up to 128 words holds what is expected of it, until one of them is woken. Returns the index of one
 * that was (the last, if several were), or
 *  -EAGAIN     one of the words holds something else
 *  -ETIMEDOUT  not in time
 *  -EINVAL     none, or more than 128
 *  -ENOMEM     no memory for so many wait records
 *  -ESTALE     the memory that one of the words lies in was destroyed
 */
export function futexWaitv(lot: Lot, waiters: readonly FutexWaiter[], deadline: number): number {
  if (waiters.length === 0 || waiters.length > FUTEX_WAITV_MAX) return -EINVAL
  const records: number[] = []
  let result = -EAGAIN
  let isReady = true
  for (const { at, key0, key1, expected } of waiters) {
    const record = lot.allocRecord()
    if (record === 0) {
      result = -ENOMEM
      isReady = false
      break
    }
    lot.cpu.plainStore(record + kind, BLOCKED) // its wakers ring the bell that this thread sleeps on
    isReady = join(lot, at, key0, key1, expected, ANY, record)
    if (!isReady) {
      lot.freeRecord(record)
      break
    }
    records.push(record)
  }
  if (isReady) result = lot.blockUntilAny(records, deadline) ? -EAGAIN : -ETIMEDOUT
  // Whatever was woken meanwhile is the answer, also of a wait that was not to be.
  records.forEach((record, index) => {
    const ended = lot.withdraw(record, TIMED_OUT)
    if (ended === WOKEN) result = index
    else if (ended === ENDED && result < 0) result = -ESTALE
    lot.freeRecord(record)
  })
  return result
}

// ── asynchronous: steps for the shell in the floors above ─────────────────────────────────────────────────────────

/** Starts to wait, with a record from the lot. -EAGAIN or -EINVAL (then the record is free again), or PENDING. */
export function beginFutexWait(
  lot: Lot,
  at: number,
  key0: number,
  key1: number,
  expected: number,
  bitset: number,
  record: number,
): number {
  if (bitset !== 0 && join(lot, at, key0, key1, expected, bitset, record)) return PENDING
  lot.freeRecord(record)
  return bitset === 0 ? -EINVAL : -EAGAIN
}

/** After the bell rang: 0 woken, -ESTALE, or PENDING. */
export function onBellFutexWait(lot: Lot, record: number): number {
  const ended = lot.stateOf(record)
  return ended === WAITING ? PENDING : finish(lot, record, ended)
}

/** Ends the wait: `outcome` is TIMED_OUT or ABORTED. If a wake-up was on its way, the next waiter gets it. */
export function abandonFutexWait(lot: Lot, record: number, outcome: number): void {
  if (lot.withdraw(record, outcome) === WOKEN) passOnFutexWake(lot, record)
  lot.freeRecord(record)
}

// ── below ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function join(
  lot: Lot,
  at: number,
  key0: number,
  key1: number,
  expected: number,
  bitset: number,
  record: number,
): boolean {
  lot.prepare(record, key0, key1, FUTEX_PURPOSE)
  lot.cpu.plainStore(record + bits, bitset)
  lot.cpu.plainStore(record + mask, ANY)
  const bucket = lot.lockBucket(key0, key1)
  // Under the bucket's lock: whoever changes the word and then wakes comes before this look, or finds the record.
  const holds = lot.cpu.load(at) === expected
  if (holds) lot.enqueueLocked(bucket, record)
  lot.unlockBucket(bucket)
  return holds
}

function finish(lot: Lot, record: number, ended: number): number {
  lot.freeRecord(record)
  if (ended === WOKEN) return 0
  return ended === ENDED ? -ESTALE : -ETIMEDOUT
}

/** Gives the wake-up of a record to the next waiter of its key: its owner has died, or does not want it. */
export function passOnFutexWake(lot: Lot, record: number): void {
  const { cpu } = lot
  futexWake(
    lot,
    cpu.plainLoad(record + keyWord0),
    cpu.plainLoad(record + keyWord1),
    1,
    cpu.plainLoad(record + mask),
  )
}
