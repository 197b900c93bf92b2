/**
 * Semaphore: a number of permits that threads take and give back.
 *
 *   SemaphoreObject   0 .. 3            4                 6
 *                   ┌─────────────────┬──────┬───────┬─────────┐
 *                   │ object header   │ word │ spins │ permits │    128 bytes: a line of its own
 *                   └─────────────────┴──────┴───────┴─────────┘
 *
 * See: sem_overview(7), sem_post(3), sem_wait(3). As there, a permit has no owner: a thread that dies keeps none and
 * returns none.
 */

import { deadlineAfter } from '../host/clock.ts'
import type { AsyncSteps } from '../memory/async-waits.ts'
import { Found, objectHeader, registerKind, type Kind, type Place } from '../memory/kind.ts'
import { SharedObject } from '../memory/object.ts'
import { from, open, staleError } from '../memory/open.ts'
import {
  abandonAcquire,
  acquire,
  acquireLive,
  beginAcquire,
  onBellAcquire,
  permitsOf,
  release,
  releaseLive,
  SEM_VALUE_MAX,
  tryAcquire,
} from '../sync/semaphore.ts'
import { EEXIST, EOVERFLOW, ErrnoError, ESTALE, ETIMEDOUT } from '../words/errno.ts'
import { i32, layout, newLine, words } from '../words/layout.ts'
import { asyncWaitOf, assertOptions, integer, present, timeoutOf } from '../words/usage.ts'
import { aheadOfYou, noRecord } from './explain.ts'
import type { AsyncWait, Wait } from './lockable.ts'

export const SemaphoreObject = layout('Semaphore', 128, {
  ...objectHeader,
  raw: words(2),
  permits: i32,
  _end: newLine,
})

const { raw, permits: permitsAt } = SemaphoreObject

// V8 looks a function of a module up at each call, lest it was replaced: a constant it knows (CONTRIBUTING.md).
const acquireIfLive = acquireLive
const releaseIfLive = releaseLive

interface SemaphoreOptions extends Place {
  permits?: number
}

/**
 * A number of permits. `acquire` takes one and waits while there is none; `release` gives back.
 *
 * @example
 *   const connections = Semaphore.open('connections', 8)
 *   connections.acquire()
 *   try { query() } finally { connections.release() }
 */
export class Semaphore extends SharedObject {
  // Each stored once, here: V8 folds such fields (CONTRIBUTING.md, "Fields on fast paths").
  readonly #context = this.attachment
  readonly #word = this.at + raw
  readonly #statusAt = this.at + SemaphoreObject.status
  readonly #live = -this.generation
  readonly #cpu = this.#context.cpu

  /** `permits` at the start: 0 to SEM_VALUE_MAX (2147483647). */
  constructor(permits: number | Found, options: Place = {}) {
    super(SEMAPHORE, permits instanceof Found ? permits : withPermits('new Semaphore()', permits, options))
  }

  /** Attaches to the semaphore of that name, or creates it. EEXIST if it was made with another number of permits. */
  static open(name: string, permits: number, options: Omit<Place, 'name'> = {}): Semaphore {
    return open(SEMAPHORE, name, withPermits('Semaphore.open()', permits, options))
  }

  /** The semaphore of a handle that arrived in a message. */
  static from(handle: unknown): Semaphore {
    return from(SEMAPHORE, handle)
  }

