/**
 * The harness: runs the rows of one suite, in the process of that suite, and reports them.
 *
 *   row        name, unit
 *              contenders()  { floor, ours, ..., native }: in the order in which they run; other names are peers
 *              value         how a round's samples become its value: median if absent
 *              limit         ours is at most so much, in the row's unit
 *              repeat        rounds for each one that is asked for: 1 if absent
 *              goals         { NAME: { atMost } }   ours takes at most so many times what NAME takes
 *                            { NAME: { atLeast } }  NAME takes at least so many times what ours takes
 *                            NAME is a contender, or an earlier row, which stands for ours in it
 *   contender  { measure, end }, or a string that says why it does not run. measure() answers samples, nanoseconds an
 *              operation (or what another unit counts), of about a tenth of a second, or { samples, figures } with other
 *              figures by name; end() is called after the last round
 *
 * A round measures each contender once. Rounds are interleaved because the machine is never quite the same: what the
 * report compares was measured within the same second. A contender's figure is the median of its rounds' values.
 *
 * A ratio is one of those medians. The median of the rounds' own ratios stands beside it: where the two differ, the machine
 * changed between rounds.
 *
 * A round during which others used the machine is measured again, a few times; then the quietest ones count. Who decides
 * is the kernel's account of CPU time, never the result.
 */

import { describeMachine, listenToOthers } from './machine.mjs'
import { readOptions } from './options.mjs'
import { NOISY, printRow } from './report.mjs'
import { median, percentile } from './stats.mjs'

/** Rounds that count for nothing: they commit the memory, and V8 compiles the last loop anew in the third. */
const WARM_UP_ROUNDS = 3

/** So many rounds are measured at most for each one that counts. */
const MOST_TRIES = 3

/** What one of a unit is in the unit of samples: nanoseconds, or what they count. */
const UNITS = { ns: 1, us: 1e3, ms: 1e6, '%': 1, count: 1 }

export async function runSuite(suite, rows) {
  const { rounds, only } = readOptions()
  const results = []
  for (const row of rows.filter(({ name }) => name.includes(only))) {
    const result = { suite, ...(await runRow(row, rounds)) }
    result.goals = judge(row, result, results)
    results.push(result)
    printRow(result)
  }
  // To bench/run.mjs, if that started us.
  process.send?.(results)
  process.disconnect?.()
}

/** The line that every report begins with. */
export function heading() {
  return { node: process.version, machine: describeMachine(), date: new Date().toISOString() }
}

async function runRow(row, asked) {
  const rounds = asked * (row.repeat ?? 1)
  const contenders = await row.contenders()
  const names = Object.keys(contenders).filter((name) => typeof contenders[name] !== 'string')
  const measured = []
  try {
    for (let i = 0; i < WARM_UP_ROUNDS; i++) await runRound()
    for (let quiet = 0; quiet < rounds && measured.length < MOST_TRIES * rounds;) {
      const round = await runRound()
      measured.push(round)
      if (round.others <= NOISY) quiet++
    }
  } finally {
    for (const name of names) await contenders[name].end?.()
  }
  measured.sort((a, b) => a.others - b.others)
  return summary(row, contenders, measured.slice(0, rounds))

  async function runRound() {
    const othersSince = listenToOthers()
    const samples = {}
    const figures = {}
    for (const name of names) {
      const measured = await contenders[name].measure()
      samples[name] = measured.samples ?? measured
      figures[name] = measured.figures ?? {}
    }
    return { samples, figures, others: othersSince() }
  }
}

/** The result in the shape that `--json` writes, with what else the report says. */
function summary({ name, unit, value = median }, contenders, measured) {
  const scale = UNITS[unit]
  const details = {}
  for (const contender of Object.keys(measured[0].samples)) {
    const all = measured.flatMap(({ samples }) => samples[contender])
    const values = measured.map(({ samples }) => value(samples[contender]) / scale)
    details[contender] = {
      median: median(values),
      p50: percentile(all, 0.5) / scale,
      p99: percentile(all, 0.99) / scale,
      values,
      ...mediansOf(measured.map(({ figures }) => figures[contender])),
    }
  }
  const figure = (contender) => details[contender]?.median ?? null
  const peers = Object.keys(contenders).filter((each) => !['floor', 'ours', 'native'].includes(each))
  return {
    name,
    unit,
    ours: figure('ours'),
    floor: figure('floor'),
    native: figure('native'),
    peers: Object.fromEntries(peers.filter((each) => each in details).map((each) => [each, figure(each)])),
    p50: details.ours?.p50 ?? null,
    p99: details.ours?.p99 ?? null,
    others: Math.max(...measured.map(({ others }) => others)),
    ...details.ours?.figures,
    details: Object.fromEntries(
      Object.keys(contenders).map((each) => [each, details[each] ?? { missing: contenders[each] }]),
    ),
  }
}

/** Of each other figure: the median of the rounds'. Nothing if there are none. */
function mediansOf(rounds) {
  const names = Object.keys(rounds[0])
  if (names.length === 0) return {}
  return {
    figures: Object.fromEntries(names.map((name) => [name, median(rounds.map((each) => each[name]))])),
  }
}

function judge({ goals = {}, limit, limits = {}, unit }, { ours, details }, earlier) {
  const own = limit === undefined || ours === null ? [] : [{ versus: 'ours', limit, unit, ok: ours <= limit }]
  const figures = Object.entries(details.ours?.figures ?? {})
  for (const [figure, value] of figures.filter(([name]) => name in limits)) {
    own.push({ versus: 'ours', figure, limit: limits[figure], unit: '', ok: value <= limits[figure] })
  }
  const others = Object.entries(goals).map(([versus, { atMost, atLeast }]) => {
    const theirs = details[versus]?.median ?? earlier.find(({ name }) => name === versus)?.ours
    if (theirs === undefined || ours === null) return { versus, atMost, atLeast, ratio: null, ok: null }
    const ratioOf = (our, their) => (atMost === undefined ? their / our : our / their)
    const ratio = ratioOf(ours, theirs)
    const ok = atMost === undefined ? ratio >= atLeast : ratio <= atMost
    const rounds = details[versus]?.values.map((their, i) => ratioOf(details.ours.values[i], their))
    return { versus, atMost, atLeast, ratio, inRound: rounds && median(rounds), ok }
  })
  return [...own, ...others]
}
