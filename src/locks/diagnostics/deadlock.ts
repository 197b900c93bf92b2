/**
 * Deadlocks: does a wait lead back to itself?
 *
 *   this wait ──► its lock ──► who holds it ──► what they wait for ──► ... ──► this wait: it would never end
 *
 * Who holds a lock is what the lock's own words say; what a thread waits for is what it has published in the ledger before
 * it went to sleep. Of the waits that close a circle one is published last, and finds all the others: that one gets EDEADLK.
 *
 *   a thread that sleeps             all that it holds, its tasks included, stays held: its one wait leads on
 *   a task's section that waits      the section's lock stays held: each wait of the section, or of what it started, leads
 *                                    on. (What it started and does not await counts too: it cannot be told apart)
 *   waits with a time-out or signal  end by themselves: they lead nowhere
 *   a reader behind a writer         does not come in while one waits who goes first: that wait leads on
 *
 * A wait that has just got its lock may still stand in the ledger; then its thread is among the holders, and it is passed by.
 * Who tries a read-write lock looks so for a moment, too: so whoever is about to sleep looks again a little later.
 */

import { labelAround, objectAround, type Around } from '../../memory/around.ts'
import type { Attachment } from '../../memory/attachment.ts'
import { runningThreads } from '../../memory/check.ts'
import type { Holder } from '../../memory/kind.ts'
import { RwLockObject, writersGoFirst } from '../rwlock-kind.ts'
import {
  BLOCKED,
  entriesOf,
  HELD_BY_TASK,
  holdEntryOf,
  isPartOf,
  LedgerEntry,
  PENDING,
  READING,
  stackOf,
} from './ledger.ts'

const { lock, isEndless, mode } = LedgerEntry

/** A wait, and who holds what it is for. The last one's holder is the first one's thread. */
export interface Step {
  readonly tid: number
  /** In the ledger. */
  readonly entry: number
  readonly around: Around
  readonly holder: number
  /** The holder does not hold it: it waits to write, and goes before readers. */
  readonly isBehind: boolean
}

export interface Search {
  /** The circle that the wait closes. */
  readonly circle: readonly Step[] | undefined
  /** Somebody was seen who has just got what he waits for, or, for a moment, looked so: look again. */
  readonly isUndecided: boolean
}

/** Looks whether a wait of this thread closes a circle; its entry stands in the ledger. The graph's lock is held. */
export function searchLocked(attachment: Attachment, entry: number): Search {
  const walk = new Walk(attachment, entry)
  const circle = walk.run()
  const running = circle === undefined ? undefined : runningThreads(attachment)
  const isAlive = circle?.every(({ tid }) => running?.has(tid) === true) === true
  return { circle: isAlive ? circle : undefined, isUndecided: walk.isUndecided }
}

interface Reached {
  readonly tid: number
  readonly entry: number
  readonly from: { readonly wait: Reached; readonly step: Step } | undefined
}

/** Breadth first, from a wait to itself. */
class Walk {
  isUndecided = false
  readonly #attachment: Attachment
  readonly #first: number
  readonly #queue: Reached[]
  readonly #seen: Set<number>

  constructor(attachment: Attachment, first: number) {
    this.#attachment = attachment
    this.#first = first
    this.#queue = [{ tid: attachment.thread.tid, entry: first, from: undefined }]
    this.#seen = new Set([first])
  }

  run(): readonly Step[] | undefined {
    for (const wait of this.#queue) {
      const circle = this.#from(wait)
      if (circle !== undefined) return circle
    }
    return undefined
  }

