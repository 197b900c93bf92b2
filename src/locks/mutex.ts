/**
 * Mutex: one thread at a time, by name, robust when its holder dies.
 *
 *   lock(), tryLock()   mode 0, or the depth beyond one         unlock(), or the one token of all of them
 *   lockAsync()         mode ASYNC_HOLD                         unlock() of its own token only
 *
 * The lock itself is sync/mutex.ts; where its words lie, and what a mutex is made of, mutex-kind.ts.
 *
 * See: pthread_mutex_lock(3), pthread_mutexattr_setrobust(3). Differences: a robust lock is the default; lockAsync() has no
 * counterpart, and two asynchronous sections of one thread exclude each other like two threads.
 */

import { deadlineAfter } from '../host/clock.ts'
import type { AsyncSteps } from '../memory/async-waits.ts'
import { registerKind, type Found } from '../memory/kind.ts'
import { SharedObject } from '../memory/object.ts'
import { from, open, staleError } from '../memory/open.ts'
import {
  abandonLock,
  beginLock,
  lock,
  lockFast,
  markConsistent,
  onBellLock,
  OWNER_DIED,
  OWNER_MASK,
  ownerOf,
  RawMutex,
  tryLock,
  unlock,
  unlockLive,
} from '../sync/mutex.ts'
import { EDEADLK, EINVAL, EOWNERDEAD, EPERM, ErrnoError, ESTALE, ETIMEDOUT } from '../words/errno.ts'
import { PENDING } from '../sync/wait.ts'
import { asyncWaitOf, timeoutOf } from '../words/usage.ts'
import { holderOf, whyLate, whyNot } from './explain.ts'
import type { AsyncWait, Lockable, UnlockToken, Wait } from './lockable.ts'
import { ASYNC_HOLD, mutexKind, MutexObject, NORMAL, RECURSIVE, type MutexOptions } from './mutex-kind.ts'
import { runSection, runSectionAsync } from './section.ts'
import {
  AsyncToken,
  diedBefore,
  heldByAsync,
  heldBySync,
  mutexAccess,
  SyncToken,
  unlockAsync,
  type MutexAccess,
  type TokenHolder,
} from './tokens.ts'

const { raw, type: typeAt } = MutexObject
const { mode: modeAt } = RawMutex

// V8 looks a function of a module up at each call, lest it was replaced: a constant it knows (CONTRIBUTING.md).
const lockIfFree = lockFast
const unlockIfLive = unlockLive

/**
 * A lock that one thread holds at a time.
 *
 * @example
 *   const lock = Mutex.open('report')
 *   lock.run(() => append(line))            // a worker: blocks
 *   await lock.runAsync(() => append(line)) // the main thread: does not
 */
export class Mutex extends SharedObject implements Lockable, TokenHolder {
  // Each stored once, here: V8 folds such fields (CONTRIBUTING.md, "Fields on fast paths").
  readonly #context = this.attachment
  readonly #word = this.at + raw
  readonly #statusAt = this.at + MutexObject.status
  readonly #live = -this.generation
  readonly #cpu = this.#context.cpu
  /** For the look at the status: nearer than through the Cpu. */
  readonly #words = this.#context.words
  readonly #lot = this.#context.lot
  readonly #tid = this.#context.thread.tid
  /**
   * 0 while it is not recursive and was never held by lockAsync() in this thread: its mode word is 0 and need not be asked. (A
   * number, for V8 asks a boolean whether it is truthy.)
   */
  #special = this.#type() === RECURSIVE ? 1 : 0
  readonly #token = new SyncToken(this)
  #access: MutexAccess | undefined

  constructor(options: MutexOptions | Found = {}) {
    super(MUTEX, options)
  }

  /** Attaches to the mutex of that name, or creates it. EEXIST if an option that is given contradicts it. */
  static open(name: string, options: Omit<MutexOptions, 'name'> = {}): Mutex {
    return open(MUTEX, name, options)
  }

  /** The mutex of a handle that arrived in a message. */
  static from(handle: unknown): Mutex {
    return from(MUTEX, handle)
  }

