/** The report of a load test: a table, what was verified, what the dead left, and every figure as JSON. */

import Table from 'cli-table3'
import { machine } from '../../host/process.ts'
import { lowestOf, middleOf, quantile, totalOf } from '../../words/histogram.ts'
import { SUB_BITS } from '../../../workers/stress/board.ts'
import { entryOf } from './catalogue.ts'
import type { Entry } from './entry.ts'
import { fairness, perSecond, type Kills, type Options, type Outcome, type Result } from './load.ts'
import { plural, rate, share, time, whole } from './units.ts'

const HEADINGS = [
  'primitive', 'workers', 'per second', 'p50', 'p99', 'p99.9', 'p99.99', 'max', 'fairness', 'spins', 'parks',
] // prettier-ignore

export function titleOf({ load }: Outcome): string {
  return load.lock === undefined || load.primitive !== 'own' ? load.primitive : load.lock.className
}

export function renderReport(options: Options, results: readonly Result[], wasInterrupted: boolean): string {
  const { node, system, cores } = machine()
  return [
    `Node ${node}, ${system}, ${plural(cores, 'core')}; ${circumstances(options)}`,
    '',
    tableOf(results),
    ...legend(results),
    '',
    ...results.flatMap((result) => linesOf(result)),
    ...(wasInterrupted
      ? ['', 'Interrupted: the last run is shorter than it should have been, and others may be missing.']
      : []),
  ].join('\n')
}

export function circumstances({ seconds, holdNs, thinkNs, killEveryMs }: Options): string {
  const kills = killEveryMs === undefined ? '' : `, a worker killed every ${time(killEveryMs * 1e6)}`
  const work =
    holdNs === 0 && thinkNs === 0
      ? 'nothing to do but lock'
      : `${time(holdNs)} of work inside, ${time(thinkNs)} outside`
  return `${seconds} s each, ${work}${kills}`
}

