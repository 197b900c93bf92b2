/**
 * Latch: a number that is counted down once; at 0 it opens, for ever.
 *
 *   LatchObject   0 .. 3            4      5       6
 *               ┌─────────────────┬──────┬───────┬───────┐
 *               │ object header   │ word │ spins │ count │    128 bytes: a line of its own
 *               └─────────────────┴──────┴───────┴───────┘
 *
 *   count   what it was made with; written before anybody sees the latch, and never again
 *
 * Nobody owns what is left to count, so a death changes nothing: if a thread dies before it has counted, the latch stays
 * shut. Wait with a time limit where that may happen, or use a Barrier.
 */

import { deadlineAfter } from '../host/clock.ts'
import type { AsyncSteps } from '../memory/async-waits.ts'
import { Found, objectHeader, registerKind, type Kind, type Place } from '../memory/kind.ts'
import { SharedObject } from '../memory/object.ts'
import { from, open, staleError } from '../memory/open.ts'
import {
  abandonLatch,
  awaitLatch,
  beginLatch,
  countDown,
  countOf,
  isOpen,
  LATCH_MAX,
  onBellLatch,
} from '../sync/latch.ts'
import { EEXIST, ErrnoError, ESTALE, ETIMEDOUT } from '../words/errno.ts'
import { i32, layout, newLine, words } from '../words/layout.ts'
import { asyncWaitOf, assertOptions, integer, present, timeoutOf } from '../words/usage.ts'
import { noRecord } from './explain.ts'
import type { AsyncWait, Wait, Waitable } from './lockable.ts'

export const LatchObject = layout('Latch', 128, { ...objectHeader, raw: words(2), count: i32, _end: newLine })

const { raw, count: countAt } = LatchObject

interface LatchOptions extends Place {
  count?: number
}

/**
 * Opens when it has been counted down to 0; whoever waits then passes, now and later.
 *
 * @example
 *   const ready = Latch.open('ready', 4)
 *   ready.countDown()                      // in each of 4 workers
 *   await ready.waitAsync()                // in the main thread
 */
export class Latch extends SharedObject implements Waitable {
  readonly #word = this.at + raw
  readonly #context = this.attachment
  readonly #lot = this.#context.lot

  /** `count`: how much is to be counted, 0 to 2147483647. */
  constructor(count: number | Found, options: Place = {}) {
    super(LATCH, count instanceof Found ? count : withCount('new Latch()', count, options))
  }

  /** Attaches to the latch of that name, or creates it. EEXIST if it was made with another count. */
  static open(name: string, count: number, options: Omit<Place, 'name'> = {}): Latch {
    return open(LATCH, name, withCount('Latch.open()', count, options))
  }

  /** The latch of a handle that arrived in a message. */
  static from(handle: unknown): Latch {
    return from(LATCH, handle)
  }

  /** How much is left to count; it may have changed by the time you look. */
  get count(): number {
    this.assertLive('count')
    return countOf(this.#lot, this.#word)
  }

  /** Counts down by `n`, one if absent, and never below 0; whoever comes to 0 lets all pass. An open latch stays so. */
  countDown(n = 1): void {
    this.assertLive('countDown')
    integer('Latch.countDown()', 'n', n, 1, LATCH_MAX)
    countDown(this.#lot, this.#word, n)
  }

  /** Blocks this thread until the latch is open. ETIMEDOUT. */
  wait(wait?: Wait): void {
    this.assertLive('wait')
    const timeoutMs = timeoutOf('Latch.wait()', wait)
    if (isOpen(this.#lot, this.#word) && this.isLive) return
    const result = this.#context.waiting(
      () => `${this.label}: ${this.#whatIsLeft()}`,
      () => awaitLatch(this.#lot, this.#word, deadlineAfter(timeoutMs)),
      this.guard,
    )
    if (result === -ESTALE || !this.isLive) throw staleError('Latch', 'wait')
    if (result < 0) throw this.#late('wait', timeoutMs)
  }

  /** True if the latch is open. Never waits. */
  tryWait(): boolean {
    this.assertLive('tryWait')
    return isOpen(this.#lot, this.#word)
  }

  /** Waits without blocking the thread until the latch is open. */
  async waitAsync(wait: AsyncWait = {}): Promise<void> {
    this.assertLive('waitAsync')
    const read = asyncWaitOf('Latch.waitAsync()', wait)
    const result = await this.#context.waits.wait(this.#steps, read.timeoutMs, read, this.guard)
    if (result === -ESTALE) throw staleError('Latch', 'waitAsync')
    if (result < 0) throw new ErrnoError(result, 'waitAsync', `${this.label}: ${noRecord(this.#context)}`)
  }

  readonly #steps: AsyncSteps = {
    begin: (record) => beginLatch(this.#lot, this.#word, record),
    onBell: (record) => onBellLatch(this.#lot, this.#word, record),
    abandon: (record, outcome) => {
      abandonLatch(this.#lot, this.#word, record, outcome)
    },
    late: (_record, timeoutMs) => this.#late('waitAsync', timeoutMs),
  }

  #whatIsLeft(): string {
    return `${countOf(this.#lot, this.#word)} of ${this.#context.cpu.load(this.at + countAt)} are left to count down`
  }

  #late(verb: string, timeoutMs: number): ErrnoError {
    return new ErrnoError(
      ETIMEDOUT,
      verb,
      `${this.label}: not open in ${timeoutMs} ms; ${this.#whatIsLeft()}`,
    )
  }
}

function withCount(call: string, count: number, options: Place): LatchOptions {
  assertOptions(call, options)
  const { memory, name } = options
  return present<LatchOptions>({ memory, name, count })
}

const LATCH: Kind<LatchOptions, Latch> = {
  name: 'Latch',
  layout: LatchObject,

  read: (call, { count }) => ({ count: integer(call, 'count', count, 0, LATCH_MAX) }),

  build(attachment, at, { count = 0 }) {
    attachment.cpu.store(at + countAt, count)
    attachment.cpu.store(at + raw, count)
    return 0
  },

  compare(attachment, at, name, { count }) {
    const theirs = attachment.cpu.load(at + countAt)
    if (count === theirs) return
    throw new ErrnoError(
      EEXIST,
      'open',
      `Latch '${name}' exists and was made with ${theirs} to count; this thread asked for ${count}`,
    )
  },

  demolish() {
    // A latch has nothing but its cell.
  },

  noMemory: (attachment, { name }) =>
    attachment.noMemory(name === undefined ? 'Latch' : `Latch '${name}'`, LatchObject.sizeof * 4),

  make: (found) => new Latch(found),
}

registerKind('Latch', (value) => Latch.from(value), LATCH)