  /**
   * Locks; blocks this thread while another holds it. The token may be one that earlier calls returned.
   *
   * Throws ErrnoError: ETIMEDOUT; EDEADLK (this thread holds it: in an asynchronous section, or by type 'errorCheck');
   * ENOTRECOVERABLE (an owner died and the next one did not call markConsistent()); ESTALE (destroyed).
   */
  lock(wait?: Wait): UnlockToken {
    if (this.#words[this.#statusAt] !== this.#live) this.assertLive('lock')
    if (wait !== undefined || !lockIfFree(this.#cpu, this.#word, this.#tid)) this.#lockSlow(wait)
    return this.#token
  }

  /** Locks if nobody holds it, this thread included, else null. Never waits. Throws ENOTRECOVERABLE as lock(). */
  tryLock(): UnlockToken | null {
    this.assertLive('tryLock')
    const result = tryLock(this.#lot, this.#word)
    if (result === -ETIMEDOUT) return null
    if (result === -EDEADLK) {
      if (this.#type() === RECURSIVE && this.#mode() >= 0) return this.#again()
      return null
    }
    if (result < 0) throw this.#error(result, 'tryLock')
    this.#onLocked(result)
    return this.#token
  }

  /**
   * Locks without blocking the thread: other things run meanwhile. Queues in the same order as lock(), also behind another
   * asynchronous section of this thread. Not for type 'recursive' (EINVAL): an asynchronous section has no depth.
   */
  async lockAsync(wait: AsyncWait = {}): Promise<UnlockToken> {
    this.assertLive('lockAsync')
    const read = asyncWaitOf('Mutex.lockAsync()', wait)
    if (this.#type() === RECURSIVE) {
      throw new ErrnoError(EINVAL, 'lockAsync', `${this.label}: a recursive mutex has no asynchronous form`)
    }
    this.#special = 1
    const result = await this.#context.waits.wait(this.#steps, read.timeoutMs, read, this.guard)
    if (result < 0) throw this.#error(result, 'lockAsync')
    return new AsyncToken(this)
  }

  /** Unlocks what lock() or tryLock() locked. EPERM if this thread does not hold it so. */
  unlock(): void {
    const isFree =
      this.#special === 0 && unlockIfLive(this.#cpu, this.#statusAt, this.#live, this.#word, this.#tid)
    if (!isFree) this.#unlockSlow()
  }

  /**
   * Runs a section with the lock held; blocks while another holds it. The section gets the token. It ends when the function
   * returns: if that returns a promise, TypeError ERR_PAGEFRAME_INVALID_ARGUMENT, with the lock unlocked.
   */
  run<T>(section: (held: UnlockToken) => T, wait?: Wait): T {
    return runSection('Mutex.run()', this, section, wait)
  }

  /** Runs a section, which may be asynchronous, with the lock held; does not block the thread. */
  async runAsync<T>(section: (held: UnlockToken) => T | PromiseLike<T>, wait?: AsyncWait): Promise<T> {
    return runSectionAsync('Mutex.runAsync()', this, section, wait)
  }

  /**
   * After EOWNERDEAD (`token.ownerDied`): what the lock protects is sound again. An owner that was told and unlocks without
   * this leaves a lock that nobody can ever have again (ENOTRECOVERABLE). EINVAL if there is nothing to mark.
   * See: pthread_mutex_consistent(3).
   */
  markConsistent(): void {
    this.assertLive('markConsistent')
    if (markConsistent(this.#lot, this.#word) < 0) {
      throw new ErrnoError(
        EINVAL,
        'markConsistent',
        `${this.label}: this thread does not hold it with ownerDied`,
      )
    }
  }

  /** Node's threadId of the thread that holds it (-1: one that has ended), or null. It may have changed by the time you look. */
  get owner(): number | null {
    this.assertLive('owner')
    const tid = ownerOf(this.#lot, this.#word)
    return tid === 0 ? null : this.#context.threadIdOf(tid)
  }

  // ── below ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** For the tokens. */
  get [heldBySync](): boolean {
    return this.#isOwn() && this.#mode() >= 0
  }

  get [heldByAsync](): boolean {
    return this.#isOwn() && this.#mode() === ASYNC_HOLD
  }

  get [diedBefore](): boolean {
    return this.#isOwn() && (this.#cpu.load(this.#word) & OWNER_DIED) !== 0
  }

  /** For conditions. */
  get [mutexAccess](): MutexAccess {
    return (this.#access ??= {
      context: this.#context,
      word: this.#word,
      label: () => this.label,
      isLive: () => this.isLive,
      guard: this.guard,
    })
  }

  [unlockAsync](): void {
    this.assertLive('unlock')
    this.#cpu.plainStore(this.#word + modeAt, 0)
    const result = unlock(this.#lot, this.#word)
    if (result < 0) throw this.#error(result, 'unlock')
  }

  #isOwn(): boolean {
    return this.isLive && (this.#cpu.load(this.#word) & OWNER_MASK) === this.#context.thread.tid
  }

  #mode(): number {
    return this.#cpu.plainLoad(this.#word + modeAt)
  }

  #type(): number {
    return this.#cpu.plainLoad(this.at + typeAt)
  }

  readonly #steps: AsyncSteps = {
    begin: (record) => this.#onLockedAsync(beginLock(this.#lot, this.#word, record)),
    onBell: (record) => this.#onLockedAsync(onBellLock(this.#lot, this.#word, record)),
    abandon: (record, outcome) => {
      abandonLock(this.#lot, this.#word, record, outcome)
    },
    late: (record, timeoutMs) =>
      this.#late('lockAsync', timeoutMs, whyLate(this.#context, this.#word, record)),
  }

  #unlockSlow(): void {
    this.assertLive('unlock')
    if (this.#special !== 0 && this.#unlockSpecial()) return
    const result = unlock(this.#lot, this.#word)
    if (result < 0) throw this.#error(result, 'unlock')
  }

  #lockSlow(wait: Wait | undefined): void {
    this.assertLive('lock')
    const timeoutMs = timeoutOf('Mutex.lock()', wait)
    const context = this.#context
    const result = context.waiting(
      () => `${this.label} is held by ${holderOf(context, this.#word)}`,
      () => lock(context.lot, this.#word, deadlineAfter(timeoutMs)),
      this.guard,
    )
    if (result === -EDEADLK) this.#lockOwn(timeoutMs)
    else if (result === -ETIMEDOUT)
      throw this.#late('lock', timeoutMs, whyLate(context, this.#word, this.#lot.ownRecord))
    else if (result < 0) throw this.#error(result, 'lock')
    else if (!this.isLive) {
      unlock(this.#lot, this.#word) // it was destroyed while this thread took it: what lies there now is not to be held
      throw staleError('Mutex', 'lock')
    } else this.#onLocked(result)
  }

  #onLocked(result: number): void {
    // The mode word is a dead owner's.
    if (result === EOWNERDEAD) this.#cpu.plainStore(this.#word + modeAt, 0)
  }

  /**
   * In the very step that took the lock: other code of this thread runs before the promise's continuation does, and must
   * find an asynchronous section.
   */
  #onLockedAsync(result: number): number {
    if (result < 0 || result === PENDING) return result
    this.#cpu.plainStore(this.#word + modeAt, ASYNC_HOLD)
    return result
  }

  /** This thread holds it already. */
  #lockOwn(timeoutMs: number): void {
    if (this.#mode() === ASYNC_HOLD || this.#type() !== NORMAL) {
      if (this.#mode() === ASYNC_HOLD || this.#type() !== RECURSIVE) throw this.#error(-EDEADLK, 'lock')
      this.#again()
      return
    }
    // A normal mutex: nobody but this thread could unlock it, and this thread sleeps (pthread_mutex_lock(3)).
    this.#context.waiting(
      () => `${this.label} is held by this thread itself, and will never be unlocked`,
      () => {
        this.#context.sleepUntil(deadlineAfter(timeoutMs))
      },
    )
    throw this.#late('lock', timeoutMs, 'this thread holds it itself')
  }

  #again(): UnlockToken {
    this.#cpu.plainStore(this.#word + modeAt, this.#mode() + 1)
    return this.#token
  }

  /** A recursive lock goes one level up; an asynchronous one is not unlocked without its token. True: that was all. */
  #unlockSpecial(): boolean {
    if (this.#mode() !== 0 && this.#isOwn()) {
      if (this.#mode() === ASYNC_HOLD) {
        throw new ErrnoError(
          EPERM,
          'unlock',
          `${this.label} is held by an asynchronous section: unlock it by its token`,
        )
      }
      this.#cpu.plainStore(this.#word + modeAt, this.#mode() - 1)
      return true
    }
    return false
  }

  #error(errno: number, verb: string): ErrnoError {
    if (errno === -ESTALE) return staleError('Mutex', verb)
    const why = whyNot(this.#context, this.#word, errno, this.#mode() === ASYNC_HOLD)
    return new ErrnoError(errno, verb, `${this.label}: ${why}`)
  }

  #late(verb: string, timeoutMs: number, why: string): ErrnoError {
    return new ErrnoError(ETIMEDOUT, verb, `${this.label}: not acquired in ${timeoutMs} ms; ${why}`)
  }
}

const MUTEX = mutexKind((found) => new Mutex(found))

registerKind('Mutex', (value) => Mutex.from(value), MUTEX)
