/** The report of an exchange: what was found, the table, and how its figures came about. */

import Table from 'cli-table3'
import { machine } from '../../host/process.ts'
import type { Transport } from '../../../workers/exchange/duty.ts'
import type { Result } from '../../../workers/exchange/tally.ts'
import { showBytes } from '../../words/usage.ts'
import type { Contest, Outcome } from './contest.ts'
import { windowFor, type Round } from './competitor.ts'
import { processLines } from './process-report.ts'
import { TITLES } from './transports.ts'

/** The figures of one round, or the medians of several. */
export interface Figures {
  readonly megabytesPerSecond: number
  readonly messagesPerSecond: number
  readonly recordsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly copiedBytes: number
  readonly cpuMs: number
}

const WIDTH = 110

const HEADINGS = [
  'transport', 'MB/s', 'messages/s', 'records/s', 'p50 latency', 'p99 latency', 'bytes copied', 'CPU time',
] // prettier-ignore

/** For an outcome without mismatches. */
export function renderReport(contest: Contest, outcome: Outcome): string {
  const { input, blockBytes, consumers } = contest
  const { node, system, cores } = machine()
  return [
    `${input.title}: ${(input.lengthBytes / 1e6).toFixed(1)} MB`,
    `Node ${node}, ${system}, ${cores} cores; 1 producer, ${plural(consumers, 'consumer')}, blocks of ${showBytes(blockBytes)}`,
    '',
    describeResult(outcome.reference, input.kind),
    verdict(contest),
    '',
    tableOf(contest, outcome),
    ...legend(contest),
    ...processLines(outcome.processes, outcome.rounds.get('process') ?? []),
  ].join('\n')
}

export function renderJson(contest: Contest, outcome: Outcome): string {
  const { input, blockBytes, consumers } = contest
  const { reference, mismatches } = outcome
  const transports = contest.transports.transports.map((transport) => {
    const rounds = (outcome.rounds.get(transport) ?? []).map((round) => figuresOf(round, input.lengthBytes))
    return { name: transport, median: medians(rounds), rounds }
  })
  const report = {
    input: { files: input.files, bytes: input.lengthBytes, kind: input.kind },
    machine: machine(),
    date: new Date().toISOString(),
    consumers,
    blockBytes,
    window: windowFor(blockBytes),
    rounds: contest.rounds,
    // A sum may be beyond what JSON's numbers hold.
    result: { ...reference, sum: String(reference.sum) },
    isCorrect: mismatches.length === 0,
    mismatches,
    transports,
    notInstalled: contest.transports.missing,
    processes: outcome.processes,
  }
  return `${JSON.stringify(report, null, 2)}\n`
}

function figuresOf(round: Round, lengthBytes: number): Figures {
  return {
    megabytesPerSecond: lengthBytes / 1e6 / round.seconds,
    messagesPerSecond: round.messages / round.seconds,
    recordsPerSecond: round.result.records / round.seconds,
    p50Ms: percentile(round.latenciesMs, 0.5),
    p99Ms: percentile(round.latenciesMs, 0.99),
    copiedBytes: round.copiedBytes,
    cpuMs: round.cpuMs,
  }
}

/** Of ascending values: the least one that so many of them are not above. */
export function percentile(ascending: ArrayLike<number>, share: number): number {
  return ascending[Math.max(0, Math.ceil(ascending.length * share) - 1)]
}

function medians(rounds: readonly Figures[]): Figures {
  const median = (name: keyof Figures) =>
    percentile(
      rounds.map((round) => round[name]).sort((a, b) => a - b),
      0.5,
    )
  return {
    megabytesPerSecond: median('megabytesPerSecond'),
    messagesPerSecond: median('messagesPerSecond'),
    recordsPerSecond: median('recordsPerSecond'),
    p50Ms: median('p50Ms'),
    p99Ms: median('p99Ms'),
    copiedBytes: median('copiedBytes'),
    cpuMs: median('cpuMs'),
  }
}

function describeResult({ records, counts, sum, longest, checksum }: Result, kind: string): string {
  const isWordnet = kind === 'wordnet'
  const named = Object.entries(counts).filter(([name, count]) => count > 0 && !name.startsWith('file: '))
  const group = (prefix: string) =>
    named
      .filter(([name]) => name.startsWith(prefix))
      .sort(([, a], [, b]) => b - a)
      .map(([name, count]) => `${name.slice(prefix.length)} ${whole(count)}`)
      .join(', ')
  const single = named
    .filter(([name]) => !name.includes(': '))
    .map(([name, count]) => `${name} ${whole(count)}`)
  const lines = [
    [`records ${whole(records)}`, ...single].join(', '),
    `sum of the ${isWordnet ? "pointers' offsets" : 'numbers'} ${sum}`,
    `longest ${isWordnet ? 'gloss' : 'line'} ${whole(longest)} bytes`,
    `checksum ${checksum.toString(16).padStart(8, '0')}`,
  ]
  const found = [lines[0], lines.slice(1).join(', ')]
  if (isWordnet) found.push(`synsets: ${group('synsets: ')}`, `pointers: ${group('pointers: ')}`)
  return found.map((line) => indent(line)).join('\n')
}

function verdict({ transports, rounds }: Contest): string {
  const names = plural(transports.transports.length, 'transport')
  return `The same in ${names}, ${plural(rounds, 'round')} and a warm-up each, as one thread finds that reads the input alone.`
}

function tableOf({ input, transports }: Contest, { rounds }: Outcome): string {
  const table = new Table({
    head: HEADINGS,
    colAligns: HEADINGS.map((_, column) => (column === 0 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  })
  for (const transport of transports.transports) {
    const figures = (rounds.get(transport) ?? []).map((round) => figuresOf(round, input.lengthBytes))
    table.push(rowOf(transport, medians(figures)))
  }
  for (const transport of transports.missing) table.push([TITLES[transport], 'not installed'])
  return table.toString()
}

function rowOf(transport: Transport, figures: Figures): string[] {
  return [
    TITLES[transport],
    figures.megabytesPerSecond.toFixed(0),
    whole(figures.messagesPerSecond),
    whole(figures.recordsPerSecond),
    milliseconds(figures.p50Ms),
    milliseconds(figures.p99Ms),
    whole(figures.copiedBytes),
    `${figures.cpuMs.toFixed(0)} ms`,
  ]
}

function legend({ blockBytes, rounds }: Contest): string[] {
  const window = windowFor(blockBytes)
  return [
    `Medians of ${plural(rounds, 'round')}, interleaved, after a warm-up. The same blocks, parser and checksum in each transport, and at`,
    `most ${window} blocks with one consumer; transferred buffers come back to be used again. Latency: from the block read to`,
    "the consumer having it in hand, its wait in the queue included. Bytes copied: by pageframe's own counters; for",
    'clone, each message twice: structured cloning copies its buffer in and out; one that leaves much of that empty is cut',
    'out first, and so copied three times. CPU time: all threads together. Processes: the same channels, but in a machine,',
    'each process with an address space of its own; the records lie in windows on it.',
  ]
}

/** Broken behind commas, so that it fits. */
function indent(text: string): string {
  const lines = ['']
  for (const part of text.split(/(?<=, )/)) {
    if (`  ${lines[lines.length - 1]}${part}`.trimEnd().length > WIDTH) lines.push('  ')
    lines[lines.length - 1] += part
  }
  return lines.map((line) => `  ${line.trimEnd()}`).join('\n')
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

function milliseconds(value: number): string {
  return value < 1 ? `${(value * 1000).toFixed(0)} us` : `${value.toFixed(2)} ms`
}
