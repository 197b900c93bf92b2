/**
 * Watch: what one thread notes about one lock, around what the lock does.
 *
 *   lock()       note the order ─► try ─► got it ────────────────────────────────► held
 *                                   └──► note the wait, look for a circle ─► lock ─► held      EDEADLK, if there is one
 *   unlock()     unlock ─► no longer held
 *
 * The lock is what it would be without: what is noted comes before the wait or after the deed, and decides nothing but
 * EDEADLK. (lock-switch.ts says what is on.)
 */

import { now } from '../../host/clock.ts'
import { callers } from '../../host/stack.ts'
import { objectAround } from '../../memory/around.ts'
import type { Attachment } from '../../memory/attachment.ts'
import { DEADLOCKS } from '../../memory/lock-switch.ts'
import { labelOf } from '../../memory/object.ts'
import type { Watched } from '../../memory/watchers.ts'
import { PARKS, SPINS } from '../../threads/counters.ts'
import { EDEADLK, ErrnoError, ETIMEDOUT } from '../../words/errno.ts'
import { announce } from './announce.ts'
import { ClassOfLock } from './class-of-lock.ts'
import { placed } from './deadlock.ts'
import { BLOCKED, EXCLUSIVE, HELD, HELD_BY_TASK, holdEntryOf, PENDING, READING, stackOf } from './ledger.ts'
import { LockClass } from './notes.ts'
import { noteOrder } from './order.ts'
import { threadWatchOf, type Hold, type ThreadWatch } from './thread-watch.ts'

const STACK_LINES = 4

export class Watch {
  readonly #attachment: Attachment
  readonly #object: Watched
  readonly #kind: string
  readonly #class: ClassOfLock
  readonly #thread: ThreadWatch
  readonly #findsDeadlocks: boolean
  readonly #holds: Hold[] = []

  constructor(attachment: Attachment, object: Watched, kind: string) {
    this.#attachment = attachment
    this.#object = object
    this.#kind = kind
    this.#class = new ClassOfLock(attachment, object, kind)
    this.#thread = threadWatchOf(attachment)
    this.#findsDeadlocks = (attachment.lockDiagnostics & DEADLOCKS) !== 0
  }

  /** This thread has just made the lock, and it has no name: it is called after the place. */
  isMadeHere(): void {
    this.#class.isMadeHere()
  }

  get #label(): string {
    return labelOf(this.#attachment, this.#kind, this.#object.at)
  }

  // ── taking ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A blocking form: `attempt` answers null if it would have to wait, `wait` waits. */
  take<T>(attempt: () => T | null, wait: () => T, { isEndless = true, isReading = false } = {}): T {
    const stack = this.#stack()
    this.#noteOrder(false, stack)
    const got = attempt()
    if (got !== null) {
      this.#isHeld({ isAsync: false, isReading, stack, entry: 0 })
      this.#class.countTaken()
      return got
    }
    const entry = this.#announce(BLOCKED, isEndless, isReading, stack)
    const { counters } = this.#thread
    const [began, spins, parks] = [now(), counters[SPINS], counters[PARKS]]
    let had
    try {
      had = wait()
    } catch (error) {
      throw this.#failed(error, entry, isReading)
    }
    this.#isHeld({ isAsync: false, isReading, stack, entry })
    this.#class.countTaken(began, counters[SPINS] - spins, counters[PARKS] - parks)
    return had
  }

  /** The form that never waits. */
  tryTake<T>(attempt: () => T | null, { isReading = false } = {}): T | null {
    const got = attempt()
    if (got === null) return null
    this.#isHeld({ isAsync: false, isReading, stack: this.#stack(), entry: 0 })
    this.#class.countTaken()
    return got
  }