  /** The permits there are now; it may have changed by the time you look. */
  get value(): number {
    this.assertLive('value')
    return permitsOf(this.#context.lot, this.#word)
  }

  /** Takes a permit; blocks this thread while there is none. ETIMEDOUT. */
  acquire(wait?: Wait): void {
    if (wait !== undefined || !acquireIfLive(this.#cpu, this.#statusAt, this.#live, this.#word))
      this.#acquireSlow(wait)
  }

  /** Takes a permit if there is one. Never waits. */
  tryAcquire(): boolean {
    this.assertLive('tryAcquire')
    return tryAcquire(this.#context.lot, this.#word) === 0
  }

  /** Takes a permit without blocking the thread. Queues in the same order as acquire(). */
  async acquireAsync(wait: AsyncWait = {}): Promise<void> {
    this.assertLive('acquireAsync')
    const read = asyncWaitOf('Semaphore.acquireAsync()', wait)
    const result = await this.#context.waits.wait(this.#steps, read.timeoutMs, read, this.guard)
    if (result === -ESTALE) throw staleError('Semaphore', 'acquireAsync')
    if (result < 0) throw new ErrnoError(result, 'acquireAsync', `${this.label}: ${noRecord(this.#context)}`)
  }

  /** Gives back `count` permits, one if absent, and wakes as many waiters. EOVERFLOW beyond SEM_VALUE_MAX. */
  release(count = 1): void {
    if (count !== 1 || !releaseIfLive(this.#cpu, this.#statusAt, this.#live, this.#word))
      this.#releaseSlow(count)
  }

  // ── below ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #acquireSlow(wait: Wait | undefined): void {
    this.assertLive('acquire')
    const timeoutMs = timeoutOf('Semaphore.acquire()', wait)
    if (tryAcquire(this.#context.lot, this.#word) !== 0) this.#wait(timeoutMs)
  }

  #wait(timeoutMs: number): void {
    const context = this.#context
    const result = context.waiting(
      () => `${this.label} has no permits`,
      () => acquire(context.lot, this.#word, deadlineAfter(timeoutMs)),
      this.guard,
    )
    if (result === -ESTALE) throw staleError('Semaphore', 'acquire')
    if (result < 0) throw this.#late('acquire', timeoutMs, context.lot.ownRecord)
  }

  #releaseSlow(count: number): void {
    this.assertLive('release')
    integer('Semaphore.release()', 'count', count, 1, SEM_VALUE_MAX)
    if (release(this.#context.lot, this.#word, count) === -EOVERFLOW) {
      throw new ErrnoError(
        EOVERFLOW,
        'release',
        `${this.label}: ${this.value} + ${count} permits are more than ${SEM_VALUE_MAX}`,
      )
    }
  }

  readonly #steps: AsyncSteps = {
    begin: (record) => beginAcquire(this.#context.lot, this.#word, record),
    onBell: (record) => onBellAcquire(this.#context.lot, this.#word, record),
    abandon: (record, outcome) => {
      abandonAcquire(this.#context.lot, this.#word, record, outcome)
    },
    late: (record, timeoutMs) => this.#late('acquireAsync', timeoutMs, record),
  }

  #late(verb: string, timeoutMs: number, record: number): ErrnoError {
    const ahead = aheadOfYou(this.#context.lot, record)
    return new ErrnoError(ETIMEDOUT, verb, `${this.label}: no permit in ${timeoutMs} ms; ${ahead}`)
  }
}

function withPermits(call: string, permits: number, options: Place): SemaphoreOptions {
  assertOptions(call, options)
  const { memory, name } = options
  return present<SemaphoreOptions>({ memory, name, permits })
}

const SEMAPHORE: Kind<SemaphoreOptions, Semaphore> = {
  name: 'Semaphore',
  layout: SemaphoreObject,

  read: (call, { permits }) => ({ permits: integer(call, 'permits', permits, 0, SEM_VALUE_MAX) }),

  build(attachment, at, { permits = 0 }) {
    attachment.cpu.store(at + permitsAt, permits)
    attachment.cpu.store(at + raw, permits)
    return 0
  },

  compare(attachment, at, name, { permits }) {
    const theirs = attachment.cpu.load(at + permitsAt)
    if (permits === theirs) return
    throw new ErrnoError(
      EEXIST,
      'open',
      `Semaphore '${name}' exists and was made with ${theirs} permits; this thread asked for ${permits}`,
    )
  },

  demolish() {
    // A semaphore has nothing but its cell.
  },

  noMemory: (attachment, { name }) =>
    attachment.noMemory(name === undefined ? 'Semaphore' : `Semaphore '${name}'`, 128),

  make: (found) => new Semaphore(found),
}

registerKind('Semaphore', (value) => Semaphore.from(value), SEMAPHORE)
