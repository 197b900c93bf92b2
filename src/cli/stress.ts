/**
 * pageframe stress [PRIMITIVE...]: threads that drive a lock, a semaphore, a channel under a load of the user's choice, and
 * watch whether it does what it promises.
 *
 *   for each primitive:  workers ──► lock ─ hold ─ unlock ─ think ──► ...       the board: what each has seen and done
 *                        a killer, perhaps ──► terminates one, puts another in its place
 *
 * Exit code 1 if anything was not as it must be. Names follow stress-ng where it has them.
 */

import '../memory/start.ts'

import { defineCommand } from 'citty'
import { print } from '../host/process.ts'
import { environment } from '../host/workers.ts'
import type { Fault } from '../../workers/stress/faults.ts'
import type { PrimitiveName } from '../../workers/stress/primitives.ts'
import { turnsPerNs } from '../../workers/stress/work.ts'
import { CommandError, INTERRUPTED } from './errors.ts'
import { interruptible } from './interrupt.ts'
import { Progress } from './progress.ts'
import { assertSavable, save } from './saving.ts'
import { aliases, entryOf, PRIMITIVES } from './stress/catalogue.ts'
import type { Load, Options, Outcome, Result } from './stress/load.ts'
import { assertApart, assertOnce, optionsOf, primitivesOf, whyNoKills } from './stress/options.ts'
import { describe } from './stress/progress-line.ts'
import { renderJson, renderReport, titleOf } from './stress/report.ts'
import { Run } from './stress/run.ts'
import { renderSvg } from './stress/svg.ts'
import { plural } from './stress/units.ts'

/** From so many ns on, each operation is timed; of shorter ones one in 16. */
const TIMED_FROM_NS = 1000
const TIMED_EVERY = 16

/** Runs of the sweep last a part of what the run itself lasts. */
const SWEEP_SHARE = 0.25
const LEAST_SWEEP_SECONDS = 0.2
const MOST_POINTS = 8

export const stress = defineCommand({
  meta: {
    name: 'stress',
    description: 'Loads locks and channels from many threads, verifies them meanwhile, and measures',
  },
  args: {
    primitive: {
      type: 'positional',
      required: false,
      valueHint: '...',
      description: `${PRIMITIVES.join(', ')} (Default: all, one after the other; ${aliases})`,
    },
    workers: { type: 'string', valueHint: 'N', description: 'Threads at work (Default: as many as cores)' },
    seconds: {
      type: 'string',
      valueHint: 'S',
      description: 'How long each primitive is measured (Default: 2)',
    },
    hold: { type: 'string', valueHint: 'NS', description: 'Work inside, in nanoseconds (Default: 0)' },
    think: { type: 'string', valueHint: 'NS', description: 'Work between two operations (Default: 0)' },
    'read-ratio': {
      type: 'string',
      valueHint: 'R',
      description: 'Share of reads for rwlock, 0 to 1 (Default: 0.9)',
    },
    'kill-every': {
      type: 'string',
      valueHint: 'MS',
      description: 'Terminates a random worker so often, and replaces it',
    },
    lock: {
      type: 'string',
      valueHint: 'FILE',
      description: 'A lock of your own: a module, see docs/stress.md',
    },
    json: { type: 'string', valueHint: 'FILE', description: 'Writes every figure there, too' },
    svg: {
      type: 'string',
      valueHint: 'FILE',
      description: 'Draws throughput by workers, 1 to N, and latencies',
    },
  },

  async run({ args, rawArgs }) {
    assertOnce(rawArgs)
    const { json, svg } = args
    assertApart(json, svg)
    const options = await optionsOf(args)
    const primitives = primitivesOf(args._, options)
    assertSavable(json)
    assertSavable(svg)

    const progress = new Progress()
    const results: Result[] = []
    const wasInterrupted = await interruptible(async (signal) => {
      for (const primitive of primitives) {
        if (signal.aborted) break
        const result = await test(primitive, options, progress, signal)
        if (result !== undefined) results.push(result)
      }
      return signal.aborted
    }).finally(() => {
      progress.end()
    })

    if (results.length > 0) print(renderReport(options, results, wasInterrupted))
    if (json !== undefined) save('stress', json, renderJson(options, results, wasInterrupted))
    if (svg !== undefined && results.length > 0) save('stress', svg, renderSvg(options, results))
    const failed = results.filter(({ outcome }) => outcome.violationCount > 0)
    if (failed.length > 0) throw new CommandError(failed.map(failure).join('; '))
    if (wasInterrupted) throw new CommandError('interrupted', INTERRUPTED)
  },
})

