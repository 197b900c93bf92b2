/**
 * Condition: threads that wait, with a mutex, for others to change something.
 *
 * See: pthread_cond_wait(3), pthread_cond_signal(3). Differences: the wait takes the token of the lock; `until` is the loop
 * that people forget; a notification whose receiver dies goes to the next waiter; waitAsync() has no counterpart.
 */

import { deadlineAfter, now } from '../host/clock.ts'
import type { AsyncSteps } from '../memory/async-waits.ts'
import { registerKind, type Found, type Place } from '../memory/kind.ts'
import { SharedObject } from '../memory/object.ts'
import { from, open, staleError } from '../memory/open.ts'
import {
  abandonConditionWait,
  beginConditionWait,
  conditionNotify,
  conditionWait,
  leaveConditionWait,
  onBellConditionWait,
} from '../sync/condition.ts'
import type { Guard } from '../sync/guard.ts'
import { ownerOf, RawMutex } from '../sync/mutex.ts'
import { PENDING } from '../sync/wait.ts'
import { WaitRecord } from '../sync/wait-record.ts'
import {
  ECANCELED,
  EINVAL,
  ENOMEM,
  ENOTRECOVERABLE,
  EOWNERDEAD,
  EPERM,
  ErrnoError,
  ESTALE,
  ETIMEDOUT,
} from '../words/errno.ts'
import { assertFunction, asyncWaitOf, integer, timeoutOf, typeError, usageError } from '../words/usage.ts'
import { conditionKind, ConditionObject } from './condition-kind.ts'
import { holderOf, noRecord } from './explain.ts'
import type { AsyncWait, UnlockToken, Wait } from './lockable.ts'
import { ASYNC_HOLD } from './mutex-kind.ts'
import { lockOf, mutexAccess, pause, resume, type MutexAccess } from './tokens.ts'

const { raw } = ConditionObject
const { mode } = RawMutex
const MOST = 0x7fffffff

/** What is waited for, asked with the lock held: before the first sleep, and after each notification. */
export interface Until {
  until?: () => boolean
}

/** What conditions read of a token. */
interface HeldToken extends UnlockToken {
  readonly [lockOf]?: { readonly [mutexAccess]?: MutexAccess }
  [pause]?(): void
  [resume]?(): void
}

/**
 * Waiting for a change that other threads make under a lock.
 *
 * @example
 *   lock.run((held) => {                                  // a consumer
 *     changed.wait(held, { until: () => count[0] > 0 })   // unlocks, sleeps, locks again
 *     count[0]--
 *   })
 *   lock.run(() => { count[0]++; changed.notify() })      // a producer
 */
export class Condition extends SharedObject {
  readonly #word = this.at + raw
  readonly #context = this.attachment
  readonly #lot = this.#context.lot
  #both: Guard | undefined

  constructor(options: Place | Found = {}) {
    super(CONDITION, options)
  }

  /** Attaches to the condition of that name, or creates it. */
  static open(name: string, options: Omit<Place, 'name'> = {}): Condition {
    return open(CONDITION, name, options)
  }

  /** The condition of a handle that arrived in a message. */
  static from(handle: unknown): Condition {
    return from(CONDITION, handle)
  }

  /**
   * Unlocks a Mutex, sleeps until notify(), and locks it again; with `until`, as often as it takes for that to be true.
   * `held` is the token of lock(), tryLock() or run(). `timeoutMs` limits the wait for the notification, not the one for
   * the mutex. Without `until` it may also end after the death of a thread: look at what you wait for.
   *
   * Throws ErrnoError: ETIMEDOUT (the mutex is held again; not if `until` is true by then); EOWNERDEAD (the mutex is held,
   * its last owner died, and `until` is not true; without `until` held.ownerDied says so); EPERM (the token does not hold
   * its lock); EINVAL (held more than once, or with ownerDied: markConsistent() first; or others wait with another mutex);
   * ENOTRECOVERABLE (the mutex is lost, and not held); ESTALE (this or the mutex was destroyed).
   */
  wait(held: UnlockToken, wait?: Wait & Until): void {
    this.assertLive('wait')
    const timeoutMs = timeoutOf('Condition.wait()', wait)
    const until = untilOf('Condition.wait()', wait)
    const mutex = this.#mutexOf('wait', held, false)
    const deadline = deadlineAfter(timeoutMs)
    let isDone = until !== undefined && isTrue('wait', until)
    while (!isDone) {
      const result = this.#block(mutex, deadline)
      isDone = isOver('wait', result, until)
      if (!isDone && result !== 0) throw this.#error('wait', result, timeoutMs, mutex)
    }
  }

