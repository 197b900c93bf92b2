/**
 * pthread_mutex_t at an address: the raw mutex (sync/mutex.ts), with glibc's types and its robust form on top.
 *
 *   ProcessObject   tag  flags: type, ROBUST   users   held   raw: word, spins, mode, since
 *
 *   mode     of a recursive one, its owner's: how often it is held beyond once
 *   users    as glibc's __nusers, which is what pthread_mutex_destroy() looks at: locked so often more than unlocked
 *   held     of a robust one, its owner's: where it stands in the list of held mutexes
 *
 *   type         its owner locks again      somebody else unlocks       it is unlocked while free
 *   normal       waits, for ever            unlocks it                  nothing
 *     robust     waits, for ever            EPERM                       EPERM
 *   errorcheck   EDEADLK                    EPERM                       EPERM
 *   recursive    counts                     EPERM                       EPERM
 *
 * A robust mutex whose owner dies is the next locker's, who is told by EOWNERDEAD: held-mutexes.ts, and the reaper's step in
 * reaper.ts. Any other stays locked.
 *
 * See: pthread_mutexattr_settype(3), pthread_mutexattr_setrobust(3); nptl/pthread_mutex_lock.c in glibc 2.36.
 */

import { showAddress } from '../../paging/addresses.ts'
import {
  lock,
  lockFast,
  markConsistent,
  NOT_RECOVERABLE,
  OWNER_DIED,
  OWNER_MASK,
  RawMutex,
  tryLock,
  unlock,
  unlockFast,
} from '../../sync/mutex.ts'
import { lockBehindSelf, markConsistentForOwner, unlockForOwner } from '../../sync/mutex-by-others.ts'
import {
  EAGAIN,
  EBUSY,
  EDEADLK,
  EINVAL,
  ENOMEM,
  ENOTRECOVERABLE,
  EOWNERDEAD,
  EPERM,
  ErrnoError,
  ETIMEDOUT,
} from '../../words/errno.ts'
import { FOR_EVER, type Until } from '../arguments.ts'
import { bytesWith, endObject, isOf, makeObject, MUTEX, ProcessObject } from './object.ts'
import { FIRST, type SyncWords } from './words.ts'

const { raw, flags, users, held } = ProcessObject
const { mode } = RawMutex
const BYTES = bytesWith(RawMutex.sizeof)
export const MUTEX_BYTES = BYTES

/** Linux's numbers. */
export const PTHREAD_MUTEX_NORMAL = 0
export const PTHREAD_MUTEX_RECURSIVE = 1
export const PTHREAD_MUTEX_ERRORCHECK = 2
/** glibc: a normal one that spins before it sleeps. All of ours do. */
export const PTHREAD_MUTEX_ADAPTIVE_NP = 3

const TYPE = 3
const ROBUST = 4
/** Recursive locks of one owner (glibc: an unsigned int that must not wrap). */
const MOST_DEPTH = 0x7fffffff

/** 0, or -EINVAL: no such type. */
export function mutexInit(sync: SyncWords, address: number, type: number, isRobust: boolean): number {
  if (!(type >= PTHREAD_MUTEX_NORMAL && type <= PTHREAD_MUTEX_ADAPTIVE_NP)) return -EINVAL
  return makeObject(sync, address, MUTEX, RawMutex.sizeof, (at) => {
    const kind = type === PTHREAD_MUTEX_ADAPTIVE_NP ? PTHREAD_MUTEX_NORMAL : type
    sync.cpu.plainStore(at + flags, kind | (isRobust ? ROBUST : 0))
  })
}

/** 0, or -EBUSY: it is locked, and not robust (glibc asks no robust one). */
export function mutexDestroy(sync: SyncWords, address: number): number {
  const { cpu } = sync
  return endObject(sync, address, MUTEX, RawMutex.sizeof, (at) => {
    if ((cpu.plainLoad(at + flags) & ROBUST) === 0) return cpu.load(at + users) === 0 ? 0 : -EBUSY
    if (ownerAt(sync, at) === sync.tid) sync.heldMutexes.clear(cpu.plainLoad(at + held))
    return 0
  })
}

/**
 * Locks it, and waits if it must. 0, or
 *  EOWNERDEAD        locked, and the last owner of this robust mutex died holding it
 *  -EDEADLK          errorcheck: this process holds it
 *  -EAGAIN           recursive: held too often
 *  -ETIMEDOUT        not in time
 *  -EINVAL           no mutex; or it must be waited for, and `until` is no time
 *  -ENOTRECOVERABLE  robust, and lost
 */
