/**
 * The reading side of a read-write lock. Its fast paths write a line of this thread's own and look at the lock's word: one
 * guardedPairLoad() to lock, one to unlock. An entry is such a pair, a tag and a depth.
 */

import { deadlineAfter } from '../host/clock.ts'
import type { AsyncSteps } from '../memory/async-waits.ts'
import { homeEntry, register } from '../sync/readers.ts'
import {
  abandonRead,
  beginRead,
  onBellRead,
  readLock,
  readPatienceMs,
  readsOf,
  readUnlock,
  tryReadLock,
} from '../sync/rwlock.ts'
import { leave } from '../sync/rwlock-tries.ts'
import { afterReader } from '../sync/rwlock-turns.ts'
import { bitsAgainstReaders, isTorn, RawRwLock, WRITERS } from '../sync/rwlock-word.ts'
import { PENDING } from '../sync/wait.ts'
import { EBUSY, EPERM, ESTALE, ETIMEDOUT } from '../words/errno.ts'
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

/** Of guardedPairLoad(): no word of a lock is so. */
const REFUSED = -1

export class ReadLock extends Side implements TokenHolder {
  // Each stored once, here: V8 folds such fields (CONTRIBUTING.md, "Fields on fast paths").
  readonly #cpu = this.whole.context.cpu
  readonly #word = this.whole.word
  readonly #statusAt = this.whole.statusAt
  readonly #live = this.whole.live
  /** This thread's entry for the lock, unless it reads something else there just now. */
  readonly #home = homeEntry(this.whole.context.thread.at, this.#word)
  readonly #against = bitsAgainstReaders(this.#cpu, this.#word)
  readonly #token = new SyncToken(this)
  /** How many asynchronous sections of this thread read. */
  #asyncReads = 0

  constructor(whole: Sided) {
    super(whole, 'read')
    register(whole.context.lot, this.#word + RawRwLock.flags)
  }

  /**
   * Locks for reading, together with other readers; blocks this thread while it must wait for a writer. A thread that
   * reads may lock again at any time, and unlocks as often. The token may be one that earlier calls returned.
   *
   * token.ownerDied: a writer died holding the lock, and nobody has repaired yet what it protects.
   *
   * Throws ErrnoError: ETIMEDOUT; EDEADLK (this thread writes); ENOTRECOVERABLE (a writer died and the next one did not
   * call markConsistent()); ESTALE (destroyed); EAGAIN (memory is out).
   */
  lock(wait?: Wait): UnlockToken {
    // Dekker: pairs with writers, who write the word, then look for entries (sync/rwlock.ts).
    const seen = wait === undefined ? this.#replaceEntry(0, this.#word) : REFUSED
    if ((seen & this.#against) !== 0) this.#lockSlow(wait, seen)
    return this.#token
  }

  /** Locks for reading if that needs no waiting, else null. Throws ENOTRECOVERABLE and EAGAIN as lock(). */
  tryLock(): UnlockToken | null {
    this.whole.assertLive('tryLock')
    const result = tryReadLock(this.whole.context.lot, this.#word)
    if (result === -EBUSY) return null
    if (result < 0) throw this.error(result, 'tryLock')
    return this.#token
  }

  /**
   * Locks for reading without blocking the thread. An asynchronous section is a reader of its own: if one asks again for
   * the lock that it holds, and a writer waits, both wait for ever.
   */
  async lockAsync(wait: AsyncWait = {}): Promise<UnlockToken> {
    this.whole.assertLive('lockAsync')
    const read = asyncWaitOf(this.call('lockAsync'), wait)
    const result = await this.whole.context.waits.wait(this.#steps, read.timeoutMs, read, this.whole.guard())
    if (result < 0) throw this.error(result, 'lockAsync')
    return new AsyncToken(this)
  }

  /** Ends what lock() or tryLock() began. EPERM if this thread does not read so. */
  unlock(): void {
    const seen = this.#asyncReads === 0 ? this.#replaceEntry(this.#word, 0) : REFUSED
    if ((seen & WRITERS) !== 0) this.#unlockSlow(seen)
  }

  // ── below ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** For the tokens. */
  get [heldBySync](): boolean {
    return this.whole.isLive() && this.#syncReads() > 0
  }

  get [heldByAsync](): boolean {
    return this.whole.isLive() && this.#asyncReads > 0
  }

  get [diedBefore](): boolean {
    return this.whole.isLive() && isTorn(this.whole.context.lot, this.#word)
  }

  [unlockAsync](): void {
    this.whole.assertLive('unlock')
    this.#asyncReads--
    const result = readUnlock(this.whole.context.lot, this.#word)
    if (result < 0) throw this.error(result, 'unlock')
  }

  #syncReads(): number {
    return readsOf(this.whole.context.lot, this.#word) - this.#asyncReads
  }

  readonly #steps: AsyncSteps = {
    begin: (record) => this.#onLockedAsync(beginRead(this.whole.context.lot, this.#word, record)),
    onBell: (record) => this.#onLockedAsync(onBellRead(this.whole.context.lot, this.#word, record)),
    abandon: (record, outcome) => {
      abandonRead(this.whole.context.lot, this.#word, record, outcome)
    },
    patienceMs: (record) => readPatienceMs(this.whole.context.lot, this.#word, record),
    late: (record, timeoutMs) => this.late('lockAsync', timeoutMs, record),
  }

  /** In the very step that took the lock: other code of this thread runs before the promise's continuation does. */
  #onLockedAsync(result: number): number {
    if (result < 0 || result === PENDING) return result
    this.#asyncReads++
    return result
  }

  /** Puts a tag into this thread's entry at home, if `expected` is there and nothing but it. The lock's word, or REFUSED. */
  #replaceEntry(expected: number, tag: number): number {
    return this.#cpu.guardedPairLoad(this.#statusAt, this.#live, this.#home, expected, tag, this.#word)
  }

  #lockSlow(wait: Wait | undefined, seen: number): void {
    if (seen !== REFUSED) leave(this.whole.context.lot, this.#word, this.#home)
    this.whole.assertLive('lock')
    const timeoutMs = timeoutOf(this.call('lock'), wait)
    const { context } = this.whole
    const result = context.waiting(
      () => `${this.whole.label()} is not free to read: ${this.holders()}`,
      () => readLock(context.lot, this.#word, deadlineAfter(timeoutMs)),
      this.whole.guard(),
    )
    if (result === -ETIMEDOUT) throw this.late('lock', timeoutMs, context.lot.ownRecord)
    if (result < 0) throw this.error(result, 'lock')
    if (this.whole.isLive()) return
    readUnlock(context.lot, this.#word) // as in Mutex
    throw this.error(-ESTALE, 'lock')
  }

  #unlockSlow(seen: number): void {
    if (seen !== REFUSED) {
      afterReader(this.whole.context.lot, this.#word)
      return
    }
    this.whole.assertLive('unlock')
    if (this.#syncReads() <= 0) {
      const why = 'is held by an asynchronous section only: unlock it by its token'
      throw this.error(-EPERM, 'unlock', this.#asyncReads > 0 ? why : undefined)
    }
    readUnlock(this.whole.context.lot, this.#word)
  }
}