  /**
   * The same without blocking the thread, for the token of lockAsync() or runAsync(); until the promise settles, the token
   * does not hold the lock. A signal ends the wait for the notification; the promise rejects when the mutex is held again.
   */
  async waitAsync(held: UnlockToken, wait: AsyncWait & Until = {}): Promise<void> {
    this.assertLive('waitAsync')
    const options = asyncWaitOf('Condition.waitAsync()', wait)
    const { timeoutMs, signal } = options
    const until = untilOf('Condition.waitAsync()', wait)
    const mutex = this.#mutexOf('waitAsync', held, true)
    const deadline = deadlineAfter(timeoutMs)
    const steps = this.#stepsFor(mutex, held)
    this.#context.waits.check(signal)
    let isDone = until !== undefined && isTrue('waitAsync', until)
    while (!isDone) {
      const left = Math.max(deadline - now(), 0)
      const result = await this.#context.waits.wait(steps, left, options, this.#guardWith(mutex))
      isDone = isOver('waitAsync', result, until)
      if (isDone) return
      if (result === -ECANCELED) throw signal?.reason
      if (result !== 0) throw this.#error('waitAsync', result, timeoutMs, mutex)
    }
  }

  /**
   * Notifies the first `count` of those who wait, one if absent, all if Infinity; returns how many there were. They go on
   * one after the other, as they get the mutex; whoever comes to wait later is none of them. Best called with the mutex held.
   */
  notify(count = 1): number {
    this.assertLive('notify')
    if (count !== Infinity) integer('Condition.notify()', 'count', count, 1, MOST)
    return conditionNotify(this.#lot, this.#word, count)
  }

  // ── below ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #block(mutex: MutexAccess, deadline: number): number {
    const context = this.#context
    const result = context.waiting(
      () => this.#whatFor(mutex),
      () => conditionWait(this.#lot, this.#word, mutex.word, deadline),
      this.#guardWith(mutex),
    )
    // The mode word is a dead owner's.
    if (result === EOWNERDEAD) context.cpu.plainStore(mutex.word + mode, 0)
    return result
  }

  /** Of both: a wait is for the one, then for the other. */
  #guardWith({ guard }: MutexAccess): Guard {
    if (this.#both?.also !== guard) this.#both = { ...this.guard, also: guard }
    return this.#both
  }

  #whatFor(mutex: MutexAccess): string {
    const key = this.#context.cpu.plainLoad(this.#lot.ownRecord + WaitRecord.key1)
    if (key !== mutex.word) return `${this.label} has not been notified`
    return `${mutex.label()} is held by ${holderOf(this.#context, mutex.word)}`
  }

