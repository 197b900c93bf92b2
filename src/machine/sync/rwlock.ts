/**
 * pthread_rwlock_t at an address: the raw lock (sync/rwlock.ts), which counts its readers, as POSIX has it: nobody knows who
 * they are, so any process may end a read, and a reader that dies keeps the lock. So does a writer.
 *
 * Where we differ from glibc: to unlock what nobody has locked, or another writes, is EPERM (POSIX: undefined; there the
 * latter counts a reader less than none, and the lock is lost). A writer that is killed while it waits waits no more (there it
 * may keep out new readers, or be given the lock, for ever: nothing is said of what a death leaves).
 *
 * See: pthread_rwlock_rdlock(3p), pthread_rwlockattr_setkind_np(3).
 */

import { showAddress } from '../../paging/addresses.ts'
import { readLock, rwUnlock, tryReadLock, tryWriteLock, writeLock } from '../../sync/rwlock.ts'
import { COUNTED, initRwLock, PREFER_WRITERS, RawRwLock, writerOf } from '../../sync/rwlock-word.ts'
import { EBUSY, EDEADLK, EINVAL } from '../../words/errno.ts'
import type { Until } from '../arguments.ts'
import { bytesWith, endObject, isOf, makeObject, ProcessObject, RWLOCK } from './object.ts'
import type { SyncWords } from './words.ts'

const { raw, tag } = ProcessObject
const { flags } = RawRwLock
const BYTES = bytesWith(RawRwLock.sizeof)

export function rwlockInit(sync: SyncWords, address: number, prefersWriters: boolean): number {
  return makeObject(sync, address, RWLOCK, RawRwLock.sizeof, (at) => {
    initRwLock(sync.cpu, at + raw, prefersWriters ? COUNTED | PREFER_WRITERS : COUNTED)
  })
}

export function rwlockDestroy(sync: SyncWords, address: number): number {
  return endObject(sync, address, RWLOCK, RawRwLock.sizeof)
}

/** 0, -EDEADLK (it holds it for writing), -ETIMEDOUT, or -EINVAL: no lock, no time. */
export function rwlockRead(sync: SyncWords, address: number, until: Until): number {
  return wait(sync, address, until, tryReadLock, readLock)
}

/** 0, -EDEADLK (it holds it for writing), -ETIMEDOUT, or -EINVAL: no lock, no time. */
export function rwlockWrite(sync: SyncWords, address: number, until: Until): number {
  return wait(sync, address, until, tryWriteLock, writeLock)
}

/** 0, or -EBUSY. */
export function rwlockTryRead(sync: SyncWords, address: number): number {
  return withLock(sync, address, (at) => tryReadLock(sync.lot, at))
}

/** 0, or -EBUSY. */
export function rwlockTryWrite(sync: SyncWords, address: number): number {
  return withLock(sync, address, (at) => {
    const taken = tryWriteLock(sync.lot, at)
    return taken === -EDEADLK ? -EBUSY : taken
  })
}

/** Ends this process's write, or somebody's read. 0, or -EPERM. */
export function rwlockUnlock(sync: SyncWords, address: number): number {
  return withLock(sync, address, (at) => rwUnlock(sync.lot, at))
}

type Raw = (lot: SyncWords['lot'], at: number, deadline: number) => number

function wait(sync: SyncWords, address: number, until: Until, now: Raw, later: Raw): number {
  if (!until.isValid) return -EINVAL
  return withLock(sync, address, (at) => {
    const { lot } = sync
    if (writerOf(lot, at) === sync.tid) return -EDEADLK
    const taken = now(lot, at, 0)
    if (taken !== -EBUSY) return taken
    return sync.waiting(
      () => `pthread_rwlock: the lock at ${showAddress(address)} is held`,
      () => later(lot, at, until.deadline),
    )
  })
}

/** Works on the raw lock. Memory of zeroes is one that prefers readers: here it gets the flag that says that it counts them. */
function withLock(sync: SyncWords, address: number, work: (at: number) => number): number {
  return sync.withHeld(address, BYTES, (at) => {
    if (!isOf(sync, at, RWLOCK)) return -EINVAL
    if (sync.cpu.plainLoad(at + tag) === 0) sync.cpu.or(at + raw + flags, COUNTED)
    return work(at + raw)
  })
}
