/**
 * What C's normal mutex permits beside (mutex.ts): to be unlocked by a thread that does not hold it, and to be waited for by
 * the one that does. POSIX leaves both undefined; programs use the first as a semaphore of one permit, the second is a
 * deadlock that somebody else can end.
 */

import type { Lot } from './lot.ts'
import { mutexWait, OWNER_DIED, OWNER_MASK, RawMutex, WAITERS } from './mutex.ts'
import { waitBlocked } from './wait.ts'

const { since } = RawMutex

/** Waits for a mutex that this thread holds itself: as lock(), but for -EDEADLK. */
export function lockBehindSelf(lot: Lot, at: number, deadline: number): number {
  return waitBlocked(lot, mutexWait, at, deadline)
}

/** Unlocks a mutex whoever holds it, and wakes who is due. One that nobody holds stays so. */
export function unlockForOwner(lot: Lot, at: number): void {
  const { cpu } = lot
  const woken: number[] = []
  const bucket = lot.lockBucket(0, at)
  // While WAITERS is clear the owner may unlock too, and others lock: by compareExchange. While it is set nobody can.
  for (let seen = cpu.load(at); (seen & OWNER_MASK) !== 0 && (seen & WAITERS) === 0;) {
    const now = cpu.compareExchange(at, seen, 0)
    if (now === seen) break
    seen = now
  }
  const seen = cpu.load(at)
  if ((seen & WAITERS) !== 0 && (seen & OWNER_MASK) !== 0) {
    const heir = lot.handLocked(bucket, 0, at)
    if (heir !== 0) woken.push(heir)
    cpu.plainStore(at + since, 0)
    const more = heir === 0 ? lot.wakeLocked(bucket, 0, at, 1, woken) : lot.firstLocked(bucket, 0, at) !== 0
    cpu.store(at, (heir === 0 ? 0 : lot.ownerOf(heir)) | (more ? WAITERS : 0))
  }
  lot.unlockBucket(bucket)
  lot.ring(woken)
}

/** Takes the note of a death off a mutex, for whoever holds it. False if it has an owner and none has died, or none. */
export function markConsistentForOwner(lot: Lot, at: number): boolean {
  const { cpu } = lot
  const bucket = lot.lockBucket(0, at)
  let seen = cpu.load(at)
  while ((seen & OWNER_DIED) !== 0 && (seen & OWNER_MASK) !== 0) {
    const now = cpu.compareExchange(at, seen, seen & ~OWNER_DIED)
    if (now === seen) break
    seen = now
  }
  lot.unlockBucket(bucket)
  return (seen & OWNER_DIED) !== 0 && (seen & OWNER_MASK) !== 0
}
