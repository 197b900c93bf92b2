/**
 * Asynchronous waits of one thread in one memory: the promise shell around begin, onBell and abandon (sync/wait.ts).
 *
 * All pending waits of a thread share one doorbell (`bell`), one waitAsync on it, and one handle that keeps the event
 * loop alive; V8's waitAsync keeps none. When the bell rings, the records that were marked as woken (sync/records.ts) are
 * carried on in the order in which they were begun, and no others are looked at. (One that was called only waits still.)
 *
 *   IDLE ── first wait ──► LISTENING (bell ASLEEP, waitAsync armed) ── rung ──► carry on ──► LISTENING or IDLE
 *
 * Invariants
 *  1. While a wait is pending, the bell is ASLEEP and listened to, or a callback is on its way.
 *  2. A promise settles once: the entry leaves the map first. While a wait is carried on it is not in the map: what the step
 *     calls (a codec, say) cannot end it a second time.
 *  3. A memory that is poisoned fails every wait: looked for before a wait begins, after the bell is set ASLEEP (whoever
 *     poisons writes the word first and rings then), and whenever it rings.
 */

import { deadlineAfter, now } from '../host/clock.ts'
import { KeepAlive, soon } from '../host/workers.ts'
import type { Guard } from '../sync/guard.ts'
import type { Lot } from '../sync/lot.ts'
import { ABORTED, TIMED_OUT } from '../sync/wait-record.ts'
import { PENDING } from '../sync/wait.ts'
import { CALLED_OFF } from '../threads/counters.ts'
import { ASLEEP, ThreadSlot } from '../threads/slot.ts'
import type { LiveThread } from '../threads/live-thread.ts'
import { ENOMEM, ESTALE, ETIMEDOUT } from '../words/errno.ts'

/** So many waits are carried on in one turn of the event loop; the others have to let timers and I/O go first. */
const MOST_AT_ONCE = 1000

/** The longest timer of Node; a longer wait takes several. */
const LONGEST_TIMER_MS = 0x7fffffff

export interface AsyncOptions {
  timeoutMs?: number
  signal?: AbortSignal
  ref?: boolean
}

/** The steps of one primitive. */
export interface AsyncSteps {
  begin(record: number): number
  onBell(record: number): number
  abandon(record: number, outcome: number): void
  /**
   * What begin or onBell has answered, when the wait is over and its record is free: what must be done in this very step,
   * before other code of the thread runs. It may begin other waits and abort signals; it throws nothing.
   */
  over?(result: number): void
  /** How long the wait may be left alone before onBell is asked again though the bell has not rung. If absent: for ever. */
  patienceMs?(record: number): number
  /**
   * Instead of `abandon`, for a wait that goes on when its time is up or it is aborted, since it must get something back
   * first (a condition its mutex): what it answers, or PENDING, and onBell carries on. Called once.
   */
  leave?(record: number, outcome: number): number
  /** The error of a wait whose time is up; its record stands in the queue still. If absent, the wait answers -ETIMEDOUT. */
  late?(record: number, timeoutMs: number): Error
}

interface Pending {
  readonly guard: Guard | undefined
  /** Grows with each wait that begins. */
  readonly turn: number
  readonly steps: AsyncSteps
  readonly settle: (result: number) => void
  readonly fail: (reason: unknown) => void
  readonly holdsLoop: boolean
  readonly timeoutMs: number
  timer: NodeJS.Timeout | undefined
  /** Until onBell is asked again, whether the bell rings or not. */
  look: NodeJS.Timeout | undefined
  /** Takes the listener from its signal. */
  unlisten: (() => void) | undefined
  hasLeft: boolean
}

export class AsyncWaits {
  readonly #lot: Lot
  readonly #thread: LiveThread
  readonly #bell: number
  /** Why nobody may wait any more, or undefined. */
  readonly #poison: () => Error | undefined
  readonly #pending = new Map<number, Pending>()
  readonly #keepAlive = new KeepAlive()
  #holders = 0
  #begun = 0
  #isListening = false

