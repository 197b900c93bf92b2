/** The writing side of a read-write lock: one thread at a time, and nobody reads. */

import { deadlineAfter } from '../host/clock.ts'
import type { AsyncSteps } from '../memory/async-waits.ts'
import {
  abandonWrite,
  beginWrite,
  onBellWrite,
  readsOf,
  tryWriteLock,
  writeLock,
  writeUnlock,
} from '../sync/rwlock.ts'
import { isTorn, writerOf } from '../sync/rwlock-word.ts'
import { PENDING } from '../sync/wait.ts'
import { EBUSY, EDEADLK, EPERM, ESTALE, ETIMEDOUT } from '../words/errno.ts'
import { asyncWaitOf, timeoutOf } from '../words/usage.ts'
import type { AsyncWait, UnlockToken, Wait } from './lockable.ts'
import { Side, type Sided } from './rwlock-view.ts'
import {
  AsyncToken,
  diedBefore,
  heldByAsync,
  heldBySync,
  SyncToken,
  unlockAsync,
  type TokenHolder,
} from './tokens.ts'

export class WriteLock extends Side implements TokenHolder {
  // Each stored once, here: V8 folds such fields (CONTRIBUTING.md, "Fields on fast paths").
  readonly #lot = this.whole.context.lot
  readonly #word = this.whole.word
  readonly #token = new SyncToken(this)
  /** Whether it is an asynchronous section of this thread that writes, if this thread does. */
  #isAsync = false

  constructor(whole: Sided) {
    super(whole, 'write')
  }

  /**
   * Locks for writing; blocks this thread while others write or read. The token may be one that earlier calls returned.
   *
   * token.ownerDied: a writer died holding the lock. Repair what it protects, then call markConsistent().
   *
   * Throws ErrnoError: ETIMEDOUT; EDEADLK (this thread writes, or reads: a read is not turned into a write);
   * ENOTRECOVERABLE (a writer died and the next one did not call markConsistent()); ESTALE (destroyed).
   */
  lock(wait?: Wait): UnlockToken {
    this.whole.assertLive('lock')
    if (wait !== undefined || tryWriteLock(this.#lot, this.#word) < 0) this.#lockSlow(wait)
    this.#isAsync = false
    return this.#token
  }

  /** Locks for writing if nobody writes or reads, this thread included, else null. Throws ENOTRECOVERABLE as lock(). */
  tryLock(): UnlockToken | null {
    this.whole.assertLive('tryLock')
    const result = tryWriteLock(this.#lot, this.#word)
    if (result === -EBUSY) return null
    if (result < 0) throw this.error(result, 'tryLock')
    this.#isAsync = false
    return this.#token
  }

  /** Locks for writing without blocking the thread; queues also behind other sections of this thread. */
  async lockAsync(wait: AsyncWait = {}): Promise<UnlockToken> {
    this.whole.assertLive('lockAsync')
    const read = asyncWaitOf(this.call('lockAsync'), wait)
    const result = await this.whole.context.waits.wait(this.#steps, read.timeoutMs, read, this.whole.guard())
    if (result < 0) throw this.error(result, 'lockAsync')
    return new AsyncToken(this)
  }

  /** Unlocks what lock() or tryLock() locked. EPERM if this thread does not hold it so. */
  unlock(): void {
    this.whole.assertLive('unlock')
    if (this.#isAsync && this.#isOwn()) {
      throw this.error(-EPERM, 'unlock', 'is held by an asynchronous section: unlock it by its token')
    }
    this.#unlock()
  }

  // ── below ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** For the tokens. */
  get [heldBySync](): boolean {
    return !this.#isAsync && this.#isOwn()
  }

  get [heldByAsync](): boolean {
    return this.#isAsync && this.#isOwn()
  }

  get [diedBefore](): boolean {
    return this.#isOwn() && isTorn(this.#lot, this.#word)
  }

  [unlockAsync](): void {
    this.whole.assertLive('unlock')
    this.#unlock()
  }

  #isOwn(): boolean {
    return this.whole.isLive() && writerOf(this.#lot, this.#word) === this.#lot.thread.tid
  }

  #unlock(): void {
    const result = writeUnlock(this.#lot, this.#word)
    if (result < 0) throw this.error(result, 'unlock')
  }

  readonly #steps: AsyncSteps = {
    begin: (record) => this.#onLockedAsync(beginWrite(this.#lot, this.#word, record)),
    onBell: (record) => this.#onLockedAsync(onBellWrite(this.#lot, this.#word, record)),
    abandon: (record, outcome) => {
      abandonWrite(this.#lot, this.#word, record, outcome)
    },
    late: (record, timeoutMs) => this.late('lockAsync', timeoutMs, record),
  }

  /** In the very step that took the lock: other code of this thread runs before the promise's continuation does. */
  #onLockedAsync(result: number): number {
    if (result >= 0 && result !== PENDING) this.#isAsync = true
    return result
  }

  #lockSlow(wait: Wait | undefined): void {
    const timeoutMs = timeoutOf(this.call('lock'), wait)
    const { context } = this.whole
    if (readsOf(this.#lot, this.#word) > 0) {
      throw this.error(
        -EDEADLK,
        'lock',
        'this thread reads under it; to wait here for all readers would never end',
      )
    }
    const result = context.waiting(
      () => `${this.whole.label()} is not free to write: ${this.holders()}`,
      () => writeLock(this.#lot, this.#word, deadlineAfter(timeoutMs)),
      this.whole.guard(),
    )
    if (result === -ETIMEDOUT) throw this.late('lock', timeoutMs, this.#lot.ownRecord)
    if (result < 0) throw this.error(result, 'lock')
    if (this.whole.isLive()) return
    writeUnlock(this.#lot, this.#word) // as in Mutex
    throw this.error(-ESTALE, 'lock')
  }
}
