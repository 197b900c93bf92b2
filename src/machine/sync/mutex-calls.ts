/** The calls on mutexes at addresses: pthread_mutex_*. */

import { checked, EOWNERDEAD } from '../../words/errno.ts'
import { assertOptions, typeError } from '../../words/usage.ts'
import { FOR_EVER, toInt, toNumber, toUntil, type Timeout } from '../arguments.ts'
import {
  mutexConsistent,
  mutexDestroy,
  mutexInit,
  mutexLock,
  mutexTryLock,
  mutexUnlock,
  PTHREAD_MUTEX_NORMAL,
} from './mutex.ts'
import { SemaphoreCalls } from './semaphore-calls.ts'

/** What pthread_mutexattr_t says. */
export interface MutexAttributes {
  /** PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE or PTHREAD_MUTEX_ERRORCHECK. NORMAL if absent. */
  readonly type?: number
  /** Handed on, with notice, when its owner dies (PTHREAD_MUTEX_ROBUST). Otherwise it stays locked then. False if absent. */
  readonly robust?: boolean
}

export abstract class MutexCalls extends SemaphoreCalls {
  /**
   * pthread_mutex_init(3): makes a mutex at an address: a multiple of 4, and 32 bytes within one page. It is for every
   * process that maps the memory (Linux: PTHREAD_PROCESS_SHARED). Memory of zeroes is a normal mutex already.
   *
   * Throws EINVAL: no such type, or no such address. SegmentationFault where nothing may be written.
   */
  mutexInit(mutex: number, attributes: MutexAttributes = {}): void {
    assertOptions('mutexInit()', attributes)
    const { type = PTHREAD_MUTEX_NORMAL, robust = false } = attributes
    const kind = toInt('mutexInit', 'type', type)
    if (typeof robust !== 'boolean') throw typeError('mutexInit()', 'robust', 'true or false', robust)
    const at = toNumber('mutexInit', 'mutex', mutex)
    this.enter()
    checked(mutexInit(this.sync, at, kind, robust), 'pthread_mutex_init')
  }

  /** pthread_mutex_destroy(3). Throws EBUSY while it is locked (not if it is robust: glibc), EINVAL. */
  mutexDestroy(mutex: number): void {
    this.enter()
    checked(mutexDestroy(this.sync, toNumber('mutexDestroy', 'mutex', mutex)), 'pthread_mutex_destroy')
  }

  /**
   * pthread_mutex_lock(3): blocks until it is this process's. Returns 0, or EOWNERDEAD (130): it is this process's, and the
   * last owner died holding it: repair what it guards, then call mutexConsistent(); or unlock it, and it is lost to all.
   *
   * A normal mutex that this process holds is waited for, for ever; somebody else may unlock it.
   *
   * Throws EDEADLK (errorcheck: it holds it), EAGAIN (recursive: 2^31 times), ENOTRECOVERABLE, EINVAL, ENOMEM (robust: no
   * memory to note that it is held).
   */
  mutexLock(mutex: number): 0 | typeof EOWNERDEAD {
    this.enter()
    const got = mutexLock(this.sync, toNumber('mutexLock', 'mutex', mutex), FOR_EVER)
    return notice(checked(got, 'pthread_mutex_lock'))
  }

  /** pthread_mutex_trylock(3): as mutexLock(). Throws EBUSY when it is locked; a recursive one of its own is counted. */
  mutexTryLock(mutex: number): 0 | typeof EOWNERDEAD {
    this.enter()
    return notice(
      checked(mutexTryLock(this.sync, toNumber('mutexTryLock', 'mutex', mutex)), 'pthread_mutex_trylock'),
    )
  }

  /**
   * pthread_mutex_timedlock(3): as mutexLock(), at most so long: milliseconds from now, or { sec, nsec } on the clock of the
   * day. Throws ETIMEDOUT too, and EINVAL if it must wait and nsec is not 0 to 999,999,999.
   */
  mutexTimedLock(mutex: number, timeout: Timeout): 0 | typeof EOWNERDEAD {
    this.enter()
    const until = toUntil('mutexTimedLock', timeout, 'realtime')
    const got = mutexLock(this.sync, toNumber('mutexTimedLock', 'mutex', mutex), until)
    return notice(checked(got, 'pthread_mutex_timedlock'))
  }

  /**
   * pthread_mutex_unlock(3). A normal mutex may be unlocked by any process, as in glibc; of others that this process does not
   * hold it throws EPERM. A robust one that was got with EOWNERDEAD and not made consistent is ENOTRECOVERABLE from now on.
   */
  mutexUnlock(mutex: number): void {
    this.enter()
    checked(mutexUnlock(this.sync, toNumber('mutexUnlock', 'mutex', mutex)), 'pthread_mutex_unlock')
  }

  /** pthread_mutex_consistent(3): what it guards has been repaired. Throws EINVAL if nobody was told of a death. */
  mutexConsistent(mutex: number): void {
    this.enter()
    checked(
      mutexConsistent(this.sync, toNumber('mutexConsistent', 'mutex', mutex)),
      'pthread_mutex_consistent',
    )
  }
}

function notice(result: number): 0 | typeof EOWNERDEAD {
  return result === EOWNERDEAD ? EOWNERDEAD : 0
}
