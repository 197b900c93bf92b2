/**
 * SeqLock: readers who never wait for each other and write nothing, and one writer at a time.
 *
 * For small data that is read much more often than written: a reader copies it, and copies again if a writer came in
 * between. The data lie where the user has them; the lock itself is sync/seqlock.ts.
 *
 * See: torvalds/linux Documentation/locking/seqlock.rst. Differences: robust (readers of what a dead writer left wait until
 * the next one has made it whole), and a reader that is overtaken again and again takes its turn as a writer does.
 */

import { deadlineAfter, now } from '../host/clock.ts'
import type { AsyncSteps } from '../memory/async-waits.ts'
import { registerKind, type Found, type Place } from '../memory/kind.ts'
import { SharedObject } from '../memory/object.ts'
import { from, open, staleError } from '../memory/open.ts'
import { abandonLock, beginLock, onBellLock, ownerOf } from '../sync/mutex.ts'
import {
  abandonAwaitEven,
  abandonSeqWrite,
  awaitEven,
  beginAwaitEven,
  beginLocked,
  beginSeqRead,
  beginSeqWrite,
  endSeqWrite,
  onBellAwaitEven,
  RawSeqLock,
  validateSeqRead,
} from '../sync/seqlock.ts'
import { EDEADLK, EOWNERDEAD, ErrnoError, ESTALE, ETIMEDOUT } from '../words/errno.ts'
import { asyncWaitOf, assertFunction, atOnce, timeoutOf } from '../words/usage.ts'
import { noRecord } from './explain.ts'
import type { AsyncWait, Wait } from './lockable.ts'
import { seqLockKind, SeqLockObject } from './seqlock-kind.ts'

const { raw } = SeqLockObject
const { mutex } = RawSeqLock

/** After so many reads in vain a reader keeps the writers out for once. */
const READS_IN_VAIN = 64

/** What to do with a section that is asynchronous. */
const AWAIT_BEFORE = 'await before the section, and only copy in it'

/**
 * Small data that many read and few write.
 *
 * @example
 *   const position = SeqLock.open('position')
 *   position.write(() => { words[0] = x; words[1] = y })
 *   const [x, y] = position.read(() => [words[0], words[1]])
 */
export class SeqLock extends SharedObject {
  readonly #context = this.attachment
  readonly #lot = this.#context.lot
  readonly #word = this.at + raw

  constructor(options: Place | Found = {}) {
    super(SEQLOCK, options)
  }

  /** Attaches to the lock of that name, or creates it. */
  static open(name: string, options: Omit<Place, 'name'> = {}): SeqLock {
    return open(SEQLOCK, name, options)
  }

  /** The lock of a handle that arrived in a message. */
  static from(handle: unknown): SeqLock {
    return from(SEQLOCK, handle)
  }