  /** An asynchronous form. */
  async takeAsync<T extends object>(
    wait: () => Promise<T>,
    { isEndless = true, isReading = false } = {},
  ): Promise<T> {
    const stack = this.#stack()
    this.#noteOrder(true, stack)
    const isBusy = this.#isBusy()
    const entry = this.#announce(PENDING, isEndless, isReading, stack)
    const began = now()
    const section = this.#thread.innermost
    let token
    try {
      token = await wait()
    } catch (error) {
      throw this.#failed(error, entry, isReading)
    }
    holdsOfTokens.set(token, this.#isHeld({ isAsync: true, isReading, stack, entry }, section))
    if (isBusy) this.#class.countTaken(began)
    else this.#class.countTaken()
    return token
  }

  /** Runs the section that a token of takeAsync() is for: what it starts is a part of it. */
  runSection<T>(token: object, section: () => T): T {
    const hold = holdsOfTokens.get(token)
    return hold === undefined ? section() : this.#thread.section.run(hold, section)
  }

  /** Given back, once: by the thread, or (`isAsync`) by the task that took it last. */
  isGivenBack(isAsync: boolean, isReading = false): void {
    const index = this.#holds.findLastIndex(
      (hold) => !hold.isOver && hold.isAsync === isAsync && hold.isReading === isReading,
    )
    if (index < 0) return
    const hold = this.#holds[index]
    if (hold.depth > 0) {
      hold.depth--
      return
    }
    this.#drop(hold)
    this.#class.countTime(LockClass.hold, hold.since)
  }

