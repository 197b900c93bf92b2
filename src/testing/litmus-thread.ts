/**
 * What each thread of a litmus test does, in a worker of its own.
 *
 * A batch has its own words for each of its rounds, so the threads run through it without waiting for each other: what one
 * does in round i meets what the others do in it, a little earlier or later. They wait only between batches.
 *
 *   word  0      1        32        64          192                                    RESULTS
 *        ┌──────┬──────┬──┬───────┬──┬───────────┬──────────────────────────────────────┬─────────────────────────────┐
 *        │ come │ done │  │ batch │  │ four paces│ x and y of each round, a line each   │ of each load, in each round │
 *        └──────┴──────┴──┴───────┴──┴───────────┴──────────────────────────────────────┴─────────────────────────────┘
 *
 *   come, done   threads that have begun a batch, and ended one, in all batches so far
 *   batch        the last one whose results were counted: the next may begin
 *   pace         how far each thread is: who is ahead waits a little, where there are cores enough
 */

import type { Cpu } from '../host/cpu.ts'

/** A load of a word, or a store of 1 to it: 0 is x, 1 is y. */
export type LitmusStep = readonly [kind: 'load' | 'store', word: number]

export interface LitmusWork {
  readonly thread: number
  readonly steps: readonly LitmusStep[]
  readonly threads: number
  readonly batches: number
  /** Of this thread's loads: where their results go, one row a load. */
  readonly results: readonly number[]
}

const COME = 0
export const DONE = 1
export const BATCH = 32
const PACE = 64
export const FIRST_ROUND = 192
export const ROUNDS = 4096
/** A cache line for each word, so that they travel by themselves. */
const LINE = 32
export const ROUND_WORDS = 2 * LINE
export const RESULTS = FIRST_ROUND + ROUNDS * ROUND_WORDS
/** How many loads a test may have. */
const MOST_LOADS = 4
export const MEMORY_WORDS = RESULTS + MOST_LOADS * ROUNDS

const TURNS = 1_000_000
const PACE_ROUNDS = 16
const PACE_TURNS = 300

/** `under` is what is tested; `cpu` keeps the threads in step. */
export function runLitmusThread(under: Pick<Cpu, 'load' | 'store'>, cpu: Cpu, work: LitmusWork): void {
  const { threads, batches } = work
  const run = runnerOf(work)
  for (let batch = 0; batch < batches; batch++) {
    cpu.add(COME, 1)
    const all = (batch + 1) * threads
    for (let seen = cpu.load(COME); seen < all; seen = cpu.spinWhileEqual(COME, seen, TURNS));
    for (let first = 0; first < ROUNDS; first += PACE_ROUNDS) {
      keepPace(cpu, work, batch * ROUNDS + first + 1)
      run(under, first)
    }
    // Whoever counts the results opens the next batch.
    cpu.add(DONE, 1)
    while (cpu.spinWhileEqual(BATCH, batch, TURNS) === batch);
  }
}

/** Waits for those who are behind, but not for those who have no core. */
function keepPace(cpu: Cpu, { thread, threads }: LitmusWork, pace: number): void {
  cpu.store(PACE + thread * LINE, pace)
  let turns = PACE_TURNS
  for (let other = 0; other < threads; other++) {
    while (cpu.load(PACE + other * LINE) < pace && turns > 0) turns--
  }
}

/** The loop over some rounds, straight for each shape: what is between two steps hides what happens between them. */
function runnerOf({ steps, results }: LitmusWork): (cpu: Pick<Cpu, 'load' | 'store'>, first: number) => void {
  const [[kind, one], [second, two] = ['none', 0]] = steps
  const at = (word: number) => FIRST_ROUND + word * LINE
  const [a, b] = [at(one), at(two)]
  const [ra, rb] = results.map((row) => RESULTS + row * ROUNDS)
  switch (`${kind} ${second}`) {
    case 'store none':
      return (cpu, first) => {
        for (let i = first; i < first + PACE_ROUNDS; i++) cpu.store(a + i * ROUND_WORDS, 1)
      }
    case 'store load':
      return (cpu, first) => {
        for (let i = first; i < first + PACE_ROUNDS; i++) {
          cpu.store(a + i * ROUND_WORDS, 1)
          cpu.store(ra + i, cpu.load(b + i * ROUND_WORDS))
        }
      }
    case 'store store':
      return (cpu, first) => {
        for (let i = first; i < first + PACE_ROUNDS; i++) {
          cpu.store(a + i * ROUND_WORDS, 1)
          cpu.store(b + i * ROUND_WORDS, 1)
        }
      }
    case 'load store':
      return (cpu, first) => {
        for (let i = first; i < first + PACE_ROUNDS; i++) {
          const seen = cpu.load(a + i * ROUND_WORDS)
          cpu.store(b + i * ROUND_WORDS, 1)
          cpu.store(ra + i, seen)
        }
      }
    default:
      return (cpu, first) => {
        for (let i = first; i < first + PACE_ROUNDS; i++) {
          const seen = cpu.load(a + i * ROUND_WORDS)
          cpu.store(rb + i, cpu.load(b + i * ROUND_WORDS))
          cpu.store(ra + i, seen)
        }
      }
  }
}