  /**
   * Runs a section that reads, again and again until no writer came in between, and returns what it returned then. What the
   * section sees may be torn, so it only copies: it must change nothing, and what it throws counts only if what it saw was
   * whole. Blocks this thread while a writer writes, and, if that one dies in the middle, until another one has written.
   * The thread that writes may read: it sees what it has written. ETIMEDOUT, ESTALE. A section that returns a promise is
   * TypeError ERR_PAGEFRAME_INVALID_ARGUMENT, in all four calls: it is over when it returns.
   */
  read<T>(section: () => T, wait?: Wait): T {
    this.assertLive('read')
    assertFunction('SeqLock.read()', 'section', section)
    const timeoutMs = timeoutOf('SeqLock.read()', wait)
    if (this.#isOurs()) return atOnce('SeqLock.read()', 'section', section(), AWAIT_BEFORE)
    const deadline = deadlineAfter(timeoutMs)
    for (let i = 0; i < READS_IN_VAIN; i++) {
      const began = this.#begin('read', timeoutMs, deadline)
      const seen = attempt(section)
      if (validateSeqRead(this.#lot, this.#word, began)) return resultOf('SeqLock.read()', seen)
    }
    return this.#readAlone(section, timeoutMs, deadline)
  }

  /** As read(), without blocking the thread. The section itself is not asynchronous: it sees one moment. */
  async readAsync<T>(section: () => T, wait: AsyncWait = {}): Promise<T> {
    this.assertLive('readAsync')
    assertFunction('SeqLock.readAsync()', 'section', section)
    const options = asyncWaitOf('SeqLock.readAsync()', wait)
    this.#context.waits.check(options.signal)
    const deadline = deadlineAfter(options.timeoutMs)
    const even: AsyncSteps = { ...this.#even, late: () => this.#late('readAsync', options.timeoutMs) }
    for (;;) {
      const began = beginSeqRead(this.#lot, this.#word)
      if (began >= 0) {
        const seen = attempt(section)
        if (validateSeqRead(this.#lot, this.#word, began)) return resultOf('SeqLock.readAsync()', seen)
      }
      const result = await this.#context.waits.wait(even, Math.max(0, deadline - now()), options, this.guard)
      if (result < 0) throw this.#error(result, 'readAsync')
      this.assertLive('readAsync')
    }
  }

  /**
   * Runs a section that writes, alone: other writers wait, and readers read again. It gets true if the last writer died in
   * the middle: then what lies there is torn, and the section makes it whole (if it throws instead, the next one is told).
   * Blocks this thread while another writes. ETIMEDOUT, ESTALE; EDEADLK if this thread writes already.
   */
  write<T>(section: (ownerDied: boolean) => T, wait?: Wait): T {
    this.assertLive('write')
    assertFunction('SeqLock.write()', 'section', section)
    const timeoutMs = timeoutOf('SeqLock.write()', wait)
    const got = this.#waiting(() => beginSeqWrite(this.#lot, this.#word, deadlineAfter(timeoutMs)))
    if (got === -ETIMEDOUT) throw this.#late('write', timeoutMs)
    if (got < 0) throw this.#error(got, 'write')
    return this.#run('SeqLock.write()', section, got)
  }

  /** As write(), without blocking the thread. The section itself is not asynchronous: readers wait for its end. */
  async writeAsync<T>(section: (ownerDied: boolean) => T, wait: AsyncWait = {}): Promise<T> {
    this.assertLive('writeAsync')
    assertFunction('SeqLock.writeAsync()', 'section', section)
    const read = asyncWaitOf('SeqLock.writeAsync()', wait)
    const end: { result?: { readonly value: T } | { readonly thrown: unknown } } = {}
    const at = this.#word + mutex
    const steps: AsyncSteps = {
      begin: (record) => beginLock(this.#lot, at, record),
      onBell: (record) => onBellLock(this.#lot, at, record),
      // In the very step that took the lock: no other code of this thread may come in between and find it taken.
      over: (got) => {
        if (got < 0) return
        end.result = attempt(() =>
          this.#run('SeqLock.writeAsync()', section, beginLocked(this.#lot, this.#word, got)),
        )
      },
      abandon: (record, outcome) => {
        abandonLock(this.#lot, at, record, outcome)
      },
      late: (_record, its) => this.#late('writeAsync', its),
    }
    const result = await this.#context.waits.wait(steps, read.timeoutMs, read, this.guard)
    if (result < 0 || end.result === undefined) throw this.#error(result, 'writeAsync')
    return resultOf('SeqLock.writeAsync()', end.result)
  }

  /** Begins a read by hand: blocks this thread while it is being written, and returns what validate() wants to know. */
  begin(wait?: Wait): number {
    this.assertLive('begin')
    const timeoutMs = timeoutOf('SeqLock.begin()', wait)
    if (this.#isOurs()) throw this.#error(-EDEADLK, 'begin')
    return this.#begin('begin', timeoutMs, deadlineAfter(timeoutMs))
  }

  /** Whether what was read since begin() is whole. If not, begin again. */
  validate(began: number): boolean {
    this.assertLive('validate')
    return validateSeqRead(this.#lot, this.#word, began)
  }

  // ── below ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #isOurs(): boolean {
    return ownerOf(this.#lot, this.#word + mutex) === this.#lot.thread.tid
  }

  #begin(verb: string, timeoutMs: number, deadline: number): number {
    for (;;) {
      const began = beginSeqRead(this.#lot, this.#word)
      if (began >= 0) return began
      const result = this.#waiting(() => awaitEven(this.#lot, this.#word, deadline))
      if (result === -ETIMEDOUT) throw this.#late(verb, timeoutMs)
      if (result < 0) throw this.#error(result, verb)
    }
  }

  /** Overtaken again and again: the writers wait for this one. */
  #readAlone<T>(section: () => T, timeoutMs: number, deadline: number): T {
    for (;;) {
      const got = this.#waiting(() => beginSeqWrite(this.#lot, this.#word, deadline))
      if (got === -ETIMEDOUT) throw this.#late('read', timeoutMs)
      if (got < 0) throw this.#error(got, 'read')
      if (got === 0) {
        try {
          return atOnce('SeqLock.read()', 'section', section(), AWAIT_BEFORE)
        } finally {
          endSeqWrite(this.#lot, this.#word)
        }
      }
      abandonSeqWrite(this.#lot, this.#word) // torn: for a writer to repair
      this.#begin('read', timeoutMs, deadline)
    }
  }

  #run<T>(call: string, section: (ownerDied: boolean) => T, got: number): T {
    let isWhole = got === 0
    try {
      const result = atOnce(call, 'section', section(got === EOWNERDEAD), AWAIT_BEFORE)
      isWhole = true
      return result
    } finally {
      if (isWhole) endSeqWrite(this.#lot, this.#word)
      else abandonSeqWrite(this.#lot, this.#word)
    }
  }

  readonly #even: Omit<AsyncSteps, 'late'> = {
    begin: (record) => beginAwaitEven(this.#lot, this.#word, record),
    onBell: (record) => onBellAwaitEven(this.#lot, this.#word, record),
    abandon: (record, outcome) => {
      abandonAwaitEven(this.#lot, this.#word, record, outcome)
    },
  }

  #waiting(wait: () => number): number {
    return this.#context.waiting(() => `${this.label} is being written: ${this.#writer()}`, wait, this.guard)
  }

  #writer(): string {
    const tid = ownerOf(this.#lot, this.#word + mutex)
    return tid === 0
      ? 'its writer died, and nobody has repaired it'
      : `${this.#context.threadName(tid)} writes`
  }

  #late(verb: string, timeoutMs: number): ErrnoError {
    return new ErrnoError(
      ETIMEDOUT,
      verb,
      `${this.label}: not whole and free in ${timeoutMs} ms; ${this.#writer()}`,
    )
  }

  #error(errno: number, verb: string): ErrnoError {
    if (errno === -ESTALE) return staleError('SeqLock', verb)
    const why = errno === -EDEADLK ? 'this thread writes already' : noRecord(this.#context)
    return new ErrnoError(errno, verb, `${this.label}: ${why}`)
  }
}

function attempt<T>(section: () => T): { readonly value: T } | { readonly thrown: unknown } {
  try {
    return { value: section() }
  } catch (thrown) {
    return { thrown }
  }
}

function resultOf<T>(call: string, seen: { readonly value: T } | { readonly thrown: unknown }): T {
  if ('thrown' in seen) throw seen.thrown
  return atOnce(call, 'section', seen.value, AWAIT_BEFORE)
}

const SEQLOCK = seqLockKind((found) => new SeqLock(found))

registerKind('SeqLock', (value) => SeqLock.from(value), SEQLOCK)
