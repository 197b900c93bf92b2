/**
 * A contest: the reference, then rounds of all transports in turn, the first of which warms up and does not count.
 *
 *   reference   │ warm-up: A B C D │ round 1: A B C D │ round 2: A B C D │ ...       at any time one crew works
 */

import { url as referenceUrl } from 'virtual:worker-file/exchange-reference'
import { defaultAttachment } from '../../memory/inventory.ts'
import type { ReferenceData } from '../../../workers/exchange-reference.ts'
import type { Transport } from '../../../workers/exchange/duty.ts'
import type { Result } from '../../../workers/exchange/tally.ts'
import type { Competitor, Round } from './competitor.ts'
import { Crew } from './crew.ts'
import { Hand } from './hand.ts'
import type { Input } from './input.ts'
import { ProcessCrew, type ProcessFacts } from './process-crew.ts'
import type { Progress } from '../progress.ts'
import { differences } from './result.ts'
import { TITLES, type Choice } from './transports.ts'

export interface Contest {
  readonly input: Input
  readonly consumers: number
  readonly blockBytes: number
  readonly rounds: number
  readonly transports: Choice
}

export interface Outcome {
  readonly reference: Result
  /** The rounds that count, by transport. */
  readonly rounds: ReadonlyMap<Transport, readonly Round[]>
  /** What was not as the reference has it, a sentence a transport. */
  readonly mismatches: readonly string[]
  /** Of the machine, if there was one. */
  readonly processes: readonly ProcessFacts[]
}

/** Whatever happens, no worker is left when this is over. Rejects with the signal's reason, or when a worker dies. */
export async function compete(contest: Contest, progress: Progress, signal: AbortSignal): Promise<Outcome> {
  const { input, consumers, blockBytes } = contest
  const { transports, comlink } = contest.transports
  defaultAttachment() // before the first round's clock: this thread attaches once, and not while one is measured
  const data: ReferenceData = { files: input.files, kind: input.kind, blockBytes }
  const single = new Hand('reference', referenceUrl, data, [])
  const crews: Competitor[] = []
  let processes: ProcessCrew | undefined
  try {
    return await unlessAborted(signal, async () => {
      progress.show(() => 'the reference: one thread alone')
      await single.ready
      const reference = await single.ask<Result>({})
      await single.end()
      for (const transport of transports) {
        if (signal.aborted) break
        const common = { input, consumers, blockBytes }
        if (transport === 'process') crews.push((processes = new ProcessCrew(common)))
        else crews.push(new Crew({ transport, comlink, ...common }))
      }
      await Promise.all(crews.map((crew) => crew.ready()))
      const played = await playRounds(crews, contest.rounds, reference, progress)
      return { ...played, processes: (await processes?.look()) ?? [] }
    })
  } finally {
    await Promise.all([single, ...crews].map((each) => each.end()))
  }
}

async function playRounds(
  crews: readonly Competitor[],
  count: number,
  reference: Result,
  progress: Progress,
): Promise<Omit<Outcome, 'processes'>> {
  const rounds = new Map<Transport, Round[]>(crews.map(({ transport }) => [transport, []]))
  const mismatches = new Map<Transport, string>()
  // What is wrong once needs no more rounds; the others have this one still, so that it is known who else is.
  for (let number = 0; number <= count && mismatches.size === 0; number++) {
    for (const crew of crews) {
      const title = number === 0 ? 'warm-up' : `round ${number} of ${count}`
      progress.show(() => `${title}, ${TITLES[crew.transport]}: ${Math.round(crew.fraction * 100)} %`)
      const round = await crew.round()
      if (number > 0) rounds.get(crew.transport)?.push(round)
      const differing = differences(round.result, reference)
      if (differing.length > 0 && !mismatches.has(crew.transport)) {
        mismatches.set(crew.transport, describe(crew.transport, differing))
      }
    }
  }
  return { reference, rounds, mismatches: [...mismatches.values()] }
}

function describe(transport: Transport, differing: readonly string[]): string {
  const rest = differing.length > 3 ? ` and ${differing.length - 3} more` : ''
  return `${TITLES[transport]} found something else than one thread alone: ${differing.slice(0, 3).join(', ')}${rest}`
}

/** The work's outcome, or a rejection with the signal's reason, whichever is first. The work is not stopped by it. */
async function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  return Promise.race([
    work(),
    new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => {
        reject(signal.reason as Error)
      })
    }),
  ])
}