export function mutexLock(sync: SyncWords, address: number, until: Until = FOR_EVER): number {
  return take(sync, address, (at) => {
    if (ownerAt(sync, at) === sync.tid) return lockAgain(sync, address, at, until)
    const taken = tryLock(sync.lot, at + raw)
    if (taken !== -ETIMEDOUT) return taken
    if (!until.isValid) return -EINVAL
    return waitFor(sync, address, () => lock(sync.lot, at + raw, until.deadline))
  })
}

/** As mutexLock(), with -EBUSY instead of a wait. */
export function mutexTryLock(sync: SyncWords, address: number): number {
  return take(sync, address, (at) => {
    if (ownerAt(sync, at) === sync.tid) {
      const seen = sync.cpu.plainLoad(at + flags)
      if ((seen & TYPE) === PTHREAD_MUTEX_RECURSIVE) return deepen(sync, at)
      return (seen & ROBUST) !== 0 && (seen & TYPE) === PTHREAD_MUTEX_ERRORCHECK ? -EDEADLK : -EBUSY
    }
    const taken = tryLock(sync.lot, at + raw)
    return taken === -ETIMEDOUT ? -EBUSY : taken
  })
}

/**
 * 0, or -EPERM: somebody else holds it, or nobody (table above); -EINVAL: no mutex. -ENOTRECOVERABLE: still held, for it was
 * locked more than once, and its last owner died: glibc says so on the way.
 */
export function mutexUnlock(sync: SyncWords, address: number): number {
  const { cpu, tid } = sync
  const found = sync.find(address, BYTES)
  if (found < 0) return found
  if (!isOf(sync, found, MUTEX)) return -EINVAL
  const seen = cpu.plainLoad(found + flags)
  if (ownerAt(sync, found) === tid) {
    if ((seen & TYPE) === PTHREAD_MUTEX_RECURSIVE && cpu.plainLoad(found + raw + mode) > 0) {
      cpu.plainStore(found + raw + mode, cpu.plainLoad(found + raw + mode) - 1)
      return (cpu.load(found + raw) & OWNER_DIED) === 0 ? 0 : -ENOTRECOVERABLE
    }
  } else if (seen !== PTHREAD_MUTEX_NORMAL) return -EPERM
  if ((seen & ROBUST) === 0) countUser(sync, found, -1)
  const place = (seen & ROBUST) === 0 ? 0 : cpu.plainLoad(found + held)
  if (!unlockFast(cpu, found + raw, tid)) {
    sync.withHeld(address, BYTES, (at) => {
      if (ownerAt(sync, at) === tid) unlock(sync.lot, at + raw)
      else unlockForOwner(sync.lot, at + raw)
      return 0
    })
  }
  // After the lock is given back: until then the reaper has to find it.
  if (place !== 0) sync.heldMutexes.clear(place)
  return 0
}

/** 0, or -EINVAL: it is not robust, or no owner of it has died that somebody was told of. */
export function mutexConsistent(sync: SyncWords, address: number): number {
  return sync.withHeld(address, BYTES, (at) => {
    if (!isOf(sync, at, MUTEX) || (sync.cpu.plainLoad(at + flags) & ROBUST) === 0) return -EINVAL
    return markConsistentForOwner(sync.lot, at + raw) ? 0 : -EINVAL
  })
}

// ── around the wait for a condition, which gives the raw mutex away and gets it again ─────────────────────────────

/** The place of a robust one in the list of held mutexes, else 0. -EPERM: it is not held; -EINVAL: no mutex. */
export function beforeWait(sync: SyncWords, at: number): number {
  const { cpu } = sync
  if (!isOf(sync, at, MUTEX)) return -EINVAL
  if (ownerAt(sync, at) !== sync.tid) return -EPERM
  return (cpu.plainLoad(at + flags) & ROBUST) === 0 ? 0 : cpu.plainLoad(at + held)
}

/** Whether this process, which holds it, does so more than once. */
export function isHeldAgain({ cpu }: SyncWords, at: number): boolean {
  return cpu.plainLoad(at + raw + mode) !== 0
}