  #from(wait: Reached): readonly Step[] | undefined {
    const { tid, entry } = wait
    const around = objectAround(this.#attachment, this.#word(entry + lock))
    if (around === undefined) return undefined
    const isReader = this.#word(entry + mode) === READING
    for (const { tid: holder } of holdersOf(this.#attachment, around, isReader)) {
      const step: Step = { tid, entry, around, holder, isBehind: false }
      for (const next of this.#waitsBehind(holder, around.at))
        if (this.#reaches(wait, step, next)) return stepsTo(wait, step)
    }
    if (!isReader || !isRwLock(around) || !writersGoFirst(this.#attachment, around.at)) return undefined
    for (const { holder, next } of this.#writersWaiting(around.at)) {
      const step: Step = { tid, entry, around, holder, isBehind: true }
      if (this.#reaches(wait, step, next)) return stepsTo(wait, step)
    }
    return undefined
  }

  /** True if it is the first one again. */
  #reaches(wait: Reached, step: Step, next: number): boolean {
    if (next === this.#first) return true
    if (!this.#seen.has(next)) {
      this.#seen.add(next)
      this.#queue.push({ tid: step.holder, entry: next, from: { wait, step } })
    }
    return false
  }

  /** The waits that keep a thread from giving a lock back. */
  #waitsBehind(tid: number, lockAt: number): readonly number[] {
    const attachment = this.#attachment
    const asleep = [...entriesOf(attachment, tid, [BLOCKED])]
    if (asleep.length > 0) return asleep.filter((entry) => this.#leadsOn(tid, entry))
    const sections = [...entriesOf(attachment, tid, [HELD_BY_TASK])].filter(
      (hold) => this.#word(hold + lock) === lockAt,
    )
    if (sections.length === 0) return []
    return [...entriesOf(attachment, tid, [PENDING])].filter(
      (entry) =>
        this.#word(entry + isEndless) === 1 && sections.some((hold) => isPartOf(attachment, entry, hold)),
    )
  }

  *#writersWaiting(lockAt: number): Generator<{ readonly holder: number; readonly next: number }> {
    for (const holder of runningThreads(this.#attachment)) {
      for (const next of entriesOf(this.#attachment, holder, [BLOCKED, PENDING])) {
        if (this.#word(next + lock) !== lockAt || this.#word(next + mode) === READING) continue
        if (this.#leadsOn(holder, next)) yield { holder, next }
      }
    }
  }

  #leadsOn(tid: number, entry: number): boolean {
    if (this.#word(entry + isEndless) !== 1) return false
    if (entry === this.#first) return true
    if (!hasGot(this.#attachment, tid, this.#word(entry + lock), this.#word(entry + mode) === READING))
      return true
    this.isUndecided = true
    return false
  }

  #word(at: number): number {
    return this.#attachment.cpu.load(at)
  }
}

function stepsTo(last: Reached, step: Step): readonly Step[] {
  const steps = [step]
  for (let { from } = last; from !== undefined; from = from.wait.from) steps.unshift(from.step)
  return steps
}

/** Whether a thread has what it says that it waits for. A writer whose id stands there while others read is only trying. */
function hasGot(attachment: Attachment, tid: number, lockAt: number, isReading: boolean): boolean {
  const around = objectAround(attachment, lockAt)
  if (around === undefined) return true
  const holders = holdersOf(attachment, around)
  if (!isReading && holders.some((holder) => holder.mode === 'read')) return false
  return holders.some((holder) => holder.tid === tid && (holder.mode === 'read') === isReading)
}

function isRwLock({ kind }: Around): boolean {
  return kind.layout.signature === RwLockObject.signature
}

function holdersOf(attachment: Attachment, { kind, at }: Around, forReader = false): readonly Holder[] {
  return kind.holders?.(attachment, at, forReader) ?? []
}

// ── for people ────────────────────────────────────────────────────────────────────────────────────────────────────

/** What an EDEADLK says after the lock's label; the graph's lock is held. `who` is this thread, as others call it. */
export function describeCircle(attachment: Attachment, circle: readonly Step[], self: string): string {
  const { tid } = attachment.thread
  const nameOf = (id: number) => (id === tid ? self : attachment.threadName(id))
  const waits = circle.map(
    (step) =>
      `${nameOf(step.tid)} waits for ${labelAround(attachment, step.around)}, which ${nameOf(step.holder)} ${step.isBehind ? 'waits to write, before readers' : 'holds'}`,
  )
  const places = circle.flatMap((step) => {
    const hold = holdEntryOf(attachment, step.holder, step.around.at)
    const what = labelAround(attachment, step.around)
    return [
      ...placed(`${what} was taken by ${nameOf(step.holder)}`, stackOf(attachment, hold)),
      ...placed(`${nameOf(step.tid)} waits for ${what}`, stackOf(attachment, step.entry)),
    ]
  })
  return [
    `to wait for it would never end: ${waits.join('; ')}.`,
    ...places,
    '  Take these locks in the same order everywhere, or wait with { timeoutMs } and give back what you hold.',
  ].join('\n')
}

/** What happened and where, in lines. */
export function placed(what: string, stack: readonly string[]): string[] {
  if (stack.length === 0) return []
  return [`  ${what} at`, ...stack.map((line) => `    ${line}`)]
}
