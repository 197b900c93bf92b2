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
import { nameOf, objectEntry } from '../../memory/directory.ts'
import { DEADLOCKS, STATISTICS } from '../../memory/lock-switch.ts'
import { labelOf } from '../../memory/object.ts'
import type { Watched } from '../../memory/watchers.ts'
import { PARKS, SPINS } from '../../threads/counters.ts'
import { EDEADLK, ErrnoError, ETIMEDOUT } from '../../words/errno.ts'
import { bucketOf } from '../../words/histogram.ts'
import { describeCircle, placed, searchLocked } from './deadlock.ts'
import { withGraph } from './graph.ts'
import {
  BLOCKED,
  EXCLUSIVE,
  HELD,
  HELD_BY_TASK,
  holdEntryOf,
  PENDING,
  READING,
  stackOf,
  UNUSED,
} from './ledger.ts'
import { LockClass, notesOf, OTHERS, SUB_BITS, type Notes } from './notes.ts'
import { noteOrder } from './order.ts'
import { threadWatchOf, type Hold, type ThreadWatch } from './thread-watch.ts'

const STACK_LINES = 4
const SELF = 'this thread'

/** How often to look again, each time a millisecond later, where it was not clear who waits. */
const MOST_LOOKS = 10

/** Word of a shared object's header (`spare`): the class of a lock, plus one; 0 if nobody has said it. */
const CLASS_WORD = 3

export class Watch {
  readonly #attachment: Attachment
  readonly #object: Watched
  readonly #kind: string
  readonly #thread: ThreadWatch
  readonly #findsDeadlocks: boolean
  readonly #counts: boolean
  readonly #holds: Hold[] = []
  #notes: Notes | undefined
  #class = OTHERS

  constructor(attachment: Attachment, object: Watched, kind: string) {
    this.#attachment = attachment
    this.#object = object
    this.#kind = kind
    this.#thread = threadWatchOf(attachment)
    this.#findsDeadlocks = (attachment.lockDiagnostics & DEADLOCKS) !== 0
    this.#counts = (attachment.lockDiagnostics & STATISTICS) !== 0
  }