/** The result of the wait, when what the mutex keeps beside the raw one is this process's again. */
export function afterWait(sync: SyncWords, at: number, place: number, result: number): number {
  const { cpu } = sync
  if (ownerAt(sync, at) !== sync.tid) {
    if (place !== 0) sync.heldMutexes.clear(place)
    return result
  }
  cpu.plainStore(at + raw + mode, 0)
  if ((cpu.plainLoad(at + flags) & ROBUST) !== 0) cpu.plainStore(at + held, place)
  else if (result === EOWNERDEAD) {
    markConsistent(sync.lot, at + raw)
    return 0
  }
  return result
}

// ── below ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function ownerAt({ cpu }: SyncWords, at: number): number {
  const owner = cpu.load(at + raw) & OWNER_MASK
  return owner === NOT_RECOVERABLE ? 0 : owner
}

/** Takes a mutex by `how`, which may wait, if it is not free. What the mutex keeps beside the raw one is written here. */
function take(sync: SyncWords, address: number, how: (at: number) => number): number {
  const { cpu, tid } = sync
  const found = sync.find(address, BYTES)
  if (found < 0) return found
  if (!isOf(sync, found, MUTEX)) return -EINVAL
  if ((cpu.plainLoad(found + flags) & ROBUST) !== 0) return takeRobust(sync, address, how)
  if (lockFast(cpu, found + raw, tid)) {
    cpu.plainStore(found + raw + mode, 0)
    countUser(sync, found, 1)
    return 0
  }
  return sync.withHeld(address, BYTES, (at) => {
    const taken = how(at)
    if (taken < 0 || taken === DEEPER) return taken === DEEPER ? 0 : taken
    // Only a mutex that was handed to a thread in the moment of its death says so, if it is not robust.
    if (taken === EOWNERDEAD) markConsistent(sync.lot, at + raw)
    cpu.plainStore(at + raw + mode, 0)
    countUser(sync, at, 1)
    return 0
  })
}

/** By the owner, so nobody comes between; where another unlocks it, as exact as in glibc. */
function countUser({ cpu }: SyncWords, at: number, by: number): void {
  cpu.plainStore(at + users, cpu.plainLoad(at + users) + by)
}

function takeRobust(sync: SyncWords, address: number, how: (at: number) => number): number {
  const { cpu, heldMutexes, tid } = sync
  if (heldMutexes.reserve() < 0)
    throw new ErrnoError(ENOMEM, 'mutex_lock', sync.attachment.noMemory('a list', 4096))
  const at = sync.hold(FIRST, address)
  const place = heldMutexes.note(address)
  let taken = -EINVAL
  try {
    taken = lockFast(cpu, at + raw, tid) ? 0 : how(at)
    if (taken === 0 || taken === EOWNERDEAD) {
      cpu.plainStore(at + raw + mode, 0)
      cpu.plainStore(at + held, place)
    }
  } finally {
    if (taken !== 0 && taken !== EOWNERDEAD) heldMutexes.clear(place)
    sync.release(FIRST)
  }
  return taken === DEEPER ? 0 : taken
}

/** The lock was this process's already, and is once more. */
const DEEPER = 0x10000

function deepen({ cpu }: SyncWords, at: number): number {
  const depth = cpu.plainLoad(at + raw + mode)
  if (depth >= MOST_DEPTH) return -EAGAIN
  cpu.plainStore(at + raw + mode, depth + 1)
  return DEEPER
}

function lockAgain(sync: SyncWords, address: number, at: number, until: Until): number {
  const type = sync.cpu.plainLoad(at + flags) & TYPE
  if (type === PTHREAD_MUTEX_RECURSIVE) return deepen(sync, at)
  if (type === PTHREAD_MUTEX_ERRORCHECK) return -EDEADLK
  if (!until.isValid) return -EINVAL
  return waitFor(sync, address, () => lockBehindSelf(sync.lot, at + raw, until.deadline))
}

function waitFor(sync: SyncWords, address: number, work: () => number): number {
  return sync.waiting(() => `pthread_mutex_lock(): the mutex at ${showAddress(address)} is locked`, work)
}

/** For the reaper: true if what lies at a word is a robust mutex that a dead thread holds. */
export function isHeldRobust({ cpu }: Pick<SyncWords, 'cpu'>, at: number, dead: number): boolean {
  return (
    isOf({ cpu }, at, MUTEX) &&
    (cpu.plainLoad(at + flags) & ROBUST) !== 0 &&
    (cpu.load(at + raw) & (OWNER_MASK | OWNER_DIED)) !== 0 &&
    (cpu.load(at + raw) & OWNER_MASK) === dead
  )
}
