/**
 * Litmus tests: the smallest programs whose outcome depends on the order in which threads see each other's stores, run by
 * real workers many times. (Names as in Alglave, Maranget and Tautschnig, "Herding cats", TOPLAS 2014.)
 *
 *   SB     x = 1; r0 = y   |  y = 1; r1 = x                        store buffering: both 0
 *   MP     x = 1; y = 1    |  r0 = y; r1 = x                       message passing: 1 and then 0
 *   LB     r0 = x; y = 1   |  r1 = y; x = 1                        load buffering: both 1
 *   IRIW   x = 1  |  y = 1  |  r0 = x; r1 = y  |  r2 = y; r3 = x   two readers that disagree: 1 0 1 0
 *   CoRR   x = 1           |  r0 = x; r1 = x                       one word that goes back: 1 and then 0
 *
 * What is named at the end no order of the steps gives: it may be seen of plain accesses, and never of sequentially
 * consistent ones. The outcomes that may be seen of those are what explore() finds.
 */

import { source } from 'virtual:worker/litmus'
import { bufferOf, isPlain, reserve } from '../host/buffer.ts'
import { atomicsCpu, compileCpu } from '../host/cpu.ts'
import { startEmbedded, type Worker } from '../host/workers.ts'
import { alignUp } from '../words/bits.ts'
import { WASM_PAGE_SIZE } from '../words/constants.ts'
import { assertOptions, integer, oneOf } from '../words/usage.ts'
import { outcomesOf } from './explore.ts'
import {
  BATCH,
  DONE,
  FIRST_ROUND,
  MEMORY_WORDS,
  RESULTS,
  ROUNDS,
  ROUND_WORDS,
  type LitmusStep,
  type LitmusWork,
} from './litmus-thread.ts'
import type { ModelThread } from './model.ts'

export type LitmusName = 'SB' | 'MP' | 'LB' | 'IRIW' | 'CoRR'

const [X, Y] = [0, 1]
const tests: Readonly<Record<LitmusName, readonly (readonly LitmusStep[])[]>> = {
  SB: [[['store', X], ['load', Y]], [['store', Y], ['load', X]]],
  MP: [[['store', X], ['store', Y]], [['load', Y], ['load', X]]],
  LB: [[['load', X], ['store', Y]], [['load', Y], ['store', X]]],
  IRIW: [[['store', X]], [['store', Y]], [['load', X], ['load', Y]], [['load', Y], ['load', X]]],
  CoRR: [[['store', X]], [['load', X], ['load', X]]],
} // prettier-ignore

const NAMES = Object.keys(tests) as LitmusName[]
const INSTRUCTIONS = ['wasm', 'Atomics', 'plain'] as const
const DEFAULT_ROUNDS = 100_000
const MOST_ROUNDS = 1e9
const LOOK_MS = 1

export interface LitmusOptions {
  /** How often, 100,000 if absent; rounded up to whole batches of 4096. */
  rounds?: number
  /** What is tested: pageframe's instructions, `Atomics`, or accesses without order. Default 'wasm'. */
  instructions?: (typeof INSTRUCTIONS)[number]
}

export interface LitmusReport {
  readonly name: LitmusName
  readonly rounds: number
  /** How often each outcome was seen: what the loads returned, in the order of the table above, such as '1 0'. */
  readonly seen: ReadonlyMap<string, number>
  /** Those that an order of the steps gives. */
  readonly allowed: readonly string[]
  /** Those that were seen and that none gives: empty for 'wasm' and 'Atomics'. */
  readonly forbidden: readonly string[]
}

/** Runs a litmus test on real workers, one for each thread of it. */
export async function litmus(name: LitmusName, options: LitmusOptions = {}): Promise<LitmusReport> {
  const threads = tests[oneOf('litmus()', 'name', name, NAMES)]
  assertOptions('litmus()', options)
  const rounds = integer('litmus()', 'rounds', options.rounds ?? DEFAULT_ROUNDS, 1, MOST_ROUNDS)
  const instructions = oneOf('litmus()', 'instructions', options.instructions ?? 'wasm', INSTRUCTIONS)
  const batches = Math.ceil(rounds / ROUNDS)
  const seen = new Map<string, number>()
  const run = start(threads, batches, instructions)
  try {
    for (let batch = 1; batch <= batches; batch++) {
      await run.through(batch)
      run.count(seen)
      run.open(batch)
    }
  } finally {
    await Promise.all(run.workers.map((worker) => worker.terminate()))
  }
  const allowed = allowedOutcomes(name)
  const forbidden = [...seen.keys()].filter((outcome) => !allowed.includes(outcome))
  return { name, rounds: batches * ROUNDS, seen, allowed, forbidden }
}

/** The outcomes that some order of the steps gives. */
function allowedOutcomes(name: LitmusName): readonly string[] {
  const threads = tests[name]
  let loads = 0
  const model = {
    name,
    words: 2,
    threads: threads.map((steps) => {
      const first = loads
      loads += steps.filter(([kind]) => kind === 'load').length
      return [
        (thread: ModelThread) => {
          let row = first
          for (const [kind, word] of steps) {
            if (kind === 'store') thread.cpu.store(word, 1)
            else noteLoad(thread, row++, thread.cpu.load(word))
          }
        },
      ]
    }),
  }
  return outcomesOf(model, ({ ghost }) => Array.from({ length: loads }, (_, i) => ghost[i]).join(' '))
}

function noteLoad(thread: ModelThread, row: number, value: number): void {
  thread.ghost((ghost) => (ghost[row] = value))
}

interface Running {
  readonly workers: readonly Worker[]
  /** Waits until all threads are through a batch: 1, 2 ... */
  through(batch: number): Promise<void>
  /** Counts the outcomes of that batch, and prepares the words for the next one. */
  count(into: Map<string, number>): void
  /** Lets the threads begin the next one. */
  open(batch: number): void
}

function start(
  threads: readonly (readonly LitmusStep[])[],
  batches: number,
  instructions: (typeof INSTRUCTIONS)[number],
): Running {
  const isWasm = instructions === 'wasm'
  const wasm = isWasm ? reserve(alignUp(4 * MEMORY_WORDS, WASM_PAGE_SIZE)) : undefined
  const memory = wasm ?? new SharedArrayBuffer(4 * MEMORY_WORDS)
  const module = wasm === undefined || isPlain(wasm) ? undefined : compileCpu()
  const cpu = atomicsCpu(bufferOf(memory))
  let loads = 0
  let failure: Error | undefined
  const workers = threads.map((steps, thread) => {
    const results = steps.flatMap(([kind]) => (kind === 'load' ? [loads++] : []))
    const work: LitmusWork = { thread, steps, threads: threads.length, batches, results }
    const data = { ...work, memory, module, isPlain: instructions === 'plain' }
    const worker = startEmbedded(source, `litmus ${thread}`, data, [])
    worker.on('error', (error: Error) => (failure = error))
    return worker
  })
  return {
    workers,
    through: async (batch) => {
      while (cpu.load(DONE) < batch * threads.length) {
        if (failure !== undefined) throw failure
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
      }
    },
    count: (into) => {
      for (let round = 0; round < ROUNDS; round++) {
        const values = Array.from({ length: loads }, (_, row) => cpu.load(RESULTS + row * ROUNDS + round))
        const outcome = values.join(' ')
        into.set(outcome, (into.get(outcome) ?? 0) + 1)
      }
      cpu.fill(4 * FIRST_ROUND, 0, 4 * ROUNDS * ROUND_WORDS)
    },
    open: (batch) => {
      cpu.store(BATCH, batch)
    },
  }
}
