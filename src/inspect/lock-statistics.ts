/**
 * lockStatistics(): how often the locks of a watched memory were taken, waited for and held, and for how long.
 *
 *   Mutex 'jobs'    1,204,332 taken, 3.1 % of them waited for: p50 1.2 us, p99 48 us; held: p50 310 ns, p99 2 us
 *
 * A line is about all locks of one kind and name; those without a name go by the place where they were made. Counted since
 * the memory was made, by all its threads, those that have ended included. Counts are modulo 2^32.
 */

import '../locks/diagnostics/index.ts'
import { LockClass, SUB_BITS, type Notes } from '../locks/diagnostics/notes.ts'
import { findNotes } from '../locks/diagnostics/notes-region.ts'
import { showClass } from '../locks/diagnostics/order.ts'
import type { Attachment } from '../memory/attachment.ts'
import type { Handle } from '../memory/kind.ts'
import { STATISTICS } from '../memory/lock-switch.ts'
import { bucketCount, lowestOf, quantile, totalOf } from '../words/histogram.ts'
import { assertWatched, attachmentFor } from './asked.ts'
import { withText, type Texted } from './text.ts'

/** How long something took, in nanoseconds, each off by an eighth at most; 0 if it never happened. */
export interface Durations {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly max: number
  /** How many took so long, from `from` on to the next bucket that there can be. Those of two locks add up by `from`. */
  readonly buckets: readonly { readonly from: number; readonly count: number }[]
}

export interface LockStatistics {
  readonly kind: string
  readonly name: string | undefined
  /** Where locks without a name were made: `work (lib/jobs.js:10:5)`, or '' if nobody saw it. */
  readonly madeAt: string | undefined
  /** `Mutex 'jobs'`. */
  readonly label: string
  /** How many there have been. */
  readonly made: number
  readonly acquisitions: number
  /** Acquisitions that had to wait. */
  readonly contended: number
  /** Waits that ended with ETIMEDOUT, and are no acquisitions. */
  readonly timeouts: number
  /** Of blocked waits: how often one spun, and how often it went to sleep. */
  readonly spins: number
  readonly parks: number
  /** Of those that had to wait. */
  readonly wait: Durations
  /** From the acquisition to the release. Nobody holds a semaphore. */
  readonly hold: Durations
}

/**
 * The locks that were used, those first that were waited for most. `memory` is a SharedMemory, the default one if absent.
 * As a text: a table. TypeError ERR_PAGEFRAME_NOT_WATCHED if nothing is counted there.
 */
export function lockStatistics(memory?: Handle): readonly LockStatistics[] & Texted {
  const attachment = attachmentFor('lockStatistics()', memory)
  assertWatched('lockStatistics()', attachment, STATISTICS)
  return withText(statisticsOf(attachment), textOf)
}

function statisticsOf(attachment: Attachment): LockStatistics[] {
  const notes = findNotes(attachment)
  if (notes === undefined) return []
  const all = Array.from({ length: notes.classCount }, (_, index) => classStatistics(notes, index))
  const used = all.filter(({ made, acquisitions, timeouts }) => made + acquisitions + timeouts > 0)
  return used.sort((a, b) => b.contended - a.contended || b.acquisitions - a.acquisitions)
}

function classStatistics(notes: Notes, index: number): LockStatistics {
  const { cpu } = notes.attachment
  const at = notes.classAt(index)
  const word = (field: number) => cpu.load(at + field) >>> 0
  const described = notes.describe(index)
  const { kind, name, isNamed } = described
  return {
    kind,
    name: isNamed ? name : undefined,
    madeAt: isNamed ? undefined : name,
    label: showClass(described),
    made: word(LockClass.made),
    acquisitions: word(LockClass.acquisitions),
    contended: word(LockClass.contended),
    timeouts: word(LockClass.timeouts),
    spins: word(LockClass.spins),
    parks: word(LockClass.parks),
    wait: durationsAt(notes, at + LockClass.wait),
    hold: durationsAt(notes, at + LockClass.hold),
  }
}

function durationsAt({ attachment: { cpu } }: Notes, at: number): Durations {
  const counts = Array.from({ length: bucketCount(SUB_BITS) }, (_, bucket) => cpu.load(at + bucket) >>> 0)
  const last = counts.findLastIndex((count) => count > 0)
  return {
    count: totalOf(counts),
    p50: quantile(counts, 0.5, SUB_BITS),
    p99: quantile(counts, 0.99, SUB_BITS),
    max: last < 0 ? 0 : lowestOf(last + 1, SUB_BITS) - 1,
    buckets: counts.flatMap((count, bucket) =>
      count === 0 ? [] : [{ from: lowestOf(bucket, SUB_BITS), count }],
    ),
  }
}

// ── text ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const COLUMNS = [
  ['lock', ({ label }) => label],
  ['made', ({ made }) => String(made)],
  ['taken', ({ acquisitions }) => String(acquisitions)],
  ['waited', (lock) => percent(lock.contended, lock.acquisitions)],
  ['late', ({ timeouts }) => String(timeouts)],
  ['spins', ({ spins }) => String(spins)],
  ['sleeps', ({ parks }) => String(parks)],
  ['wait p50', ({ wait }) => showNanoseconds(wait.count, wait.p50)],
  ['p99', ({ wait }) => showNanoseconds(wait.count, wait.p99)],
  ['max', ({ wait }) => showNanoseconds(wait.count, wait.max)],
  ['held p50', ({ hold }) => showNanoseconds(hold.count, hold.p50)],
  ['p99', ({ hold }) => showNanoseconds(hold.count, hold.p99)],
] as const satisfies readonly (readonly [string, (lock: LockStatistics) => string])[]

function textOf(locks: readonly LockStatistics[]): string {
  if (locks.length === 0) return 'no lock was used\n'
  const rows = [
    COLUMNS.map(([title]) => title),
    ...locks.map((lock) => COLUMNS.map(([, show]) => show(lock))),
  ]
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const padded = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])
  return rows.map((row) => `${row.map(padded).join('  ')}\n`).join('')
}

function percent(part: number, whole: number): string {
  if (part === 0) return '0 %'
  const value = (part / whole) * 100
  return `${value < 10 ? value.toPrecision(2) : Math.round(value)} %`
}

/** `310 ns`, `1.2 us`, `48 ms`; `-` for what never happened. */
function showNanoseconds(count: number, value: number): string {
  if (count === 0) return '-'
  for (const [unit, size] of [['s', 1e9], ['ms', 1e6], ['us', 1e3]] as const) {
    if (value >= size) return `${Number((value / size).toPrecision(3))} ${unit}`
  } // prettier-ignore
  return `${Math.round(value)} ns`
}
