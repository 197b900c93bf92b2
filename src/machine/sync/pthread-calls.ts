/** The calls on conditions, read-write locks, barriers and spin locks at addresses: pthread_*. */

import { checked, EOWNERDEAD } from '../../words/errno.ts'
import { assertOptions, oneOf } from '../../words/usage.ts'
import { FOR_EVER, toInt, toNumber, toUntil, type Timeout } from '../arguments.ts'
import { barrierDestroy, barrierInit, barrierWait } from './barrier.ts'
import { condClock, condDestroy, condInit, condNotify, condWait } from './condition.ts'
import { MutexCalls } from './mutex-calls.ts'
import {
  rwlockDestroy,
  rwlockInit,
  rwlockRead,
  rwlockTryRead,
  rwlockTryWrite,
  rwlockUnlock,
  rwlockWrite,
} from './rwlock.ts'
import { spinDestroy, spinGive, spinInit, spinTry, spinWait } from './spin-lock.ts'

/** What pthread_condattr_t says. */
export interface ConditionAttributes {
  /** The clock of { sec, nsec } in condTimedWait(): CLOCK_REALTIME or CLOCK_MONOTONIC. 'realtime' if absent. */
  readonly clock?: 'realtime' | 'monotonic'
}

/** What pthread_rwlockattr_t says. */
export interface RwLockAttributes {
  /** Whether a writer that waits keeps new readers out (PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP). 'readers' if absent. */
  readonly prefer?: 'readers' | 'writers'
}

export abstract class PthreadCalls extends MutexCalls {
  // ── conditions ──────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * pthread_cond_init(3): makes a condition at an address: a multiple of 4, and 24 bytes within one page. It is for every
   * process that maps the memory. Memory of zeroes is one already. Throws EINVAL.
   */
  condInit(cond: number, attributes: ConditionAttributes = {}): void {
    assertOptions('condInit()', attributes)
    const { clock = 'realtime' } = attributes
    oneOf('condInit()', 'clock', clock, ['realtime', 'monotonic'])
    const at = toNumber('condInit', 'cond', cond)
    this.enter()
    checked(condInit(this.sync, at, clock === 'monotonic'), 'pthread_cond_init')
  }

  /** pthread_cond_destroy(3). Throws EBUSY while somebody waits for it (glibc waits), EINVAL. */
  condDestroy(cond: number): void {
    this.enter()
    checked(condDestroy(this.sync, toNumber('condDestroy', 'cond', cond)), 'pthread_cond_destroy')
  }

  /**
   * pthread_cond_wait(3): unlocks the mutex, which this process holds, blocks until the condition is signalled, and locks the
   * mutex again. Returns 0; or EOWNERDEAD (130): the mutex is held, and its last owner died holding it. What is waited for
   * may not have come to be: look again.
   *
   * Throws EPERM (it does not hold the mutex), EINVAL (others wait with another mutex; no
   * condition or no mutex), ENOTRECOVERABLE (the mutex is lost, and not held).
   */
  condWait(cond: number, mutex: number): 0 | typeof EOWNERDEAD {
    this.enter()
    const [at, mutexAt] = [toNumber('condWait', 'cond', cond), toNumber('condWait', 'mutex', mutex)]
    return notice(checked(condWait(this.sync, at, mutexAt, FOR_EVER), 'pthread_cond_wait'))
  }

  /**
   * pthread_cond_timedwait(3): as condWait(), for at most so long: milliseconds from now, or { sec, nsec } on the condition's
   * clock. Throws ETIMEDOUT too: the mutex is held; and EINVAL if nsec is not 0 to 999,999,999.
   */
  condTimedWait(cond: number, mutex: number, timeout: Timeout): 0 | typeof EOWNERDEAD {
    this.enter()
    const [at, mutexAt] = [toNumber('condTimedWait', 'cond', cond), toNumber('condTimedWait', 'mutex', mutex)]
    const clock = checked(condClock(this.sync, at), 'pthread_cond_timedwait') === 0 ? 'realtime' : 'monotonic'
    const until = toUntil('condTimedWait', timeout, clock)
    return notice(checked(condWait(this.sync, at, mutexAt, until), 'pthread_cond_timedwait'))
  }

