/**
 * POSIX semaphores at addresses: sem_init, sem_wait and the like. The raw semaphore (sync/semaphore.ts) lies in the memory
 * of the program. Named ones lie in a shared memory object (named-semaphores.ts), and are the same from then on.
 *
 * A process that dies gives no permit back: permits have no owner.
 *
 * See: sem_overview(7).
 */

import { acquire, permitsOf, RawSemaphore, release, SEM_VALUE_MAX, tryAcquire } from '../../sync/semaphore.ts'
import { EAGAIN, EINVAL, ETIMEDOUT } from '../../words/errno.ts'
import { showAddress } from '../../paging/addresses.ts'
import type { Until } from '../arguments.ts'
import { bytesWith, endObject, isOf, makeObject, ProcessObject, SEMAPHORE } from './object.ts'
import type { SyncWords } from './words.ts'

const { raw } = ProcessObject
const BYTES = bytesWith(RawSemaphore.sizeof)

/** 0, or -EINVAL: more than SEM_VALUE_MAX. */
export function semInit(sync: SyncWords, address: number, value: number): number {
  if (!(value >= 0 && value <= SEM_VALUE_MAX)) return -EINVAL
  return makeObject(sync, address, SEMAPHORE, RawSemaphore.sizeof, (at) => {
    if (value > 0) release(sync.lot, at + raw, value)
  })
}

export function semDestroy(sync: SyncWords, address: number): number {
  return endObject(sync, address, SEMAPHORE, RawSemaphore.sizeof)
}

/** Takes a permit, or waits for one. 0, -ETIMEDOUT, or -EINVAL: no semaphore, or no time. */
export function semWait(sync: SyncWords, address: number, until: Until): number {
  if (!until.isValid) return -EINVAL
  const { lot } = sync
  const found = sync.find(address, BYTES)
  if (found < 0) return found
  if (!isOf(sync, found, SEMAPHORE)) return -EINVAL
  if (tryAcquire(lot, found + raw) === 0) return 0
  return sync.withHeld(address, BYTES, (at) =>
    sync.waiting(
      () => `sem_wait(): the semaphore at ${showAddress(address)} has no permit`,
      () => acquire(lot, at + raw, until.deadline),
    ),
  )
}

/** 0, or -EAGAIN: there is no permit. As in glibc, memory that is not to be written faults only if there is one to take. */
export function semTryWait(sync: SyncWords, address: number): number {
  const seen = sync.find(address, BYTES, 'read')
  if (seen < 0) return seen
  if (!isOf(sync, seen, SEMAPHORE)) return -EINVAL
  if (permitsOf(sync.lot, seen + raw) === 0) return -EAGAIN
  // Faulted in for writing, a private page may be another frame.
  const found = sync.find(address, BYTES)
  return tryAcquire(sync.lot, found + raw) === -ETIMEDOUT ? -EAGAIN : 0
}

/** 0, or -EOVERFLOW. */
export function semPost(sync: SyncWords, address: number): number {
  return sync.withHeld(address, BYTES, (at) =>
    isOf(sync, at, SEMAPHORE) ? release(sync.lot, at + raw, 1) : -EINVAL,
  )
}

export function semGetValue(sync: SyncWords, address: number): number {
  const found = sync.find(address, BYTES, 'read')
  if (found < 0) return found
  return isOf(sync, found, SEMAPHORE) ? permitsOf(sync.lot, found + raw) : -EINVAL
}
