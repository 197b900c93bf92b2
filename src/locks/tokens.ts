/**
 * Unlock tokens: what lock() and lockAsync() return.
 *
 * Asynchronous sections of one thread are owners of their own, so each has a token of its own, and only that ends it.
 */

import type { Attachment } from '../memory/attachment.ts'
import type { Guard } from '../sync/guard.ts'
import { EPERM, ErrnoError } from '../words/errno.ts'
import type { UnlockToken } from './lockable.ts'
import { dispose } from '../words/dispose.ts'

export const heldBySync = Symbol('heldBySync')
export const heldByAsync = Symbol('heldByAsync')
export const diedBefore = Symbol('diedBefore')
export const unlockAsync = Symbol('unlockAsync')

/** For conditions, which may be of another copy of the package: what a token is of, and whether it may be used just now. */
export const lockOf = Symbol.for('pageframe.lockOf')
export const pause = Symbol.for('pageframe.pause')
export const resume = Symbol.for('pageframe.resume')
/** What a lock says to those who unlock it and lock it again: a mutex. */
export const mutexAccess = Symbol.for('pageframe.mutexAccess')

/** What the token of lock() asks its lock. */
export interface SyncHolder {
  readonly [heldBySync]: boolean
  readonly [diedBefore]: boolean
  unlock(): void
}

/** What any token asks its lock. */
export interface TokenHolder extends SyncHolder {
  readonly [heldByAsync]: boolean
  [unlockAsync](): void
}

/** What a condition needs of the mutex that it waits with. */
export interface MutexAccess {
  readonly context: Attachment
  readonly word: number
  readonly label: () => string
  readonly isLive: () => boolean
  readonly guard: Guard
}

/** The one token of lock() and tryLock(): reused, allocates nothing. */
export class SyncToken implements UnlockToken {
  readonly #mutex: SyncHolder

  constructor(mutex: SyncHolder) {
    this.#mutex = mutex
  }

  get [lockOf](): SyncHolder {
    return this.#mutex
  }

  get locked(): boolean {
    return this.#mutex[heldBySync]
  }

  get ownerDied(): boolean {
    return this.#mutex[diedBefore]
  }

  unlock(): void {
    this.#mutex.unlock()
  }

  [dispose](): void {
    if (this.locked) this.unlock()
  }
}

/** A token of lockAsync(): one for each section, so that one section cannot unlock another. */
export class AsyncToken implements UnlockToken {
  readonly #mutex: TokenHolder
  #isOpen = true

  constructor(mutex: TokenHolder) {
    this.#mutex = mutex
  }

  get [lockOf](): TokenHolder {
    return this.#mutex
  }

  /** Its section waits for a condition, and does not hold the lock. */
  [pause](): void {
    this.#isOpen = false
  }

  [resume](): void {
    this.#isOpen = true
  }

  get locked(): boolean {
    return this.#isOpen && this.#mutex[heldByAsync]
  }

  get ownerDied(): boolean {
    return this.locked && this.#mutex[diedBefore]
  }

  unlock(): void {
    if (!this.#isOpen) throw new ErrnoError(EPERM, 'unlock', 'this token has been used: its section is over')
    this.#isOpen = false
    this.#mutex[unlockAsync]()
  }

  [dispose](): void {
    if (this.locked) this.unlock() // not if the lock was destroyed: there is nothing to give back
  }
}
