/**
 * pthread_cond_t at an address: the raw condition (sync/condition.ts), whose mutex lies at another address.
 *
 *   ProcessObject   tag  flags: MONOTONIC   -   -   raw: word, mutex
 *
 * Both frames are held for as long as the wait lasts. A robust mutex keeps its place in the list of held ones meanwhile: it
 * is this process's again when the wait ends, and the note must have been written before.
 *
 * A mutex that the caller holds more than once stays locked while it waits, and it holds it as often afterwards.
 *
 * Where we differ from glibc: a mutex that the caller does not hold is EPERM, whatever its type (there a normal one that is
 * not robust is not asked; POSIX: undefined); two mutexes at a time are EINVAL (POSIX: undefined); a condition that somebody
 * waits for is EBUSY to destroy (there it waits).
 *
 * See: pthread_cond_wait(3p), pthread_cond_destroy(3p).
 */

import { showAddress } from '../../paging/addresses.ts'
import {
  conditionNotify,
  conditionWait,
  conditionWaitHolding,
  hasWaiters,
  RawCondition,
} from '../../sync/condition.ts'
import { EBUSY, EINVAL } from '../../words/errno.ts'
import type { Until } from '../arguments.ts'
import { afterWait, beforeWait, isHeldAgain, MUTEX_BYTES } from './mutex.ts'
import { bytesWith, CONDITION, endObject, isOf, makeObject, ProcessObject } from './object.ts'
import { isObjectAddress, SECOND, type SyncWords } from './words.ts'

const { raw, flags } = ProcessObject
const BYTES = bytesWith(RawCondition.sizeof)

/** In `flags`: moments are of the clock that does not jump. */
const MONOTONIC = 1

export function condInit(sync: SyncWords, address: number, isMonotonic: boolean): number {
  return makeObject(sync, address, CONDITION, RawCondition.sizeof, (at) => {
    sync.cpu.plainStore(at + flags, isMonotonic ? MONOTONIC : 0)
  })
}

/** 0, or -EBUSY: somebody waits. */
export function condDestroy(sync: SyncWords, address: number): number {
  return endObject(sync, address, CONDITION, RawCondition.sizeof, (at) =>
    hasWaiters(sync.lot, at + raw) ? -EBUSY : 0,
  )
}

/** Whether a moment that is given to condWait() is one of the monotonic clock. -EINVAL: no condition. */
export function condClock(sync: SyncWords, address: number): number {
  const found = sync.find(address, BYTES)
  if (found < 0) return found
  return isOf(sync, found, CONDITION) ? sync.cpu.plainLoad(found + flags) & MONOTONIC : -EINVAL
}

/**
 * Unlocks the mutex, waits to be notified, locks it again. 0, or
 *  EOWNERDEAD        the mutex is held, and its last owner died holding it
 *  -ETIMEDOUT        not in time; the mutex is held
 *  -EPERM            this process does not hold the mutex
 *  -EINVAL           no condition, no mutex, no time; others wait with another mutex
 *  -ENOTRECOVERABLE  the mutex is lost
 */
export function condWait(sync: SyncWords, address: number, mutex: number, until: Until): number {
  if (!until.isValid || !isObjectAddress(mutex, MUTEX_BYTES)) return -EINVAL
  return sync.withHeld(address, BYTES, (at) => {
    const mutexAt = sync.hold(SECOND, mutex)
    try {
      if (!isOf(sync, at, CONDITION)) return -EINVAL
      const place = beforeWait(sync, mutexAt)
      if (place < 0) return place
      const isKept = isHeldAgain(sync, mutexAt)
      const wait = isKept ? conditionWaitHolding : conditionWait
      const result = sync.waiting(
        () => `pthread_cond_wait(): nobody has signalled the condition at ${showAddress(address)}`,
        () => wait(sync.lot, at + raw, mutexAt + raw, until.deadline),
      )
      return isKept ? result : afterWait(sync, mutexAt, place, result)
    } finally {
      sync.release(SECOND)
    }
  })
}

/** Notifies so many of those who wait, the first first. */
export function condNotify(sync: SyncWords, address: number, count: number): number {
  return sync.withHeld(address, BYTES, (at) => {
    if (!isOf(sync, at, CONDITION)) return -EINVAL
    conditionNotify(sync.lot, at + raw, count)
    return 0
  })
}
