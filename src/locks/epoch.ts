/**
 * Epoch: a grace period. Whoever looks at shared structures does so in a section, which costs two instructions and never
 * waits; whoever has unlinked something waits until all sections have ended that may still look at it, and then frees it.
 *
 * Sections note themselves in lines of their own thread (sync/readers.ts); the algorithm is sync/epoch.ts.
 *
 * See: rcu_read_lock() and synchronize_rcu() in torvalds/linux Documentation/RCU/whatisRCU.rst, which this is for threads.
 * Differences: a section may block or sleep; a thread that dies in one has left it.
 */

import { deadlineAfter } from '../host/clock.ts'
import type { AsyncSteps } from '../memory/async-waits.ts'
import { registerKind, type Found, type Place } from '../memory/kind.ts'
import { SharedObject } from '../memory/object.ts'
import { from, open, staleError } from '../memory/open.ts'
import {
  abandonGrace,
  afterSection,
  awaitGrace,
  beginGrace,
  enterEpoch,
  EPOCH_WAITERS,
  graceTarget,
  leaveEpoch,
  onBellGrace,
  RawEpoch,
  sectionsOf,
} from '../sync/epoch.ts'
import { homeEntry, register } from '../sync/readers.ts'
import { dispose } from '../words/dispose.ts'
import { EDEADLK, EPERM, ErrnoError, ESTALE, ETIMEDOUT } from '../words/errno.ts'
import { asyncWaitOf, assertFunction, atOnce, timeoutOf } from '../words/usage.ts'
import { epochKind, EpochObject } from './epoch-kind.ts'
import { noRecord } from './explain.ts'
import type { AsyncWait, Wait } from './lockable.ts'

const { raw } = EpochObject

/**
 * Sections that never wait, and a wait for those that were in.
 *
 * @example
 *   const epoch = Epoch.open('table')
 *   epoch.run(() => lookUp(table, key))       // any thread, at any time
 *   unlink(table, entry)                      // from here on no new section finds it
 *   epoch.synchronize()                       // nobody looks at it any more
 *   free(entry)
 */
export class Epoch extends SharedObject {
  // Each stored once, here: V8 folds such fields (CONTRIBUTING.md, "Fields on fast paths").
  readonly #context = this.attachment
  readonly #lot = this.#context.lot
  readonly #cpu = this.#context.cpu
  readonly #word = this.at + raw
  readonly #statusAt = this.at + EpochObject.status
  readonly #live = -this.generation
  /** This thread's entry for the epoch, unless it reads something else there just now. */
  readonly #home = homeEntry(this.#context.thread.at, this.#word)
  readonly #section: Disposable = {
    [dispose]: () => {
      this.leave()
    },
  }

  constructor(options: Place | Found = {}) {
    super(EPOCH, options)
    register(this.#lot, this.#word + RawEpoch.set)
  }

  /** Attaches to the epoch of that name, or creates it. */
  static open(name: string, options: Omit<Place, 'name'> = {}): Epoch {
    return open(EPOCH, name, options)
  }

  /** The epoch of a handle that arrived in a message. */
  static from(handle: unknown): Epoch {
    return from(EPOCH, handle)
  }

  /**
   * Begins a section of this thread, or another one inside it. Never waits. What it returns ends it when it is disposed, as
   * leave() does; it may be one that earlier calls returned. EAGAIN if the thread is in so many that memory is out.
   */
  enter(): Disposable {
    const cpu = this.#cpu
    const home = this.#home
    if (cpu.plainLoad(this.#statusAt) !== this.#live) this.assertLive('enter')
    if (cpu.plainLoad(home) === 0) {
      cpu.storeLoad(home, this.#word + (cpu.plainLoad(this.#word) & 1), this.#word)
    } else {
      const result = enterEpoch(this.#lot, this.#word)
      if (result < 0)
        throw new ErrnoError(result, 'enter', `${this.label}: this thread is in too many sections`)
    }
    return this.#section
  }

  /** Ends the section that this thread began last. EPERM if it is in none. */
  leave(): void {
    const cpu = this.#cpu
    const home = this.#home
    if (cpu.plainLoad(this.#statusAt) !== this.#live) this.assertLive('leave')
    const apart = cpu.plainLoad(home) - this.#word
    if ((apart === 0 || apart === 1) && cpu.plainLoad(home + 1) === 0) {
      if ((cpu.storeLoad(home, 0, this.#word) & EPOCH_WAITERS) !== 0) afterSection(this.#lot, this.#word)
    } else if (leaveEpoch(this.#lot, this.#word) < 0) {
      throw new ErrnoError(EPERM, 'leave', `${this.label}: this thread is in no section`)
    }
  }

  /** Runs a section. It is not asynchronous: it ends when the function returns. A promise is ERR_PAGEFRAME_INVALID_ARGUMENT. */
  run<T>(section: () => T): T {
    assertFunction('Epoch.run()', 'section', section)
    this.enter()
    try {
      return atOnce('Epoch.run()', 'section', section(), 'use enter() and leave()')
    } finally {
      this.leave()
    }
  }

  /**
   * Waits until every section has ended that was in when this was called; blocks this thread. Sections that begin later are
   * not waited for, except those that begin while an earlier call still waits. ETIMEDOUT; EDEADLK if this thread is in a
   * section; ESTALE.
   */
  synchronize(wait?: Wait): void {
    this.assertLive('synchronize')
    const timeoutMs = timeoutOf('Epoch.synchronize()', wait)
    if (sectionsOf(this.#lot, this.#word) > 0) throw this.#error(-EDEADLK, 'synchronize')
    const target = graceTarget(this.#lot, this.#word)
    const result = this.#context.waiting(
      () => `sections of ${this.label} have not ended`,
      () => awaitGrace(this.#lot, this.#word, target, deadlineAfter(timeoutMs)),
      this.guard,
    )
    if (result === -ETIMEDOUT) throw this.#late('synchronize', timeoutMs)
    if (result < 0) throw this.#error(result, 'synchronize')
  }

  /** As synchronize(), without blocking the thread; it may be called in a section, which is then waited for too. */
  async synchronizeAsync(wait: AsyncWait = {}): Promise<void> {
    this.assertLive('synchronizeAsync')
    const read = asyncWaitOf('Epoch.synchronizeAsync()', wait)
    const lot = this.#lot
    const at = this.#word
    const target = graceTarget(lot, at)
    const steps: AsyncSteps = {
      begin: (record) => beginGrace(lot, at, target, record),
      onBell: (record) => onBellGrace(lot, at, target, record),
      abandon: (record, outcome) => {
        abandonGrace(lot, at, target, record, outcome)
      },
      late: (_record, its) => this.#late('synchronizeAsync', its),
    }
    const result = await this.#context.waits.wait(steps, read.timeoutMs, read, this.guard)
    if (result < 0) throw this.#error(result, 'synchronizeAsync')
  }

  #late(verb: string, timeoutMs: number): ErrnoError {
    return new ErrnoError(ETIMEDOUT, verb, `${this.label}: sections have not ended in ${timeoutMs} ms`)
  }

  #error(errno: number, verb: string): ErrnoError {
    if (errno === -ESTALE) return staleError('Epoch', verb)
    const own = 'this thread is in a section itself; to wait here for its end would never end'
    return new ErrnoError(errno, verb, `${this.label}: ${errno === -EDEADLK ? own : noRecord(this.#context)}`)
  }
}

const EPOCH = epochKind((found) => new Epoch(found))

registerKind('Epoch', (value) => Epoch.from(value), EPOCH)