  constructor(lot: Lot, thread: LiveThread, poison: () => Error | undefined) {
    this.#lot = lot
    this.#poison = poison
    this.#thread = thread
    this.#bell = thread.at + ThreadSlot.bell
  }

  /**
   * Waits: resolves with what the steps answer in the end, or -ETIMEDOUT; rejects with the signal's reason. `guard` is that of
   * what is waited for: when that is over, the wait answers -ESTALE.
   */
  async wait(steps: AsyncSteps, timeoutMs: number, options: AsyncOptions, guard?: Guard): Promise<number> {
    const { signal, ref = true } = options
    this.check(signal)
    const record = this.#lot.allocRecord()
    if (record === 0) return -ENOMEM
    const begun = this.#guarded(guard, () => steps.begin(record))
    if (begun !== PENDING) {
      steps.over?.(begun)
      const poison = this.#poisonBehind(begun)
      if (poison !== undefined) throw poison
      return begun
    }
    return new Promise<number>((resolve, reject) => {
      const pending: Pending = {
        guard,
        turn: this.#begun++,
        steps,
        settle: resolve,
        fail: reject,
        holdsLoop: ref,
        timeoutMs,
        timer: undefined,
        look: undefined,
        unlisten: undefined,
        hasLeft: false,
      }
      this.#add(record, pending)
      this.#startTimer(record, pending, deadlineAfter(timeoutMs))
      if (signal !== undefined) this.#heed(signal, record, pending)
    })
  }

  /** Ends the wait when its signal aborts: until it is over, and not a moment longer. */
  #heed(signal: AbortSignal, record: number, pending: Pending): void {
    const onAbort = (): void => {
      if (pending.steps.leave !== undefined) this.#leave(record, pending, ABORTED)
      else if (this.#end(record, pending, ABORTED)) pending.fail(signal.reason)
    }
    try {
      signal.addEventListener('abort', onAbort, { once: true })
      pending.unlisten = () => {
        signal.removeEventListener('abort', onAbort)
      }
    } catch (error) {
      this.#end(record, pending, ABORTED) // what nobody hears of is not to be got
      throw error
    }
  }