  /** pthread_cond_signal(3): the one that has waited longest goes on (POSIX: at least one). Throws EINVAL. */
  condSignal(cond: number): void {
    this.enter()
    checked(condNotify(this.sync, toNumber('condSignal', 'cond', cond), 1), 'pthread_cond_signal')
  }

  /** pthread_cond_broadcast(3): all who wait go on, one after the other, as they get the mutex. Throws EINVAL. */
  condBroadcast(cond: number): void {
    this.enter()
    checked(
      condNotify(this.sync, toNumber('condBroadcast', 'cond', cond), Infinity),
      'pthread_cond_broadcast',
    )
  }

  // ── read-write locks ────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * pthread_rwlock_init(3): makes a read-write lock at an address: a multiple of 4, and 64 bytes within one page. It is for
   * every process that maps the memory. Memory of zeroes is one already. A process that dies keeps what it has locked.
   *
   * Throws EINVAL.
   */
  rwlockInit(rwlock: number, attributes: RwLockAttributes = {}): void {
    assertOptions('rwlockInit()', attributes)
    const { prefer = 'readers' } = attributes
    oneOf('rwlockInit()', 'prefer', prefer, ['readers', 'writers'])
    const at = toNumber('rwlockInit', 'rwlock', rwlock)
    this.enter()
    checked(rwlockInit(this.sync, at, prefer === 'writers'), 'pthread_rwlock_init')
  }

  /** pthread_rwlock_destroy(3). Nobody may be using it. Throws EINVAL. */
  rwlockDestroy(rwlock: number): void {
    this.enter()
    checked(rwlockDestroy(this.sync, toNumber('rwlockDestroy', 'rwlock', rwlock)), 'pthread_rwlock_destroy')
  }

  /** pthread_rwlock_rdlock(3): blocks until it may be read. Throws EDEADLK (it holds it for writing), EINVAL. */
  rwlockRdLock(rwlock: number): void {
    this.enter()
    const at = toNumber('rwlockRdLock', 'rwlock', rwlock)
    checked(rwlockRead(this.sync, at, FOR_EVER), 'pthread_rwlock_rdlock')
  }

  /** pthread_rwlock_tryrdlock(3). Throws EBUSY, EINVAL. */
  rwlockTryRdLock(rwlock: number): void {
    this.enter()
    checked(
      rwlockTryRead(this.sync, toNumber('rwlockTryRdLock', 'rwlock', rwlock)),
      'pthread_rwlock_tryrdlock',
    )
  }

  /**
   * pthread_rwlock_timedrdlock(3): milliseconds from now, or { sec, nsec } on the clock of the day. Throws ETIMEDOUT, EDEADLK,
   * EINVAL (nsec is not 0 to 999,999,999; no lock).
   */
  rwlockTimedRdLock(rwlock: number, timeout: Timeout): void {
    this.enter()
    const at = toNumber('rwlockTimedRdLock', 'rwlock', rwlock)
    const until = toUntil('rwlockTimedRdLock', timeout, 'realtime')
    checked(rwlockRead(this.sync, at, until), 'pthread_rwlock_timedrdlock')
  }

  /** pthread_rwlock_wrlock(3): blocks until nobody else has it. Throws EDEADLK (it holds it for writing), EINVAL. */
  rwlockWrLock(rwlock: number): void {
    this.enter()
    const at = toNumber('rwlockWrLock', 'rwlock', rwlock)
    checked(rwlockWrite(this.sync, at, FOR_EVER), 'pthread_rwlock_wrlock')
  }

  /** pthread_rwlock_trywrlock(3). Throws EBUSY, EINVAL. */
  rwlockTryWrLock(rwlock: number): void {
    this.enter()
    checked(
      rwlockTryWrite(this.sync, toNumber('rwlockTryWrLock', 'rwlock', rwlock)),
      'pthread_rwlock_trywrlock',
    )
  }