/** One primitive: with fewer workers first, if that is wanted. Undefined if nothing was measured before Ctrl-C. */
async function test(
  primitive: PrimitiveName,
  options: Options,
  progress: Progress,
  signal: AbortSignal,
): Promise<Result | undefined> {
  const { sweeps, killEveryMs, lock, seconds } = options
  const why = killEveryMs === undefined ? undefined : whyNoKills(primitive, lock)
  const most = entryOf(primitive).workers(options.workers)
  const sweep: Outcome[] = []
  const run = async (load: Load): Promise<Outcome | undefined> => {
    const running = new Run(load, fault())
    progress.show(() => describe(load, running.moment))
    const outcome = await running.go(signal)
    return outcome.operations === 0 && outcome.wasInterrupted ? undefined : outcome
  }

  const soFar = (): Result | undefined => {
    const outcome = sweep.at(-1)
    return outcome === undefined ? undefined : { outcome, sweep, whyNoKills: why }
  }

  for (const workers of sweeps ? fewer(primitive, most) : []) {
    const part = Math.max(LEAST_SWEEP_SECONDS, seconds * SWEEP_SHARE)
    const outcome = await run(loadOf(primitive, options, workers, part, undefined))
    if (outcome === undefined) return soFar()
    sweep.push(outcome)
    // What fails with two workers need not be tried with eight.
    if (outcome.violationCount > 0 || signal.aborted) return { outcome, sweep, whyNoKills: why }
  }
  const outcome = await run(
    loadOf(primitive, options, most, seconds, why === undefined ? killEveryMs : undefined),
  )
  if (outcome === undefined) return soFar()
  return { outcome, sweep: [...sweep, outcome], whyNoKills: why }
}

/** The numbers of workers below `most` that a picture needs: all of few, of many the powers of two. */
function fewer(primitive: PrimitiveName, most: number): number[] {
  const all = Array.from({ length: most - 1 }, (_, index) => index + 1)
  const some = most <= MOST_POINTS ? all : all.filter((count) => (count & (count - 1)) === 0)
  return [...new Set(some.map((count) => entryOf(primitive).workers(count)))].filter((count) => count < most)
}

function loadOf(
  primitive: PrimitiveName,
  { holdNs, thinkNs, readRatio, lock }: Options,
  workers: number,
  seconds: number,
  killEveryMs: number | undefined,
): Load {
  return {
    primitive,
    workers,
    seconds,
    holdNs,
    thinkNs,
    holdTurns: turnsFor(holdNs),
    thinkTurns: turnsFor(thinkNs),
    readRatio,
    timedEvery: holdNs + thinkNs >= TIMED_FROM_NS ? 1 : TIMED_EVERY,
    killEveryMs,
    lock: primitive === 'own' ? lock : undefined,
  }
}

let perNs: number | undefined

function turnsFor(ns: number): number {
  if (ns === 0) return 0
  perNs ??= turnsPerNs()
  return Math.max(1, Math.round(ns * perNs))
}

/** For the tests of this: something is wrong with what is tested, and has to be found. */
function fault(): Fault | undefined {
  return environment('PAGEFRAME_STRESS_FAULT') as Fault | undefined
}

function failure({ outcome }: Result): string {
  const { violations, violationCount } = outcome
  return `${titleOf(outcome)}: ${plural(violationCount, 'violation')}, the first: ${violations[0]}`
}
