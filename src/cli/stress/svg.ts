/**
 * The picture of a load test: for each primitive its throughput by workers, and how long they waited. One file that needs
 * nothing else, light or dark as its reader has it.
 */

import { machine } from '../../host/process.ts'
import { middleOf, quantile, totalOf } from '../../words/histogram.ts'
import { SUB_BITS } from '../../../workers/stress/board.ts'
import { entryOf } from './catalogue.ts'
import { chart, counts, decades, escaped, linear, nines, text, type Series } from './chart.ts'
import { fairness, perSecond, type Options, type Result } from './load.ts'
import { circumstances, titleOf, waitsOf } from './report.ts'
import { plural, rate, short, time } from './units.ts'

const WIDTH = 960
const MARGIN = 24
const HEAD = 76
const ROW = 316
const CHART_TOP = 50
const CHART_HEIGHT = 246
const GAP = 24

const STYLE = `
  text { font-family: system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; font-size: 12px }
  .title { font-size: 20px; font-weight: 600 } .name { font-size: 16px; font-weight: 600 } .head { font-weight: 600 }
  .paper { fill: #ffffff } .ink { fill: #1f2328 } .dim { fill: #59636e } .bad { fill: #b42318 }
  .grid { stroke: #e3e7eb; fill: none } .axis { stroke: #818b98; fill: none } .rule { stroke: #d1d9e0; fill: none }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round } .s0 { stroke: #0b62c4 } .s1 { stroke: #b8500b }
  .dot { stroke-width: 2; fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 } .ink { fill: #f0f3f6 } .dim { fill: #9ea7b3 } .bad { fill: #ff8a80 }
    .grid { stroke: #232a33 } .axis { stroke: #6e7781 } .rule { stroke: #30363d }
    .s0 { stroke: #6cb6ff } .s1 { stroke: #f0a35e } .dot { fill: #0d1117 }
  }`

export function renderSvg(options: Options, results: readonly Result[]): string {
  const { node, system, cores } = machine()
  const height = HEAD + results.length * ROW + MARGIN
  const under = `Node ${node}, ${system}, ${plural(cores, 'core')}, ${new Date().toISOString().slice(0, 10)}; ${circumstances(options)}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>pageframe stress: ${escaped(results.map(({ outcome }) => titleOf(outcome)).join(', '))}</title>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="paper" width="${WIDTH}" height="${height}"/>`,
    text(MARGIN, 36, 'pageframe stress', 'ink title'),
    text(MARGIN, 58, under, 'dim'),
    ...results.map((result, index) => row(result, HEAD + index * ROW)),
    '</svg>',
    '',
  ].join('\n')
}

function row(result: Result, top: number): string {
  const { outcome } = result
  const { unit } = entryOf(outcome.load.primitive)
  const width = (WIDTH - 2 * MARGIN - GAP) / 2
  const box = { y: top + CHART_TOP, width, height: CHART_HEIGHT }
  const isSound = outcome.violationCount === 0
  return [
    `<path class="rule" d="M${MARGIN} ${top + 6}H${WIDTH - MARGIN}"/>`,
    text(MARGIN, top + 32, titleOf(outcome), 'ink name'),
    text(
      WIDTH - MARGIN,
      top + 32,
      isSound ? summary(result) : plural(outcome.violationCount, 'violation'),
      isSound ? 'dim' : 'bad head',
      'end',
    ),
    throughput(result, { ...box, x: MARGIN }, unit),
    latencies(result, { ...box, x: MARGIN + width + GAP }),
  ].join('\n')
}

function summary({ outcome }: Result): string {
  const [{ buckets }] = waitsOf(outcome)
  const at = (part: number) => time(quantile(buckets, part, SUB_BITS))
  const fair = fairness(outcome)
  return [
    `${rate(perSecond(outcome))} ${entryOf(outcome.load.primitive).unit}/s by ${plural(outcome.load.workers, 'worker')}`,
    ...(totalOf(buckets) === 0 ? [] : [`p50 ${at(0.5)}`, `p99 ${at(0.99)}`, `p99.99 ${at(0.9999)}`]),
    fair === Infinity ? 'a worker starved' : `fairness ${fair.toFixed(2)}`,
  ].join('  ·  ')
}

function throughput({ outcome, sweep }: Result, box: Parameters<typeof chart>[0], unit: string): string {
  const runs = sweep.length === 0 ? [outcome] : sweep
  const points = runs.map((run) => [run.load.workers, perSecond(run)] as const)
  const most = Math.max(...points.map(([, value]) => value))
  const x = counts('workers', [...new Set(points.map(([workers]) => workers))])
  const y = linear(`${unit} per second`, most, (value) => (value === 0 ? '0' : short(rate(value))))
  return chart(box, 'Throughput', x, y, [{ label: undefined, points, hasDots: true }])
}

function latencies({ outcome }: Result, box: Parameters<typeof chart>[0]): string {
  const waits = waitsOf(outcome).filter(({ buckets }) => totalOf(buckets) > 0)
  const curves = waits.map(({ title, buckets }): Series => {
    return { label: waits.length > 1 ? title : undefined, points: curve(buckets), hasDots: false }
  })
  if (curves.length === 0) {
    return text(box.x + box.width / 2, box.y + box.height / 2, 'nothing was timed', 'dim', 'middle')
  }
  const all = curves.flatMap(({ points }) => points.map(([, ns]) => ns))
  const y = decades('waited', Math.min(...all, 1e9), Math.max(...all, 1), (ns) => short(time(ns)))
  return chart(box, 'Latency: so many waited no longer', nines('share of operations'), y, curves)
}

/** What share of all waited no longer than that: a point for each bucket that has something, the last one at its right end. */
function curve(buckets: Uint32Array): (readonly [number, number])[] {
  const total = totalOf(buckets)
  const points: (readonly [number, number])[] = []
  let below = 0
  for (const [bucket, count] of buckets.entries()) {
    if (count === 0) continue
    const ns = Math.max(1, middleOf(bucket, SUB_BITS))
    points.push([below / total, ns])
    below += count
  }
  const last = points.at(-1)
  if (last !== undefined) points.push([1 - 1 / (2 * total), last[1]])
  return points
}