  #stepsFor(mutex: MutexAccess, token: HeldToken): AsyncSteps {
    const lot = this.#lot
    const { cpu, thread } = this.#context
    const onLocked = (result: number): number => {
      if (result === PENDING || result === -ENOTRECOVERABLE) return result
      if (result === -ESTALE && !(mutex.isLive() && ownerOf(lot, mutex.word) === thread.tid)) return result
      // In the very step that took it, as in Mutex.
      cpu.plainStore(mutex.word + mode, ASYNC_HOLD)
      token[resume]?.()
      return result
    }
    return {
      begin: (record) => {
        // `until`, or whoever ran since the last notification, may have unlocked it.
        if (!token.locked) {
          lot.freeRecord(record)
          return -EPERM
        }
        token[pause]?.()
        cpu.plainStore(mutex.word + mode, 0)
        return onLocked(beginConditionWait(lot, this.#word, mutex.word, record))
      },
      onBell: (record) => onLocked(onBellConditionWait(lot, this.#word, mutex.word, record)),
      leave: (record, outcome) => onLocked(leaveConditionWait(lot, this.#word, mutex.word, record, outcome)),
      abandon: (record, outcome) => {
        abandonConditionWait(lot, this.#word, mutex.word, record, outcome)
      },
    }
  }

  /** The mutex of a token, which holds it once, in the given way. */
  #mutexOf(verb: string, held: unknown, isAsync: boolean): MutexAccess {
    const call = isAsync ? 'Condition.waitAsync()' : 'Condition.wait()'
    const token = typeof held === 'object' && held !== null ? (held as HeldToken) : undefined
    const lock = token?.[lockOf]
    const mutex = lock?.[mutexAccess]
    if (mutex === undefined || token === undefined) {
      throw typeError(call, 'held', 'what lock(), lockAsync(), run() or runAsync() of a Mutex give', held)
    }
    if ((token[pause] !== undefined) !== isAsync) {
      throw usageError(
        'ERR_PAGEFRAME_INVALID_ARGUMENT',
        isAsync
          ? `${call}: held is a token of lock(), tryLock() or run(); use wait(), or lock with lockAsync()`
          : `${call}: held is a token of lockAsync() or runAsync(); use await waitAsync()`,
      )
    }
    if (mutex.context !== this.#context) {
      throw usageError(
        'ERR_PAGEFRAME_INVALID_ARGUMENT',
        `${call}: ${mutex.label()} lies in memory '${mutex.context.label}', this condition in '${this.#context.label}'`,
      )
    }
    if (!token.locked)
      throw new ErrnoError(EPERM, verb, `${this.label}: this token does not hold ${mutex.label()}`)
    if (token.ownerDied) {
      throw new ErrnoError(
        EINVAL,
        verb,
        `${this.label}: the last owner of ${mutex.label()} died; call markConsistent() first`,
      )
    }
    const depth = this.#context.cpu.plainLoad(mutex.word + mode)
    if (depth > 0) {
      throw new ErrnoError(
        EINVAL,
        verb,
        `${this.label}: this thread holds ${mutex.label()} ${depth + 1} times; once is allowed`,
      )
    }
    return mutex
  }

  #error(verb: string, result: number, timeoutMs: number, mutex: MutexAccess): ErrnoError {
    switch (result) {
      case -ETIMEDOUT:
        return new ErrnoError(ETIMEDOUT, verb, `${this.label}: not notified in ${timeoutMs} ms`)
      case EOWNERDEAD:
        return new ErrnoError(
          EOWNERDEAD,
          verb,
          `${this.label}: the last owner of ${mutex.label()} died, and this thread holds it; what it protects may be torn`,
        )
      case -EPERM:
        return new ErrnoError(EPERM, verb, `${this.label}: this thread does not hold ${mutex.label()}`)
      case -EINVAL:
        return new ErrnoError(
          EINVAL,
          verb,
          `${this.label}: others wait for it with another mutex than ${mutex.label()}`,
        )
      case -ENOMEM:
        return new ErrnoError(ENOMEM, verb, `${this.label}: ${noRecord(this.#context)}`)
      case -ENOTRECOVERABLE:
        return new ErrnoError(
          ENOTRECOVERABLE,
          verb,
          `${this.label}: ${mutex.label()} is lost: an owner died, and the next one unlocked without markConsistent()`,
        )
      default:
        return staleError(this.isLive ? 'Mutex' : 'Condition', verb)
    }
  }
}

/** Whether a wait that ended with `result` is what was asked for. */
function isOver(verb: string, result: number, until: (() => unknown) | undefined): boolean {
  if (until === undefined) return result >= 0
  return (result >= 0 || result === -ETIMEDOUT) && isTrue(verb, until)
}

function isTrue(verb: string, until: () => unknown): boolean {
  const answer = until()
  if (typeof answer === 'object' && answer !== null && 'then' in answer) {
    throw usageError(
      'ERR_PAGEFRAME_INVALID_ARGUMENT',
      `Condition.${verb}(): until must answer at once, not with a promise`,
    )
  }
  return Boolean(answer)
}

function untilOf(call: string, wait: Until | undefined): (() => unknown) | undefined {
  const until = wait?.until
  if (until !== undefined) assertFunction(call, 'until', until)
  return until
}

const CONDITION = conditionKind((found) => new Condition(found))

registerKind('Condition', (value) => Condition.from(value), CONDITION)
