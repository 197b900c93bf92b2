/**
 * SpinLock: one thread at a time, for sections of some hundred nanoseconds, by waiting awake.
 *
 * Prefer a Mutex: it spins as well, and it sleeps when that does not pay. See: pthread_spin_lock(3). Differences: when an
 * owner dies, the next one is told; locking it twice is EDEADLK.
 */

import { registerKind, type Found, type Place } from '../memory/kind.ts'
import { SharedObject } from '../memory/object.ts'
import { from, open, staleError } from '../memory/open.ts'
import { OWNER_DIED } from '../sync/mutex.ts'
import { spinLock, spinOwner, spinTryLock, spinUnlock } from '../sync/spin-lock.ts'
import { EDEADLK, EOWNERDEAD, EPERM, ErrnoError, ESTALE, ETIMEDOUT } from '../words/errno.ts'
import { timeoutOf } from '../words/usage.ts'
import type { UnlockToken, Wait } from './lockable.ts'
import { runSection } from './section.ts'
import { spinLockKind, SpinLockObject } from './spin-lock-kind.ts'
import { diedBefore, heldBySync, SyncToken, type SyncHolder } from './tokens.ts'

const { raw } = SpinLockObject

/**
 * A lock for very short sections. It has no asynchronous form: nobody should wait so long for it.
 *
 * @example
 *   const lock = SpinLock.open('statistics')
 *   lock.run(() => { sum[0] += value; sum[1] += 1 })
 */
export class SpinLock extends SharedObject implements SyncHolder {
  readonly #context = this.attachment
  readonly #word = this.at + raw
  readonly #statusAt = this.at + SpinLockObject.status
  readonly #live = -this.generation
  readonly #cpu = this.#context.cpu
  readonly #lot = this.#context.lot
  readonly #tid = this.#context.thread.tid
  readonly #token = new SyncToken(this)

  constructor(options: Place | Found = {}) {
    super(SPIN_LOCK, options)
  }

  /** Attaches to the spin lock of that name, or creates it. */
  static open(name: string, options: Omit<Place, 'name'> = {}): SpinLock {
    return open(SPIN_LOCK, name, options)
  }

  /** The spin lock of a handle that arrived in a message. */
  static from(handle: unknown): SpinLock {
    return from(SPIN_LOCK, handle)
  }

  /**
   * Locks; spins while another thread holds it. `token.ownerDied`: the last owner died holding it; unlocking it says that
   * what it protects is sound again.
   *
   * Throws ErrnoError: ETIMEDOUT; EDEADLK (this thread holds it); ESTALE (destroyed).
   */
  lock(wait?: Wait): UnlockToken {
    if (this.#cpu.plainLoad(this.#statusAt) !== this.#live) this.assertLive('lock')
    if (wait !== undefined || this.#cpu.compareExchange(this.#word, 0, this.#tid) !== 0) this.#lockSlow(wait)
    return this.#token
  }

  /** Locks if nobody holds it, this thread included, else null. */
  tryLock(): UnlockToken | null {
    this.assertLive('tryLock')
    return spinTryLock(this.#lot, this.#word) < 0 ? null : this.#token
  }

  /** Unlocks. EPERM if this thread does not hold it. */
  unlock(): void {
    if (this.#cpu.plainLoad(this.#statusAt) !== this.#live) this.assertLive('unlock')
    if (this.#cpu.compareExchange(this.#word, this.#tid, 0) === this.#tid) return
    if (spinUnlock(this.#lot, this.#word) < 0) {
      throw new ErrnoError(
        EPERM,
        'unlock',
        `${this.label}: this thread does not hold it, ${this.#holder()} does`,
      )
    }
  }

  /** Runs a section with the lock held. If it returns a promise, ERR_PAGEFRAME_INVALID_ARGUMENT, with the lock unlocked. */
  run<T>(section: (held: UnlockToken) => T, wait?: Wait): T {
    return runSection('SpinLock.run()', this, section, wait, 'for asynchronous sections there is Mutex')
  }

  /** Node's threadId of the thread that holds it, or null. It may have changed by the time you look. */
  get owner(): number | null {
    this.assertLive('owner')
    const tid = spinOwner(this.#lot, this.#word)
    return tid === 0 ? null : this.#context.threadIdOf(tid)
  }

  // ── below ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** For the token. */
  get [heldBySync](): boolean {
    return this.isLive && spinOwner(this.#lot, this.#word) === this.#tid
  }

  get [diedBefore](): boolean {
    return this[heldBySync] && (this.#cpu.load(this.#word) & OWNER_DIED) !== 0
  }

  #lockSlow(wait: Wait | undefined): void {
    const timeoutMs = timeoutOf('SpinLock.lock()', wait)
    const result = this.#context.waiting(
      () => `${this.label} is held by ${this.#holder()}`,
      () => spinLock(this.#lot, this.#word, timeoutMs, () => this.isLive),
    )
    if (result === 0 || result === EOWNERDEAD) return
    if (result === -ESTALE) throw staleError('SpinLock', 'lock')
    if (result === -EDEADLK)
      throw new ErrnoError(EDEADLK, 'lock', `${this.label}: this thread holds it already`)
    throw new ErrnoError(
      ETIMEDOUT,
      'lock',
      `${this.label}: not acquired in ${timeoutMs} ms; ${this.#holder()} holds it`,
    )
  }

  #holder(): string {
    const tid = spinOwner(this.#lot, this.#word)
    return tid === 0 ? 'nobody' : this.#context.threadName(tid)
  }
}

const SPIN_LOCK = spinLockKind((found) => new SpinLock(found))

registerKind('SpinLock', (value) => SpinLock.from(value), SPIN_LOCK)
