/** The system calls on semaphores: POSIX's, unnamed and named. */

import { unlinkSemaphore } from '../../ipc/posix-sem.ts'
import type { ShmNames } from '../../ipc/posix-shm.ts'
import { checked } from '../../words/errno.ts'
import { FOR_EVER, toInt, toNumber, toText, toUntil, type Timeout } from '../arguments.ts'
import { ProcessView } from '../process-view.ts'
import type { NamedSemaphores } from './named-semaphores.ts'
import { semDestroy, semGetValue, semInit, semPost, semTryWait, semWait } from './semaphore.ts'
import type { SyncWords } from './words.ts'

export abstract class SemaphoreCalls extends ProcessView {
  declare protected readonly sync: SyncWords
  declare protected readonly semaphores: NamedSemaphores
  declare protected readonly names: ShmNames

  /** Every system call begins here: in a machine that is gone nothing is done. */
  protected enter(): void {
    this.kernel.attachment.assertSound()
  }

  /**
   * sem_init(3): makes a semaphore of `value` permits at an address: a multiple of 4, and 24 bytes within one page. It is
   * for every process that maps the memory (Linux: if pshared is not 0).
   *
   * Throws EINVAL: more than 2,147,483,647 permits, or no such address. SegmentationFault where nothing may be written.
   */
  semInit(sem: number, value: number): void {
    this.enter()
    checked(
      semInit(this.sync, toNumber('semInit', 'sem', sem), toNumber('semInit', 'value', value)),
      'sem_init',
    )
  }

  /** sem_destroy(3). Nobody may be waiting for it: who is goes on doing so. Throws EINVAL. */
  semDestroy(sem: number): void {
    this.enter()
    checked(semDestroy(this.sync, toNumber('semDestroy', 'sem', sem)), 'sem_destroy')
  }

  /**
   * sem_open(3): the address of the semaphore of a name, which with O_CREAT is made if it is not there, with `value` permits.
   * The same name gives the same address until it was closed as often as opened. It is the shared memory object `sem.NAME`.
   *
   * Throws EINVAL (no name; too many permits), ENOENT, EEXIST, EMFILE, ENAMETOOLONG, ENOMEM.
   */
  semOpen(name: string, oflag: number, mode = 0o600, value = 0): number {
    const text = toText('semOpen', name)
    const flags = toInt('semOpen', 'oflag', oflag)
    const bits = toInt('semOpen', 'mode', mode)
    const permits = toNumber('semOpen', 'value', value)
    this.enter()
    return checked(this.semaphores.open(text, flags, bits, permits), 'sem_open')
  }

  /** sem_close(3). Throws EINVAL for an address that semOpen() has not given. */
  semClose(sem: number): void {
    this.enter()
    checked(this.semaphores.close(toNumber('semClose', 'sem', sem)), 'sem_close')
  }

  /** sem_unlink(3): takes the name away; who has it open goes on. Throws ENOENT, ENAMETOOLONG. */
  semUnlink(name: string): void {
    this.enter()
    checked(unlinkSemaphore(this.names, toText('semUnlink', name)), 'sem_unlink')
  }

  /** sem_wait(3): takes a permit, and blocks until there is one. Throws EINVAL where there is no semaphore. */
  semWait(sem: number): void {
    this.enter()
    checked(semWait(this.sync, toNumber('semWait', 'sem', sem), FOR_EVER), 'sem_wait')
  }

  /** sem_trywait(3). Throws EAGAIN when there is no permit, EINVAL. */
  semTryWait(sem: number): void {
    this.enter()
    checked(semTryWait(this.sync, toNumber('semTryWait', 'sem', sem)), 'sem_trywait')
  }

  /**
   * sem_timedwait(3): `timeout` is milliseconds from now, or { sec, nsec } on the clock of the day, as in C. What is past
   * does not keep it from taking a permit that is there.
   *
   * Throws ETIMEDOUT, EINVAL (nsec is not 0 to 999,999,999; no semaphore).
   */
  semTimedWait(sem: number, timeout: Timeout): void {
    this.enter()
    const at = toNumber('semTimedWait', 'sem', sem)
    checked(semWait(this.sync, at, toUntil('semTimedWait', timeout, 'realtime')), 'sem_timedwait')
  }

  /** sem_post(3): gives a permit back, or a new one. Throws EOVERFLOW beyond 2,147,483,647, EINVAL. */
  semPost(sem: number): void {
    this.enter()
    checked(semPost(this.sync, toNumber('semPost', 'sem', sem)), 'sem_post')
  }

  /** sem_getvalue(3): the permits there are; 0 while processes wait. Throws EINVAL. */
  semGetValue(sem: number): number {
    this.enter()
    return checked(semGetValue(this.sync, toNumber('semGetValue', 'sem', sem)), 'sem_getvalue')
  }
}
