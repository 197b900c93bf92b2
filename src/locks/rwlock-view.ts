/** What the two sides of a read-write lock share: sections, and what they need of the lock that they are sides of. */

import type { Attachment } from '../memory/attachment.ts'
import { staleError } from '../memory/open.ts'
import type { Guard } from '../sync/guard.ts'
import { readersOf } from '../sync/readers.ts'
import { RawRwLock, writerOf } from '../sync/rwlock-word.ts'
import { EAGAIN, EDEADLK, ENOMEM, EPERM, ErrnoError, ESTALE, ETIMEDOUT } from '../words/errno.ts'
import { aheadOfYou, noRecord } from './explain.ts'
import type { AsyncWait, Lockable, UnlockToken, Wait } from './lockable.ts'
import { runSection, runSectionAsync } from './section.ts'

/** A read-write lock, for its sides. */
export interface Sided {
  readonly context: Attachment
  /** Word index of its RawRwLock. */
  readonly word: number
  /** Word index of its cell's status, and what stands there while it lives. */
  readonly statusAt: number
  readonly live: number
  label(): string
  assertLive(verb: string): void
  isLive(): boolean
  guard(): Guard
}

export abstract class Side implements Lockable {
  /** The lock that this is a side of. Declared only: see CONTRIBUTING.md, "Fields on fast paths". */
  declare protected readonly whole: Sided
  /** 'read' or 'write'. */
  declare private readonly side: string

  protected constructor(whole: Sided, side: string) {
    this.whole = whole
    this.side = side
  }

  abstract lock(wait?: Wait): UnlockToken
  abstract tryLock(): UnlockToken | null
  abstract lockAsync(wait?: AsyncWait): Promise<UnlockToken>
  abstract unlock(): void

  /**
   * Runs a section with the lock held; blocks while it cannot be had. The section gets the token. It ends when the function
   * returns: if that returns a promise, TypeError ERR_PAGEFRAME_INVALID_ARGUMENT, with the lock unlocked.
   */
  run<T>(section: (held: UnlockToken) => T, wait?: Wait): T {
    return runSection(this.call('run'), this, section, wait)
  }

  /** Runs a section, which may be asynchronous, with the lock held; does not block the thread. */
  async runAsync<T>(section: (held: UnlockToken) => T | PromiseLike<T>, wait?: AsyncWait): Promise<T> {
    return runSectionAsync(this.call('runAsync'), this, section, wait)
  }

  protected call(verb: string): string {
    return `RwLock.${this.side}.${verb}()`
  }

  /** Who has it: `thread 3 'parser' writes`, `2 threads read it`. */
  protected holders(nobody = 'it has just been released'): string {
    const { context, word } = this.whole
    const writer = writerOf(context.lot, word)
    if (writer !== 0) return `${context.threadName(writer)} writes`
    const readers = readersOf(context.lot, word + RawRwLock.flags, word, word)
    if (readers.length === 0) return nobody
    if (readers.length > 1) return `${readers.length} threads read it`
    return `${context.threadName(readers[0])} reads it`
  }

  protected error(errno: number, verb: string, why?: string): ErrnoError {
    if (errno === -ESTALE) return staleError('RwLock', verb)
    return new ErrnoError(errno, verb, `${this.whole.label()}: ${why ?? this.#whyNot(errno)}`)
  }

  protected late(verb: string, timeoutMs: number, record: number): ErrnoError {
    const why = `${this.holders()}, ${aheadOfYou(this.whole.context.lot, record)}`
    const what = `not acquired to ${this.side} in ${timeoutMs} ms`
    return new ErrnoError(ETIMEDOUT, verb, `${this.whole.label()}: ${what}; ${why}`)
  }

  #whyNot(errno: number): string {
    switch (errno) {
      case -EDEADLK:
        return 'this thread holds it for writing already; to wait here would never end'
      case -EPERM:
        return `this thread does not ${this.side} under it; ${this.holders('nobody has it')}`
      case -ENOMEM:
        return noRecord(this.whole.context)
      case -EAGAIN:
        return 'this thread reads under so many locks that no memory is left to note another one'
      default:
        return 'a writer died, and the next one unlocked without markConsistent(): what it protects may be torn. Destroy it'
    }
  }
}