  #drop(hold: Hold): void {
    this.#holds.splice(this.#holds.indexOf(hold), 1)
    this.#thread.forget(hold)
  }

  /**
   * A condition gives the lock back for a while, and takes it again: whoever holds others meanwhile holds them while it
   * takes this one. The function that is returned says that it is over; `isHeld`: it has been taken again.
   */
  interrupt(isAsync: boolean): (isHeld: boolean) => void {
    const hold = this.#holds.find((each) => !each.isOver && each.isAsync === isAsync)
    if (hold === undefined) return () => undefined
    this.#noteOrder(isAsync, this.#stack())
    this.#class.countTime(LockClass.hold, hold.since)
    return (isHeld) => {
      if (this.#class.isCounted) hold.since = now()
      if (!isHeld) this.#drop(hold)
    }
  }

  // ── what nobody holds: permits, phases, events ────────────────────────────────────────────────────────────────────

  /**
   * A blocking form: `attempt` answers false if it would have to wait. `hasWaited`: whether it has, where that is known only
   * when it is over.
   */
  pass(attempt: () => boolean, wait: () => void, hasWaited = () => true): void {
    if (attempt()) {
      this.#class.countTaken()
      return
    }
    const { counters } = this.#thread
    const [began, spins, parks] = [now(), counters[SPINS], counters[PARKS]]
    try {
      wait()
    } catch (error) {
      throw this.#failed(error, 0, true)
    }
    if (hasWaited()) this.#class.countTaken(began, counters[SPINS] - spins, counters[PARKS] - parks)
    else this.#class.countTaken()
  }

  tryPass(attempt: () => boolean): boolean {
    const got = attempt()
    if (got) this.#class.countTaken()
    return got
  }

  async passAsync(isBusy: boolean, wait: () => Promise<void>, hasWaited = () => isBusy): Promise<void> {
    const began = now()
    try {
      await wait()
    } catch (error) {
      throw this.#failed(error, 0, true)
    }
    if (hasWaited()) this.#class.countTaken(began)
    else this.#class.countTaken()
  }

  // ── what one call takes, uses and gives back ──────────────────────────────────────────────────────────────────────

  /** The section to run instead, which is counted when it begins and ends; `failed`: the call has thrown that. */
  countSection<A, T>(section: (argument: A) => T, isBusy: boolean, isAsync = false): CountedSection<A, T> {
    const { counters } = this.#thread
    const [began, spins, parks] = [now(), counters[SPINS], counters[PARKS]]
    let hasBegun = false
    return {
      section: (argument) => {
        hasBegun = true
        if (!isBusy) this.#class.countTaken()
        else if (isAsync) this.#class.countTaken(began)
        else this.#class.countTaken(began, counters[SPINS] - spins, counters[PARKS] - parks)
        const since = now()
        try {
          return section(argument)
        } finally {
          this.#class.countTime(LockClass.hold, since)
        }
      },
      failed: (error) => {
        if (!hasBegun && error instanceof ErrnoError && error.errno === -ETIMEDOUT) this.#class.countTimeout()
      },
    }
  }

  // ── below ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #stack(): string {
    return this.#findsDeadlocks ? callers(STACK_LINES).join('\n') : ''
  }

  #isBusy(): boolean {
    const { holders } = kindOf(this.#attachment, this.#object.at) ?? {}
    return (holders?.(this.#attachment, this.#object.at).length ?? 0) > 0
  }

  #noteOrder(isAsync: boolean, stack: string): void {
    if (!this.#findsDeadlocks) return
    const held = this.#thread.held(isAsync)
    if (held.length === 0) return
    const notes = this.#class.notes()
    if (notes !== undefined) noteOrder(this.#attachment, notes, held, this.#class.index, stack)
  }

  /** Publishes a wait, and throws EDEADLK if it closes a circle. The entry, or 0. */
  #announce(what: number, isEndless: boolean, isReading: boolean, stack: string): number {
    if (!this.#findsDeadlocks) return 0
    const notes = this.#class.notes()
    const { at, generation } = this.#object
    const mode = isReading ? READING : EXCLUSIVE
    const parent = this.#thread.innermost?.entry ?? 0
    const line = { lock: at, generation, mode, parent, isEndless, stack }
    const { entry, circle } = announce(this.#attachment, this.#thread.ledger, what, line, (told) =>
      notes?.addReportLocked(`${this.#label}: ${told}`),
    )
    if (circle === undefined) return entry
    throw new ErrnoError(EDEADLK, what === BLOCKED ? 'lock' : 'lockAsync', `${this.#label}: ${circle}`)
  }

  /** It was waited for in vain: the same error, which says also where the holders took it. */
  #failed(error: unknown, entry: number, isReading: boolean): unknown {
    this.#thread.ledger.remove(entry)
    if (!(error instanceof ErrnoError) || error.errno !== -ETIMEDOUT) return error
    this.#class.countTimeout()
    if (!this.#findsDeadlocks || isReading) return error
    const kind = kindOf(this.#attachment, this.#object.at)
    for (const { tid } of kind?.holders?.(this.#attachment, this.#object.at) ?? []) {
      const hold = holdEntryOf(this.#attachment, tid, this.#object.at)
      const lines = placed(`${this.#attachment.threadName(tid)} took it`, stackOf(this.#attachment, hold))
      error.message = [error.message, ...lines].join('\n')
    }
    return error
  }

  #isHeld(
    { isAsync, isReading, stack, entry }: Pick<Hold, 'isAsync' | 'isReading' | 'stack' | 'entry'>,
    section = isAsync ? undefined : this.#thread.innermost,
  ): Hold {
    const again = isAsync
      ? undefined
      : this.#holds.find((hold) => !hold.isAsync && hold.isReading === isReading)
    if (again !== undefined) {
      again.depth++
      this.#thread.ledger.remove(entry)
      return again
    }
    this.#class.notes()
    const { at, generation } = this.#object
    const { cpu } = this.#attachment
    const what = isAsync ? HELD_BY_TASK : HELD
    let noted = entry
    if (entry !== 0) this.#thread.ledger.change(entry, what)
    else if (this.#findsDeadlocks) {
      const mode = isReading ? READING : EXCLUSIVE
      const parent = section?.entry ?? 0
      noted = this.#thread.ledger.add(what, { lock: at, generation, mode, parent, isEndless: false, stack })
    }
    const hold: Hold = {
      classIndex: this.#class.index,
      stack,
      entry: noted,
      isAsync,
      isReading,
      since: this.#class.isCounted ? now() : 0,
      section,
      depth: 0,
      isOver: false,
      isLive: () => cpu.load(at) === -generation, // as SharedObject.isLive
    }
    this.#holds.push(hold)
    this.#thread.holds.add(hold)
    return hold
  }
}

interface CountedSection<A, T> {
  readonly section: (argument: A) => T
  readonly failed: (error: unknown) => void
}

const holdsOfTokens = new WeakMap<object, Hold>()

function kindOf(attachment: Attachment, at: number) {
  return objectAround(attachment, at)?.kind
}
