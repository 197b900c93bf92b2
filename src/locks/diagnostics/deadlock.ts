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
 *
 * A wait that has just got its lock may still stand in the ledger; then its thread is among the holders, and it is passed by.
 */

import { labelAround, objectAround, type Around } from '../../memory/around.ts'
import type { Attachment } from '../../memory/attachment.ts'
import { runningThreads } from '../../memory/check.ts'
import type { Holder } from '../../memory/kind.ts'
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
}

/** The circle that a wait of this thread closes; its entry stands in the ledger. The graph's lock is held. */
export function circleLocked(attachment: Attachment, entry: number): readonly Step[] | undefined {
  const circle = shortestBack(attachment, entry)
  if (circle === undefined) return undefined
  const running = runningThreads(attachment)
  return circle.every(({ tid }) => running.has(tid)) ? circle : undefined
}

interface Reached {
  readonly tid: number
  readonly entry: number
  readonly from: { readonly wait: Reached; readonly step: Step } | undefined
}

function shortestBack(attachment: Attachment, first: number): readonly Step[] | undefined {
  const queue: Reached[] = [{ tid: attachment.thread.tid, entry: first, from: undefined }]
  const seen = new Set([first])
  for (const wait of queue) {
    const around = objectAround(attachment, attachment.cpu.load(wait.entry + lock))
    if (around === undefined) continue
    const isReader = attachment.cpu.load(wait.entry + mode) === READING
    for (const holder of holdersOf(attachment, around, isReader)) {
      const step: Step = { tid: wait.tid, entry: wait.entry, around, holder: holder.tid }
      for (const next of waitsBehind(attachment, holder.tid, around.at, first)) {
        if (next === first) return stepsTo(wait, step)
        if (seen.has(next)) continue
        seen.add(next)
        queue.push({ tid: holder.tid, entry: next, from: { wait, step } })
      }
    }
  }
  return undefined
}

function stepsTo(last: Reached, step: Step): readonly Step[] {
  const steps = [step]
  for (let { from } = last; from !== undefined; from = from.wait.from) steps.unshift(from.step)
  return steps
}

/** The waits that keep somebody from giving a lock back. */
function waitsBehind(attachment: Attachment, tid: number, lockAt: number, first: number): readonly number[] {
  const { cpu } = attachment
  const asleep = [...entriesOf(attachment, tid, [BLOCKED])]
  if (asleep.length > 0) return asleep.filter((entry) => leadsOn(attachment, tid, entry, first))
  const sections = [...entriesOf(attachment, tid, [HELD_BY_TASK])].filter(
    (hold) => cpu.load(hold + lock) === lockAt,
  )
  if (sections.length === 0) return []
  return [...entriesOf(attachment, tid, [PENDING])].filter(
    (entry) =>
      cpu.load(entry + isEndless) === 1 && sections.some((hold) => isPartOf(attachment, entry, hold)),
  )
}

function leadsOn(attachment: Attachment, tid: number, entry: number, first: number): boolean {
  const { cpu } = attachment
  if (cpu.load(entry + isEndless) !== 1) return false
  return (
    entry === first || !hasGot(attachment, tid, cpu.load(entry + lock), cpu.load(entry + mode) === READING)
  )
}

function hasGot(attachment: Attachment, tid: number, lockAt: number, isReading: boolean): boolean {
  const around = objectAround(attachment, lockAt)
  if (around === undefined) return true
  return holdersOf(attachment, around).some(
    (holder) => holder.tid === tid && (holder.mode === 'read') === isReading,
  )
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
      `${nameOf(step.tid)} waits for ${labelAround(attachment, step.around)}, which ${nameOf(step.holder)} holds`,
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
