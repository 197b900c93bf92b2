/**
 * futex(2) of a process: keys from addresses (futex-keys.ts), then the raw futex (sync/futex.ts). In each call the checks
 * come in Linux's order: time, bitset, counts; the keys of its addresses; then the value.
 *
 * See: futex(2), futex_waitv(2); kernel/futex/{core,waitwake,requeue,syscalls}.c.
 */

import { pinWords } from './futex-words.ts'
import { showAddress } from '../../paging/addresses.ts'
import {
  FUTEX_WAITV_MAX,
  futexRequeue,
  futexWait,
  futexWaitv,
  futexWake,
  futexWakeOp,
} from '../../sync/futex.ts'
import { EFAULT, EINVAL } from '../../words/errno.ts'
import type { Until } from '../arguments.ts'
import { futexKey, isReachable } from './futex-keys.ts'
import { FIRST, SECOND, type SyncWords } from './words.ts'

/** 0, -EAGAIN (it holds something else), -ETIMEDOUT, -EINVAL, -EFAULT. */
export function waitAt(
  sync: SyncWords,
  address: number,
  value: number,
  bitset: number,
  until: Until,
  isPrivate: boolean,
): number {
  if (!until.isValid || until.isNegative || bitset === 0) return -EINVAL
  const key = futexKey(sync, address, isPrivate)
  if (typeof key === 'number') return key
  if (!isReachable(sync, address, 'read')) return -EFAULT
  const at = sync.hold(FIRST, address, 'read')
  try {
    return sync.waiting(
      () => `futex(FUTEX_WAIT): nobody has woken the futex at ${showAddress(address)}`,
      () => futexWait(sync.lot, at, key.key0, key.key1, value, bitset, until.deadline),
    )
  } finally {
    sync.release(FIRST)
  }
}

/** How many were woken. As on Linux a count that is not positive wakes one. -EINVAL, -EFAULT. */
export function wakeAt(
  sync: SyncWords,
  address: number,
  count: number,
  bitset: number,
  isPrivate: boolean,
): number {
  if (bitset === 0) return -EINVAL
  const key = futexKey(sync, address, isPrivate)
  return typeof key === 'number' ? key : futexWake(sync.lot, key.key0, key.key1, Math.max(count, 1), bitset)
}

/** How many were woken or moved. -EAGAIN: the word at `from` is not `expected`. -EINVAL (a negative count too), -EFAULT. */
export function requeueAt(
  sync: SyncWords,
  from: number,
  to: number,
  wake: number,
  requeue: number,
  expected: number | undefined,
  isPrivate: boolean,
): number {
  if (wake < 0 || requeue < 0) return -EINVAL
  const first = futexKey(sync, from, isPrivate)
  if (typeof first === 'number') return first
  const second = futexKey(sync, to, isPrivate)
  if (typeof second === 'number') return second
  if (expected === undefined) return futexRequeue(sync.lot, first, second, wake, requeue)
  if (!isReachable(sync, from, 'read')) return -EFAULT
  const at = sync.hold(FIRST, from, 'read')
  try {
    return futexRequeue(sync.lot, first, second, wake, requeue, { at, value: expected })
  } finally {
    sync.release(FIRST)
  }
}

/** What FUTEX_WAKE_OP does to the second word, and what it then asks of its old value: FUTEX_OP() of <linux/futex.h>. */
export interface WakeOperation {
  readonly op: number
  readonly oparg: number
  readonly cmp: number
  readonly cmparg: number
}

/** How many were woken at both. -ENOSYS: no such operation. -EINVAL, -EFAULT. */
export function wakeOpAt(
  sync: SyncWords,
  address: number,
  address2: number,
  wake: number,
  wake2: number,
  { op, oparg, cmp, cmparg }: WakeOperation,
  isPrivate: boolean,
): number {
  const first = futexKey(sync, address, isPrivate)
  if (typeof first === 'number') return first
  const second = futexKey(sync, address2, isPrivate)
  if (typeof second === 'number') return second
  if (!isReachable(sync, address2, 'write')) return -EFAULT
  const at = sync.hold(SECOND, address2)
  try {
    const [one, two] = [Math.max(wake, 1), Math.max(wake2, 1)]
    return futexWakeOp(
      sync.lot,
      at,
      first,
      second,
      one,
      two,
      op & 15,
      signed12(oparg),
      cmp & 15,
      signed12(cmparg),
    )
  } finally {
    sync.release(SECOND)
  }
}

function signed12(value: number): number {
  return (value << 20) >> 20
}

/** One of the words of futexWaitv(). */
export interface AddressAndValue {
  readonly address: number
  readonly value: number
}

/** Which of them was woken. -EAGAIN: one of the words is not what is expected. -ETIMEDOUT, -EINVAL, -EFAULT, -ENOMEM. */
export function waitAtAny(
  sync: SyncWords,
  waiters: readonly AddressAndValue[],
  until: Until,
  isPrivate: boolean,
): number {
  if (waiters.length === 0 || waiters.length > FUTEX_WAITV_MAX) return -EINVAL
  if (!until.isValid || until.isNegative) return -EINVAL
  const keys: { key0: number; key1: number }[] = []
  for (const { address } of waiters) {
    const key = futexKey(sync, address, isPrivate)
    if (typeof key === 'number') return key
    if (!isReachable(sync, address, 'read')) return -EFAULT
    keys.push(key)
  }
  const pinned = pinWords(sync, waiters)
  if (typeof pinned === 'number') return pinned
  try {
    const raw = waiters.map(({ value }, i) => ({ ...keys[i], at: pinned.words[i], expected: value }))
    return sync.waiting(
      () => `futex_waitv(): nobody has woken one of ${waiters.length} futexes`,
      () => futexWaitv(sync.lot, raw, until.deadline),
    )
  } finally {
    sync.space.kernel.pins.unpin(pinned.cells)
  }
}