  #guarded(guard: Guard | undefined, step: () => number): number {
    const outer = this.#lot.guard
    this.#lot.guard = guard
    try {
      return step()
    } finally {
      this.#lot.guard = outer
    }
  }

  /** What wait() throws before it begins. For whoever may be through without waiting, or changes something before. */
  check(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted()
    const poison = this.#poison()
    if (poison !== undefined) throw poison
  }

  get count(): number {
    return this.#pending.size
  }

  /** Ends one pending wait with an answer: what it waits for is no more to be had by this thread. */
  cancel(record: number, result: number): void {
    const pending = this.#pending.get(record)
    if (pending !== undefined && this.#end(record, pending, ABORTED)) pending.settle(result)
  }

  /** Ends every pending wait with an error: the memory is gone. */
  failAll(reason: unknown): void {
    for (const [record, pending] of this.#pending) {
      this.#remove(record, pending)
      pending.fail(reason)
    }
  }

  #startTimer(record: number, pending: Pending, deadline: number): void {
    if (deadline === Infinity) return
    const left = Math.ceil(deadline - now())
    pending.timer = setTimeout(
      () => {
        if (now() < deadline) this.#startTimer(record, pending, deadline)
        else this.#expire(record, pending)
      },
      Math.min(left, LONGEST_TIMER_MS),
    )
    if (!pending.holdsLoop) pending.timer.unref()
  }

  #expire(record: number, pending: Pending): void {
    if (pending.steps.leave !== undefined) {
      this.#leave(record, pending, TIMED_OUT)
      return
    }
    const error = pending.steps.late?.(record, pending.timeoutMs)
    this.#end(record, pending, TIMED_OUT)
    if (error === undefined) pending.settle(-ETIMEDOUT)
    else pending.fail(error)
  }

  #leave(record: number, pending: Pending, outcome: number): void {
    if (pending.hasLeft || this.#pending.get(record) !== pending) return
    pending.hasLeft = true
    clearTimeout(pending.timer)
    const result = this.#guarded(pending.guard, () => pending.steps.leave?.(record, outcome) ?? PENDING)
    if (result === PENDING) return
    this.#remove(record, pending)
    pending.settle(result)
  }

  /** False if it is over, or being carried on: by now its record may be another's. */
  #end(record: number, pending: Pending, outcome: number): boolean {
    if (this.#pending.get(record) !== pending) return false
    this.#remove(record, pending)
    pending.steps.abandon(record, outcome)
    return true
  }

  #add(record: number, pending: Pending): void {
    this.#pending.set(record, pending)
    this.#lookAgain(record, pending)
    if (pending.holdsLoop && this.#holders++ === 0) this.#keepAlive.hold()
    this.#listen()
  }

  #remove(record: number, pending: Pending): void {
    if (this.#pending.get(record) === pending) this.#pending.delete(record)
    clearTimeout(pending.timer)
    clearTimeout(pending.look)
    pending.unlisten?.()
    if (pending.holdsLoop && --this.#holders === 0) this.#keepAlive.drop()
  }

  #listen(): void {
    if (this.#isListening) return
    this.#isListening = true
    const isQuiet = this.#lot.listen()
    const onRing = (wasAsleep: boolean) => {
      this.#onRing(wasAsleep)
    }
    // Woken before we listened: next turn, so that a busy lock cannot keep the event loop to itself.
    if (!isQuiet || this.#poison() !== undefined) {
      soon(() => {
        onRing(false)
      })
    } else this.#thread.doorbells.listen(this.#bell, ASLEEP, onRing)
  }

  #onRing(wasAsleep: boolean): void {
    if (this.#lot.heed() && !wasAsleep) this.#thread.count(CALLED_OFF)
    const poison = this.#poison()
    if (poison !== undefined) this.failAll(poison)
    let left = MOST_AT_ONCE
    // Again, if what one wait does has woken the next (channel/turns.ts).
    for (let woken = this.#woken(); woken.length > 0; woken = left > 0 ? this.#woken() : []) {
      for (const record of woken) {
        if (left-- > 0) this.#carryOn(record)
        else this.#lot.markWoken(record)
      }
    }
    this.#isListening = false
    if (this.#pending.size > 0) this.#listen()
  }

  /** The records to be looked at, in the order in which they were begun. */
  #woken(): number[] {
    const turnOf = (record: number) => this.#pending.get(record)?.turn ?? 0
    return this.#lot
      .takeWoken()
      .filter((record) => this.#pending.has(record))
      .sort((one, other) => turnOf(one) - turnOf(other))
  }

  /** The timer keeps nothing alive: the wait does, if it shall. */
  #lookAgain(record: number, pending: Pending): void {
    const patienceMs = pending.steps.patienceMs?.(record) ?? Infinity
    if (patienceMs === Infinity || pending.look !== undefined) return
    const look = (): void => {
      pending.look = undefined
      if (this.#pending.get(record) === pending) this.#carryOn(record)
    }
    pending.look = setTimeout(look, patienceMs).unref()
  }

  #carryOn(record: number): void {
    const pending = this.#pending.get(record)
    if (pending === undefined) return // what another one did has ended it
    this.#pending.delete(record)
    let result: number
    try {
      result = this.#guarded(pending.guard, () => pending.steps.onBell(record))
    } catch (error) {
      // Its record is lost. But the other waits of this thread are listened for.
      this.#remove(record, pending)
      pending.fail(error)
      return
    }
    if (result === PENDING) {
      this.#pending.set(record, pending)
      this.#lookAgain(record, pending)
      return
    }
    this.#remove(record, pending)
    pending.steps.over?.(result)
    const poison = this.#poisonBehind(result)
    if (poison === undefined) pending.settle(result)
    else pending.fail(poison)
  }

  /** A poisoned memory says why its objects have ended. */
  #poisonBehind(result: number): Error | undefined {
    return result === -ESTALE ? this.#poison() : undefined
  }
}
