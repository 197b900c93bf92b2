/**
 * pthread_spinlock_t at an address: the raw spin lock (sync/spin-lock.ts), as glibc has it: whoever likes may unlock it, and
 * who holds it and locks it again spins until somebody does. A process that dies holding it keeps it.
 *
 * See: pthread_spin_lock(3).
 */

import { showAddress } from '../../paging/addresses.ts'
import { RawSpin, spinLock, spinTryLock } from '../../sync/spin-lock.ts'
import { EBUSY, EDEADLK, EINVAL } from '../../words/errno.ts'
import { bytesWith, endObject, isOf, makeObject, ProcessObject, SPIN_LOCK } from './object.ts'
import type { SyncWords } from './words.ts'

const { raw } = ProcessObject
const BYTES = bytesWith(RawSpin.sizeof)

export function spinInit(sync: SyncWords, address: number): number {
  return makeObject(sync, address, SPIN_LOCK, RawSpin.sizeof, () => undefined)
}

export function spinDestroy(sync: SyncWords, address: number): number {
  return endObject(sync, address, SPIN_LOCK, RawSpin.sizeof)
}

/** 0, or -EINVAL: no spin lock. */
export function spinWait(sync: SyncWords, address: number): number {
  const { lot, tid, attachment } = sync
  return sync.withHeld(address, BYTES, (at) => {
    if (!isOf(sync, at, SPIN_LOCK)) return -EINVAL
    if (spinTryLock(lot, at + raw) >= 0) return 0
    return sync.waiting(
      () => `pthread_spin_lock(): the lock at ${showAddress(address)} is held`,
      () => {
        while (spinLock(lot, at + raw, Infinity) === -EDEADLK) attachment.thread.awaitChange(at + raw, tid)
        return 0
      },
    )
  })
}

/** 0, or -EBUSY. */
export function spinTry(sync: SyncWords, address: number): number {
  const found = sync.find(address, BYTES)
  if (found < 0) return found
  if (!isOf(sync, found, SPIN_LOCK)) return -EINVAL
  return spinTryLock(sync.lot, found + raw) >= 0 ? 0 : -EBUSY
}

export function spinGive(sync: SyncWords, address: number): number {
  const found = sync.find(address, BYTES)
  if (found < 0) return found
  if (!isOf(sync, found, SPIN_LOCK)) return -EINVAL
  // Release: pairs with the compareExchange in spinLock().
  sync.cpu.store(found + raw, 0)
  return 0
}