  /** pthread_rwlock_timedwrlock(3): as rwlockTimedRdLock(). */
  rwlockTimedWrLock(rwlock: number, timeout: Timeout): void {
    this.enter()
    const at = toNumber('rwlockTimedWrLock', 'rwlock', rwlock)
    const until = toUntil('rwlockTimedWrLock', timeout, 'realtime')
    checked(rwlockWrite(this.sync, at, until), 'pthread_rwlock_timedwrlock')
  }

  /**
   * pthread_rwlock_unlock(3): ends this process's write, or a read: whose, nobody knows. Throws EPERM when there is none,
   * EINVAL.
   */
  rwlockUnlock(rwlock: number): void {
    this.enter()
    checked(rwlockUnlock(this.sync, toNumber('rwlockUnlock', 'rwlock', rwlock)), 'pthread_rwlock_unlock')
  }

  // ── barriers ────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * pthread_barrier_init(3): makes a barrier for `count` parties at an address: a multiple of 4, and 32 bytes within one
   * page. It is for every process that maps the memory. Throws EINVAL: none, or more than 2^29 (glibc: 2^31 - 2).
   */
  barrierInit(barrier: number, count: number): void {
    this.enter()
    const at = toNumber('barrierInit', 'barrier', barrier)
    checked(barrierInit(this.sync, at, toInt('barrierInit', 'count', count)), 'pthread_barrier_init')
  }

  /** pthread_barrier_destroy(3). Nobody may be waiting at it. Throws EINVAL. */
  barrierDestroy(barrier: number): void {
    this.enter()
    checked(
      barrierDestroy(this.sync, toNumber('barrierDestroy', 'barrier', barrier)),
      'pthread_barrier_destroy',
    )
  }

  /**
   * pthread_barrier_wait(3): blocks until so many have come. True for one of them (PTHREAD_BARRIER_SERIAL_THREAD). It can be
   * used again at once. A process that dies while it waits has come; one that dies before keeps the others waiting.
   *
   * Throws EINVAL.
   */
  barrierWait(barrier: number): boolean {
    this.enter()
    return (
      checked(barrierWait(this.sync, toNumber('barrierWait', 'barrier', barrier)), 'pthread_barrier_wait') ===
      1
    )
  }

  // ── spin locks ──────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * pthread_spin_init(3): makes a spin lock at an address: a multiple of 4, and 20 bytes within one page. It is for every
   * process that maps the memory. A process that dies keeps it. Throws EINVAL.
   */
  spinInit(lock: number): void {
    this.enter()
    checked(spinInit(this.sync, toNumber('spinInit', 'lock', lock)), 'pthread_spin_init')
  }

  /** pthread_spin_destroy(3). Throws EINVAL. */
  spinDestroy(lock: number): void {
    this.enter()
    checked(spinDestroy(this.sync, toNumber('spinDestroy', 'lock', lock)), 'pthread_spin_destroy')
  }

  /**
   * pthread_spin_lock(3): spins until nobody holds it; after a while it gives its core away between looks, for a millisecond
   * (Linux: never). What this process holds itself is waited for, as on Linux. Throws EINVAL.
   */
  spinLock(lock: number): void {
    this.enter()
    checked(spinWait(this.sync, toNumber('spinLock', 'lock', lock)), 'pthread_spin_lock')
  }

  /** pthread_spin_trylock(3). Throws EBUSY, EINVAL. */
  spinTryLock(lock: number): void {
    this.enter()
    checked(spinTry(this.sync, toNumber('spinTryLock', 'lock', lock)), 'pthread_spin_trylock')
  }

  /** pthread_spin_unlock(3): whoever holds it, as on Linux. Throws EINVAL. */
  spinUnlock(lock: number): void {
    this.enter()
    checked(spinGive(this.sync, toNumber('spinUnlock', 'lock', lock)), 'pthread_spin_unlock')
  }
}

function notice(result: number): 0 | typeof EOWNERDEAD {
  return result === EOWNERDEAD ? EOWNERDEAD : 0
}