function tableOf(results: readonly Result[]): string {
  const table = new Table({
    head: HEADINGS,
    colAligns: HEADINGS.map((_, column) => (column === 0 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  })
  for (const { outcome } of results) for (const row of rowsOf(outcome)) table.push(row)
  return table.toString()
}

function rowsOf(outcome: Outcome): string[][] {
  const { load, operations, spins, parks } = outcome
  const [first, ...others] = waitsOf(outcome)
  const each = operations === 0 ? 1 : operations
  const row = [
    titleOf(outcome),
    String(load.workers),
    rate(perSecond(outcome)),
    ...latencies(first.buckets),
    ratio(fairness(outcome)),
    share(spins / each),
    share(parks / each),
  ]
  if (others.length > 0) row[0] += `, ${first.title}`
  return [
    row,
    ...others.map((other) => [`  ${other.title}`, '', '', ...latencies(other.buckets), '', '', '']),
  ]
}

/** Primitives that are waited for in two ways, each with figures of its own. */
const TWO_KINDS = new Set<string>(['rwlock'])

/** How long operations of one kind waited. */
interface Waits {
  readonly title: string
  readonly buckets: Uint32Array
}

/** Waits of one kind, or of two that differ. */
export function waitsOf(outcome: Outcome): readonly [Waits, ...Waits[]] {
  const [first, second] = outcome.waits
  if (!TWO_KINDS.has(outcome.load.primitive)) return [{ title: 'waits', buckets: first }]
  return [
    { title: 'read', buckets: first },
    { title: 'write', buckets: second },
  ]
}

function latencies(buckets: Uint32Array): string[] {
  if (totalOf(buckets) === 0) return ['', '', '', '', '']
  return [
    ...[0.5, 0.99, 0.999, 0.9999].map((part) => time(quantile(buckets, part, SUB_BITS))),
    time(largestOf(buckets)),
  ]
}

/** The largest value that was counted, or the middle of its bucket. */
function largestOf(buckets: Uint32Array): number {
  const last = buckets.findLastIndex((count) => count > 0)
  return last < 0 ? 0 : middleOf(last, SUB_BITS)
}

function ratio(value: number): string {
  return value === Infinity ? 'starved' : value.toFixed(2)
}

function legend(results: readonly Result[]): string[] {
  const every = Math.max(...results.map(({ outcome }) => outcome.load.timedEvery))
  return [
    `p50 to max: how long a worker waited${every === 1 ? '' : `; one operation in ${every} is timed`}. Spins, parks: waits that spun, and sleeps, for each`,
    'operation. Fairness: what the luckiest worker got done, over what the unluckiest did.',
  ]
}

function linesOf({ outcome, sweep, whyNoKills }: Result): string[] {
  const title = titleOf(outcome)
  const lines: string[] = []
  if (outcome.violationCount === 0)
    lines.push(`${title}: ${outcome.verified === '' ? 'not verified' : outcome.verified}`)
  else lines.push(`${title}: ${plural(outcome.violationCount, 'violation').toUpperCase()}`)
  for (const what of outcome.violations) lines.push(`  ${what}`)
  const { kills } = outcome
  if (kills !== undefined) lines.push(`  ${describeKills(kills, entryOf(outcome.load.primitive).told)}`)
  if (whyNoKills !== undefined) lines.push(`  nobody was killed: ${whyNoKills}`)
  if (sweep.length > 1) lines.push(`  by workers: ${sweep.map(point).join(', ')}`)
  return lines
}

function point(outcome: Outcome): string {
  return `${outcome.load.workers}: ${rate(perSecond(outcome))}/s`
}

/** `told`: who is told of a death inside. Those inside, and who wrote, are counted as the audit counts them. */
export function describeKills(kills: Kills, told: Entry['told']): string {
  const { count, holding, leaving, writing, waiting, elsewhere, permits, redelivered } = kills
  const inside = `${whole(holding - leaving)} inside, ${whole(waiting)} waiting, ${whole(elsewhere)} elsewhere`
  const out = leaving === 0 ? '' : `, ${whole(leaving)} on the way out`
  const parts = [`${plural(count, 'death')}: ${inside}${out}`]
  if (told === 'writer') parts.push(`${whole(writing)} of those inside wrote`)
  if (told !== undefined) parts.push(describeNotices(kills, told))
  if (permits > 0) parts.push(`${plural(permits, 'permit')} went with them and were given back`)
  if (redelivered > 0) parts.push(`${plural(redelivered, 'message')} delivered again, marked so`)
  return parts.join('; ')
}

function describeNotices({ notices, untold, repairs, worstRecoveryMs }: Kills, told: string): string {
  const within = worstRecoveryMs === 0 ? '' : `, at most ${time(worstRecoveryMs * 1e6)} after the kill`
  const torn = repairs === 0 ? '' : `, and found something half done ${plural(repairs, 'time')}`
  const nobody = untold === 0 ? '' : `; nobody came in after the last who died inside`
  return `the next ${told} was told ${plural(notices, 'time')}${within}${torn}${nobody}`
}

// ── JSON ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export function renderJson(options: Options, results: readonly Result[], wasInterrupted: boolean): string {
  const report = {
    machine: machine(),
    date: new Date().toISOString(),
    options: { ...options, lock: options.lock?.path },
    wasInterrupted,
    isCorrect: results.every(({ outcome }) => outcome.violationCount === 0),
    primitives: results.map((result) => ({
      ...figuresOf(result.outcome),
      whyNoKills: result.whyNoKills,
      sweep: result.sweep.map(figuresOf),
    })),
  }
  return `${JSON.stringify(report, null, 2)}\n`
}

function figuresOf(outcome: Outcome) {
  const { load, seconds, operations, writes, perWorker, spins, parks, wakes, emptyRings } = outcome
  const each = operations === 0 ? 1 : operations
  const fair = fairness(outcome)
  return {
    name: titleOf(outcome),
    primitive: load.primitive,
    unit: entryOf(load.primitive).unit,
    workers: load.workers,
    seconds,
    operations,
    writes,
    perSecond: perSecond(outcome),
    perWorker,
    // Infinity is none of JSON's numbers.
    fairness: fair === Infinity ? null : fair,
    timedEvery: load.timedEvery,
    waits: waitsOf(outcome).map(({ title, buckets }) => ({ title, ...distribution(buckets) })),
    spinsPerOperation: spins / each,
    parksPerOperation: parks / each,
    wakesPerOperation: wakes / each,
    emptyRings,
    cpuMs: outcome.cpuMs,
    kills: outcome.kills,
    verified: outcome.verified,
    violationCount: outcome.violationCount,
    violations: outcome.violations,
    wasInterrupted: outcome.wasInterrupted,
  }
}

function distribution(buckets: Uint32Array) {
  const ns = (part: number) => quantile(buckets, part, SUB_BITS)
  return {
    timed: totalOf(buckets),
    p50Ns: ns(0.5),
    p90Ns: ns(0.9),
    p99Ns: ns(0.99),
    p999Ns: ns(0.999),
    p9999Ns: ns(0.9999),
    maxNs: largestOf(buckets),
    /** From so many ns on (up to the next entry's), so often. */
    histogram: [...buckets.entries()]
      .filter(([, count]) => count > 0)
      .map(([bucket, count]) => [lowestOf(bucket, SUB_BITS), count]),
  }
}
