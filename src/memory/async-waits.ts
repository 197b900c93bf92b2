/**
 * Asynchronous waits of one thread in one memory: the promise shell around begin, onBell and abandon (sync/wait.ts).
 *
 * All pending waits of a thread share one doorbell (`bell`), one waitAsync on it, and one handle that keeps the event
 * loop alive; V8's waitAsync keeps none. When the bell rings, the woken records are carried on in the order in which
 * they were begun.
 *
 *   IDLE ── first wait ──► LISTENING (bell ASLEEP, waitAsync armed) ── rung ──► carry on ──► LISTENING or IDLE
 *
 * Invariants
 *  1. While a wait is pending, the bell is ASLEEP and listened to, or a callback is on its way.
 *  2. A promise settles once: the entry leaves the map first.
 */

import { deadlineAfter, now } from '../host/clock.ts'
import { KeepAlive, soon } from '../host/workers.ts'
import { ABORTED, TIMED_OUT, WAITING, type Lot } from '../sync/lot.ts'
import { PENDING } from '../sync/wait.ts'
import { ASLEEP, AWAKE, ThreadSlot } from '../threads/slot.ts'
import type { LiveThread } from '../threads/live-thread.ts'
import { ENOMEM, ETIMEDOUT } from '../words/errno.ts'

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
}

interface Pending {
  readonly steps: AsyncSteps
  readonly settle: (result: number) => void
  readonly fail: (reason: unknown) => void
  readonly holdsLoop: boolean
}

export class AsyncWaits {
  readonly #lot: Lot
  readonly #thread: LiveThread
  readonly #bell: number
  readonly #pending = new Map<number, Pending>()
  readonly #keepAlive = new KeepAlive()
  #holders = 0
  #isListening = false

  constructor(lot: Lot, thread: LiveThread) {
    this.#lot = lot
    this.#thread = thread
    this.#bell = thread.at + ThreadSlot.bell
  }

  /** Waits: resolves with what the steps answer in the end, or -ETIMEDOUT; rejects with the signal's reason. */
  async wait(steps: AsyncSteps, timeoutMs: number, options: AsyncOptions): Promise<number> {
    const { signal, ref = true } = options
    signal?.throwIfAborted()
    const record = this.#lot.allocRecord()
    if (record === 0) return -ENOMEM
    const begun = steps.begin(record)
    if (begun !== PENDING) return begun

    let timer: NodeJS.Timeout | undefined
    let onAbort: (() => void) | undefined
    try {
      return await new Promise<number>((resolve, reject) => {
        this.#add(record, { steps, settle: resolve, fail: reject, holdsLoop: ref })
        timer = this.#startTimer(record, deadlineAfter(timeoutMs), ref)
        onAbort = () => {
          if (this.#end(record, ABORTED)) reject(signal?.reason as Error)
        }
        signal?.addEventListener('abort', onAbort, { once: true })
      })
    } finally {
      clearTimeout(timer)
      if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort)
    }
  }

  get count(): number {
    return this.#pending.size
  }

  /** Ends every pending wait with an error: the memory is gone. */
  failAll(reason: unknown): void {
    for (const [record, pending] of this.#pending) {
      this.#remove(record, pending)
      pending.fail(reason)
    }
  }

  #startTimer(record: number, deadline: number, ref: boolean): NodeJS.Timeout | undefined {
    if (deadline === Infinity) return undefined
    const left = Math.ceil(deadline - now())
    const timer = setTimeout(() => {
      const pending = this.#pending.get(record)
      if (pending !== undefined && this.#end(record, TIMED_OUT)) pending.settle(-ETIMEDOUT)
    }, left)
    if (!ref) timer.unref()
    return timer
  }

  #end(record: number, outcome: number): boolean {
    const pending = this.#pending.get(record)
    if (pending === undefined) return false
    this.#remove(record, pending)
    pending.steps.abandon(record, outcome)
    return true
  }

  #add(record: number, pending: Pending): void {
    this.#pending.set(record, pending)
    if (pending.holdsLoop && this.#holders++ === 0) this.#keepAlive.hold()
    this.#listen()
  }

  #remove(record: number, pending: Pending): void {
    this.#pending.delete(record)
    if (pending.holdsLoop && --this.#holders === 0) this.#keepAlive.drop()
  }

  #listen(): void {
    if (this.#isListening) return
    this.#isListening = true
    this.#lot.cpu.exchange(this.#bell, ASLEEP) // the other half of Dekker in Lot.#ringBell
    const onRing = () => {
      this.#onRing()
    }
    // Woken before we listened: next turn, so that a busy lock cannot keep the event loop to itself.
    if (this.#hasWoken()) soon(onRing)
    else this.#thread.doorbells.listen(this.#bell, ASLEEP, onRing)
  }

  #hasWoken(): boolean {
    for (const record of this.#pending.keys()) if (this.#lot.stateOf(record) !== WAITING) return true
    return false
  }

  #onRing(): void {
    this.#lot.cpu.store(this.#bell, AWAKE)
    for (const [record, pending] of this.#pending) {
      if (this.#lot.stateOf(record) === WAITING) continue
      const result = pending.steps.onBell(record)
      if (result === PENDING) continue
      this.#remove(record, pending)
      pending.settle(result)
    }
    this.#isListening = false
    if (this.#pending.size > 0) this.#listen()
  }
}
