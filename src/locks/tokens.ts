/**
 * Unlock tokens: what lock() and lockAsync() return.
 *
 * Asynchronous sections of one thread are owners of their own, so each has a token of its own, and only that ends it.
 */

import { EPERM, ErrnoError } from '../words/errno.ts'
import type { UnlockToken } from './lockable.ts'
import { dispose } from '../words/dispose.ts'

export const heldBySync = Symbol('heldBySync')
export const heldByAsync = Symbol('heldByAsync')
export const diedBefore = Symbol('diedBefore')
export const unlockAsync = Symbol('unlockAsync')

/** What a token asks its lock. */
export interface TokenHolder {
  readonly [heldBySync]: boolean
  readonly [heldByAsync]: boolean
  readonly [diedBefore]: boolean
  [unlockAsync](): void
  unlock(): void
}

/** The one token of lock() and tryLock(): reused, allocates nothing. */
export class SyncToken implements UnlockToken {
  readonly #mutex: TokenHolder

  constructor(mutex: TokenHolder) {
    this.#mutex = mutex
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
    if (this.#isOpen) this.unlock()
  }
}
