/** Report: what a search found, and how it is printed. */

import type { Trouble } from './judge.ts'

export interface Report {
  readonly name: string
  /** 'full', or how many preemptions the search allowed. */
  readonly bound: string
  /** Different states, the steps taken from them, and how many of them no step follows. */
  readonly states: number
  readonly transitions: number
  readonly endings: number
  /** In how many orders the steps can come, as far as they are explored separately. */
  readonly interleavings: number
  /** Steps of the longest run. */
  readonly depth: number
  /** Rings that found nobody asleep. */
  readonly emptyRings: number
  readonly ms: number
  /** Empty if everything holds, and has been explored. */
  readonly failures: readonly Failure[]
}

export interface Failure extends Trouble {
  /** One line a step. */
  readonly trace: readonly string[]
  /** For replay(). */
  readonly schedule: string
}

/** One line: name, bound, states, transitions, milliseconds, verdict. A failure's trace follows, one line a step. */
export function formatReport({ name, bound, states, transitions, ms, failures }: Report): string {
  const columns = [
    name.padEnd(56),
    bound.padEnd(13),
    `${states} states`.padStart(15),
    `${transitions} transitions`.padStart(20),
    `${ms.toFixed(0)} ms`.padStart(9),
    ' ',
    failures.length === 0 ? 'ok' : failures.map(formatFailure).join('\n'),
  ]
  return columns.join(' ')
}

function formatFailure({ kind, message, trace, schedule }: Failure): string {
  return [`${kind}: ${message}`, ...trace.map((line) => `    ${line}`), `    schedule '${schedule}'`].join(
    '\n',
  )
}