  /** This thread has just made the lock, and it has no name: it is called after the place. */
  isMadeHere(): void {
    const notes = this.#ready()
    if (notes === undefined) return
    this.#class = notes.classOf(this.#kind, callers(1)[0] ?? '', false)
    this.#attachment.cpu.store(this.#object.at + CLASS_WORD, this.#class + 1)
    notes.count(this.#class, LockClass.made)
  }

  /** The notes, with this lock's class known. Not before it is used: where it is met, the directory may be locked. */
  #ready(): Notes | undefined {
    if (this.#notes !== undefined) return this.#notes
    this.#notes = notesOf(this.#attachment)
    if (this.#notes !== undefined) this.#class = this.#findClass(this.#notes)
    return this.#notes
  }

  #findClass(notes: Notes): number {
    const { cpu } = this.#attachment
    const { at } = this.#object
    const said = cpu.load(at + CLASS_WORD)
    if (said > 0 && said <= notes.classCount) return said - 1
    const name = nameOf(this.#attachment, cpu.load(at + objectEntry))
    const found = notes.classOf(this.#kind, name ?? '', name !== undefined)
    if (name !== undefined && cpu.compareExchange(at + CLASS_WORD, 0, found + 1) === 0) {
      notes.count(found, LockClass.made)
    }
    return found
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
      this.#countTaken()
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
    this.#countTaken(began, counters[SPINS] - spins, counters[PARKS] - parks)
    return had
  }

  /** The form that never waits. */
  tryTake<T>(attempt: () => T | null, { isReading = false } = {}): T | null {
    const got = attempt()
    if (got === null) return null
    this.#isHeld({ isAsync: false, isReading, stack: this.#stack(), entry: 0 })
    this.#countTaken()
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
    if (isBusy) this.#countTaken(began)
    else this.#countTaken()
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
    if (this.#counts) this.#countTime(LockClass.hold, hold.since)
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
    if (this.#counts) this.#countTime(LockClass.hold, hold.since)
    return (isHeld) => {
      if (this.#counts) hold.since = now()
      if (!isHeld) this.#drop(hold)
    }
  }

  // ── what nobody holds: permits, phases, events ────────────────────────────────────────────────────────────────────

  /** A blocking form: `attempt` answers false if it would have to wait. */
  pass(attempt: () => boolean, wait: () => void): void {
    if (attempt()) {
      this.#countTaken()
      return
    }
    const { counters } = this.#thread
    const [began, spins, parks] = [now(), counters[SPINS], counters[PARKS]]
    try {
      wait()
    } catch (error) {
      throw this.#failed(error, 0, true)
    }
    this.#countTaken(began, counters[SPINS] - spins, counters[PARKS] - parks)
  }

  tryPass(attempt: () => boolean): boolean {
    const got = attempt()
    if (got) this.#countTaken()
    return got
  }

  async passAsync(isBusy: boolean, wait: () => Promise<void>): Promise<void> {
    const began = now()
    try {
      await wait()
    } catch (error) {
      throw this.#failed(error, 0, true)
    }
    if (isBusy) this.#countTaken(began)
    else this.#countTaken()
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
    const notes = this.#ready()
    if (notes !== undefined) noteOrder(this.#attachment, notes, held, this.#class, () => stack)
  }

  /** Publishes a wait, and throws EDEADLK if it closes a circle. The entry, or 0. */
  #announce(what: number, isEndless: boolean, isReading: boolean, stack: string): number {
    if (!this.#findsDeadlocks) return 0
    const notes = this.#ready()
    const { at, generation } = this.#object
    const line = {
      lock: at,
      generation,
      mode: isReading ? READING : EXCLUSIVE,
      parent: this.#thread.innermost?.entry ?? 0,
      isEndless,
      stack,
    }
    const entry = this.#thread.ledger.add(UNUSED, line)
    if (entry === 0) return 0
    const look = () =>
      withGraph(this.#attachment, () => {
        this.#thread.ledger.change(entry, what)
        if (!isEndless) return undefined
        const { circle, isUndecided } = searchLocked(this.#attachment, entry)
        if (circle === undefined) return isUndecided ? '' : undefined
        const text = describeCircle(this.#attachment, circle, SELF)
        const mine = this.#attachment.threadName(this.#attachment.thread.tid)
        notes?.addReportLocked(`${this.#label}: ${describeCircle(this.#attachment, circle, mine)}`)
        this.#thread.ledger.remove(entry)
        return text
      })
    let found = look()
    for (let again = 0; found === '' && what === BLOCKED && again < MOST_LOOKS; again++) {
      this.#attachment.sleepUntil(now() + 1)
      found = look()
    }
    if (found === undefined || found === '') return entry
    throw new ErrnoError(EDEADLK, what === BLOCKED ? 'lock' : 'lockAsync', `${this.#label}: ${found}`)
  }

  /** It was waited for in vain: the same error, which says also where the holders took it. */
  #failed(error: unknown, entry: number, isReading: boolean): unknown {
    this.#thread.ledger.remove(entry)
    if (!(error instanceof ErrnoError) || error.errno !== -ETIMEDOUT) return error
    if (this.#counts) this.#ready()?.count(this.#class, LockClass.timeouts)
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
    this.#ready()
    const { at, generation } = this.#object
    const what = isAsync ? HELD_BY_TASK : HELD
    let noted = entry
    if (entry !== 0) this.#thread.ledger.change(entry, what)
    else if (this.#findsDeadlocks) {
      const mode = isReading ? READING : EXCLUSIVE
      const parent = section?.entry ?? 0
      noted = this.#thread.ledger.add(what, { lock: at, generation, mode, parent, isEndless: false, stack })
    }
    const hold: Hold = {
      classIndex: this.#class,
      stack,
      entry: noted,
      isAsync,
      isReading,
      since: this.#counts ? now() : 0,
      section,
      depth: 0,
      isOver: false,
      isLive: () => this.#attachment.frames.generationOf(at) === generation,
    }
    this.#holds.push(hold)
    this.#thread.holds.add(hold)
    return hold
  }

  #countTaken(began = -1, spins = 0, parks = 0): void {
    if (!this.#counts) return
    const notes = this.#ready()
    if (notes === undefined) return
    notes.count(this.#class, LockClass.acquisitions)
    if (began < 0) return
    notes.count(this.#class, LockClass.contended)
    notes.count(this.#class, LockClass.spins, spins)
    notes.count(this.#class, LockClass.parks, parks)
    this.#countTime(LockClass.wait, began)
  }

  #countTime(field: number, began: number): void {
    const nanoseconds = (now() - began) * 1e6
    this.#ready()?.count(this.#class, field + bucketOf(nanoseconds, SUB_BITS))
  }
}

const holdsOfTokens = new WeakMap<object, Hold>()

function kindOf(attachment: Attachment, at: number) {
  return objectAround(attachment, at)?.kind
}
