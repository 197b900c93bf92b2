/** End: what the two ends of a channel have in common, in one thread: where it lies, what it carries, what it says. */

import type { AsyncOptions } from '../memory/async-waits.ts'
import type { Attachment } from '../memory/attachment.ts'
import { staleError } from '../memory/open.ts'
import type { Codec } from '../memory/types.ts'
import type { Guard } from '../sync/guard.ts'
import { countersOf } from '../threads/counters.ts'
import { EBUSY, EDEADLK, ErrnoError, ESTALE } from '../words/errno.ts'
import { asyncWaitOf, usageError, type AsyncWaitRead } from '../words/usage.ts'
import type { Views } from './views.ts'

/** How long a call may wait. */
export interface Wait {
  /** Milliseconds until ErrnoError ETIMEDOUT; for ever if absent. */
  timeoutMs?: number
}

/** The channel, as its ends see it. */
export interface Context<T> {
  readonly attachment: Attachment
  /** Word index of the RawChannel. */
  readonly rawAt: number
  readonly views: Views
  /** Of the channel's cell. */
  readonly generation: number
  /** `Channel 'jobs'`. */
  readonly label: string
  /** For waits: they end when the channel does. */
  readonly guard: Guard
  /** Throws ESTALE if the channel was destroyed. */
  assertLive(verb: string): void
  /** Throws if this thread does not know the type. */
  readonly codec: Codec<T>
}

export abstract class End<T> {
  declare protected readonly context: Context<T>
  declare protected readonly attachment: Attachment
  declare protected readonly views: Views
  declare protected readonly counters: Float64Array

  constructor(context: Context<T>) {
    const { attachment, views } = context
    this.context = context
    this.attachment = attachment
    this.views = views
    this.counters = countersOf(attachment.buffer, attachment.thread.at)
  }

  /** Runs a wait that blocks, and says meanwhile what for. */
  protected blocked(describe: () => string, wait: () => number): number {
    return this.attachment.waiting(() => `${this.context.label} ${describe()}`, wait, this.context.guard)
  }

  /** The options of a wait by promise. Throws what would end it at once: before anything has changed. */
  protected readWait(call: string, options: AsyncOptions): AsyncWaitRead {
    const wait = asyncWaitOf(call, options)
    this.attachment.waits.check(wait.signal)
    return wait
  }

  protected error(errno: number, verb: string, message: string): ErrnoError {
    if (errno === -ESTALE) return staleError('Channel', verb)
    return new ErrnoError(errno, verb, `${this.context.label}: ${message}`)
  }

  /** Another thread has the role. */
  protected roleError(role: number, verb: string, does: string): ErrnoError {
    return this.error(EBUSY, verb, `${this.ownerOf(role)} ${does} already, and there is one`)
  }

  /** Asynchronous calls of this thread wait: one that blocks would come before them. */
  protected turnError(verb: string, waiting: string): ErrnoError {
    return this.error(
      EDEADLK,
      verb,
      `a ${waiting}() of this thread waits already, and its turn comes first; to block here would hold it up. Await it`,
    )
  }

  protected inUse(verb: string, what: string, remedy: string): TypeError {
    return usageError(
      'ERR_PAGEFRAME_IN_USE',
      `${this.context.label}: ${verb}(): this thread ${what}: ${remedy}`,
    )
  }

  /** `thread 3 'parser'`, or `nobody`. */
  protected ownerOf(role: number): string {
    const tid = this.attachment.cpu.load(this.context.rawAt + role)
    return tid === 0 ? 'nobody' : this.attachment.threadName(tid)
  }
}
