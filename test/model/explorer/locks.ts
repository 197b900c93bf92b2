/**
 * Two locks for the explorer to look at: one that knows nothing of death, and one that survives its owner's.
 */

import type { Model, ModelThread } from '../../../src/testing/model.ts'
import { times } from './check.ts'

const WAITERS = 0x800
const OWNER = 0x7ff
/** The first note of a robust lock; the others follow. */
export const NOTES = 8

/** Drepper's second mutex: 0 free, 1 locked, 2 locked and somebody may sleep ("Futexes Are Tricky", 2011). */
export function lock(thread: ModelThread, at: number): void {
  let seen = thread.cpu.compareExchange(at, 0, 1)
  if (seen === 0) return
  if (seen !== 2) seen = thread.cpu.exchange(at, 2)
  while (seen !== 0) {
    thread.sleep(at, 2, Infinity)
    seen = thread.cpu.exchange(at, 2)
  }
}

export function unlock(thread: ModelThread, at: number): void {
  if (thread.cpu.sub(at, 1) === 1) return
  thread.cpu.store(at, 0)
  thread.ring(at)
}

/** A critical section under the lock in word 0, with one instruction in it. */
export function section(thread: ModelThread): void {
  lock(thread, 0)
  thread.assert(thread.ghost((ghost) => ++ghost[0]) === 1, 'mutual exclusion')
  thread.cpu.load(1)
  thread.ghost((ghost) => --ghost[0])
  unlock(thread, 0)
}

/** A lock with its owner in the word; before it is touched, its note says so. Either of two threads may die. */
export function robustLock(name: string, release: (thread: ModelThread) => void): Model {
  return {
    name,
    words: 16,
    threads: times(2, [
      (thread) => {
        lockRobust(thread)
        thread.assert(thread.ghost((ghost) => ++ghost[0]) === 1, 'mutual exclusion')
        thread.cpu.load(1)
        thread.ghost((ghost) => --ghost[0])
        release(thread)
      },
    ]),
    kill: [0, 1],
    reaper: [reapLock],
  }
}

function lockRobust(thread: ModelThread): void {
  thread.cpu.plainStore(NOTES + thread.index, 1)
  for (;;) {
    const seen = thread.cpu.compareExchange(0, 0, thread.tid)
    if (seen === 0) return
    if (thread.cpu.compareExchange(0, seen, seen | WAITERS) !== seen) continue
    thread.sleep(0, seen | WAITERS, Infinity)
  }
}

export function unlockRobust(thread: ModelThread): void {
  if ((thread.cpu.exchange(0, 0) & WAITERS) !== 0) thread.ring(0)
  thread.cpu.plainStore(NOTES + thread.index, 0)
}

/** Planted: whoever dies behind the note is not known to have had the lock. */
export function unlockTooEarly(thread: ModelThread): void {
  thread.cpu.plainStore(NOTES + thread.index, 0)
  if ((thread.cpu.exchange(0, 0) & WAITERS) !== 0) thread.ring(0)
}

function reapLock(thread: ModelThread, deadTid: number): void {
  if (thread.cpu.plainLoad(NOTES + (deadTid & 0xff)) === 0) return
  const seen = thread.cpu.load(0)
  if ((seen & OWNER) === deadTid) {
    thread.cpu.store(0, 0)
    thread.ghost((ghost) => (ghost[0] = 0))
  }
  // Also when it is free: the dead one may have been woken for it.
  thread.ring(0)
}
