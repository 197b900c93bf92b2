/**
 * ResetEvent: set or not; who waits passes while it is set, or one for each set().
 *
 *   EventObject   0 .. 3            4      5
 *               ┌─────────────────┬──────┬───────┐
 *               │ object header   │ word │ spins │    128 bytes: a line of its own
 *               └─────────────────┴──────┴───────┘
 *
 *   manual      set() lets all pass, until reset()
 *   automatic   set() lets one pass, the longest waiting; with nobody there it is remembered, once
 *
 * See: .NET's ManualResetEvent and AutoResetEvent. As there, a reset() right after a set() takes nothing back from those
 * who waited. Nobody owns an event, so a death leaves it as it is; a set() that was on its way to a thread that dies goes
 * to the next one.
 */

import { deadlineAfter } from '../host/clock.ts'
import type { AsyncSteps } from '../memory/async-waits.ts'
import { objectHeader, registerKind, type Found, type Kind, type Place } from '../memory/kind.ts'
import { SharedObject } from '../memory/object.ts'
import { from, open, staleError } from '../memory/open.ts'
import {
  abandonEvent,
  AUTO,
  awaitEvent,
  beginEvent,
  onBellEvent,
  resetEvent,
  setEvent,
  tryAwaitEvent,
} from '../sync/event.ts'
import { EEXIST, ErrnoError, ESTALE, ETIMEDOUT } from '../words/errno.ts'
import { layout, newLine, words } from '../words/layout.ts'
import { asyncWaitOf, present, timeoutOf, typeError } from '../words/usage.ts'
import { aheadOfYou, noRecord } from './explain.ts'
import type { AsyncWait, Wait, Waitable } from './lockable.ts'

export const EventObject = layout('ResetEvent', 128, { ...objectHeader, raw: words(2), _end: newLine })

const { raw } = EventObject

export interface ResetEventOptions extends Place {
  /** True: each set() lets one waiter pass. False, or absent: it lets all pass until reset(). */
  autoReset?: boolean
}

/**
 * Something that has happened, or has not yet.
 *
 * @example
 *   const stop = ResetEvent.open('stop')
 *   stop.set()                                          // anywhere
 *   await fetch(url, { signal: stop.toSignal() })       // in another thread
 */
export class ResetEvent extends SharedObject implements Waitable {
  readonly #word = this.at + raw
  readonly #context = this.attachment
  readonly #lot = this.#context.lot
  #signal: AbortSignal | undefined

  constructor(options: ResetEventOptions | Found = {}) {
    super(EVENT, options)
  }

  /** Attaches to the event of that name, or creates it. EEXIST if `autoReset` is given and contradicts it. */
  static open(name: string, options: Omit<ResetEventOptions, 'name'> = {}): ResetEvent {
    return open(EVENT, name, options)
  }

  /** The event of a handle that arrived in a message. */
  static from(handle: unknown): ResetEvent {
    return from(EVENT, handle)
  }

  /** Sets it: all who wait pass, and all who come; of an automatic one, the one who has waited longest or who comes next. */
  set(): void {
    this.assertLive('set')
    setEvent(this.#lot, this.#word)
  }

  /** From now on whoever comes waits. */
  reset(): void {
    this.assertLive('reset')
    resetEvent(this.#lot, this.#word)
  }

  /** Blocks this thread until it is set. ETIMEDOUT. */
  wait(wait?: Wait): void {
    this.assertLive('wait')
    const timeoutMs = timeoutOf('ResetEvent.wait()', wait)
    if (tryAwaitEvent(this.#lot, this.#word)) return
    const result = this.#context.waiting(
      () => `${this.label} is not set`,
      () => awaitEvent(this.#lot, this.#word, deadlineAfter(timeoutMs)),
      this.guard,
    )
    if (result === -ESTALE) throw staleError('ResetEvent', 'wait')
    if (result < 0) throw this.#late('wait', timeoutMs, this.#lot.ownRecord)
  }

  /** True if it is set; of an automatic one, that is taken. Never waits. */
  tryWait(): boolean {
    this.assertLive('tryWait')
    return tryAwaitEvent(this.#lot, this.#word)
  }

  /** Waits without blocking the thread until it is set. Queues in the same order as wait(). */
  async waitAsync(wait: AsyncWait = {}): Promise<void> {
    this.assertLive('waitAsync')
    const read = asyncWaitOf('ResetEvent.waitAsync()', wait)
    const result = await this.#context.waits.wait(this.#steps, read.timeoutMs, read, this.guard)
    if (result === -ESTALE) throw staleError('ResetEvent', 'waitAsync')
    if (result < 0) throw new ErrnoError(result, 'waitAsync', `${this.label}: ${noRecord(this.#context)}`)
  }

  /**
   * A signal that aborts when the event is set, in whatever thread; at once if it is set. Until it has aborted, each call
   * in this thread gives the same one. It never keeps the process alive. It waits as others do: of an automatic event it
   * takes one set(). If the event is destroyed, the signal aborts with that error (ESTALE).
   */
  toSignal(): AbortSignal {
    this.assertLive('toSignal')
    if (this.#signal?.aborted === false) return this.#signal
    const controller = new AbortController()
    if (tryAwaitEvent(this.#lot, this.#word)) {
      controller.abort()
      return controller.signal
    }
    this.waitAsync({ ref: false }).then(
      () => {
        controller.abort()
      },
      (error: unknown) => {
        controller.abort(error)
      },
    )
    this.#signal = controller.signal
    return controller.signal
  }

  readonly #steps: AsyncSteps = {
    begin: (record) => beginEvent(this.#lot, this.#word, record),
    onBell: (record) => onBellEvent(this.#lot, this.#word, record),
    abandon: (record, outcome) => {
      abandonEvent(this.#lot, this.#word, record, outcome)
    },
    late: (record, timeoutMs) => this.#late('waitAsync', timeoutMs, record),
  }

  #late(verb: string, timeoutMs: number, record: number): ErrnoError {
    const isAuto = (this.#context.cpu.load(this.#word) & AUTO) !== 0
    const who = isAuto ? `; ${aheadOfYou(this.#lot, record)}` : ''
    return new ErrnoError(ETIMEDOUT, verb, `${this.label}: not set in ${timeoutMs} ms${who}`)
  }
}

const EVENT: Kind<ResetEventOptions, ResetEvent> = {
  name: 'ResetEvent',
  layout: EventObject,

  read(call, { autoReset }) {
    if (autoReset !== undefined && typeof autoReset !== 'boolean')
      throw typeError(call, 'autoReset', 'true or false', autoReset)
    return present<Pick<ResetEventOptions, 'autoReset'>>({ autoReset })
  },

  build(attachment, at, { autoReset = false }) {
    attachment.cpu.store(at + raw, autoReset ? AUTO : 0)
    return 0
  },

  compare(attachment, at, name, { autoReset }) {
    const isAuto = (attachment.cpu.load(at + raw) & AUTO) !== 0
    if (autoReset === undefined || autoReset === isAuto) return
    throw new ErrnoError(
      EEXIST,
      'open',
      `ResetEvent '${name}' exists and is ${isAuto ? 'automatic' : 'manual'}; this thread asked for ${autoReset ? 'an automatic' : 'a manual'} one`,
    )
  },

  demolish() {
    // An event has nothing but its cell.
  },

  noMemory: (attachment, { name }) =>
    attachment.noMemory(name === undefined ? 'ResetEvent' : `ResetEvent '${name}'`, EventObject.sizeof * 4),

  make: (found) => new ResetEvent(found),
}

registerKind('ResetEvent', (value) => ResetEvent.from(value), EVENT)
