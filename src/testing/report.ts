/** Report: what a search found, and how it is printed. */

/** Of a longer trace, how it begins and how it ends. */
const FIRST_SHOWN = 20
const LAST_SHOWN = 40

export interface Report {
  readonly name: string
  /** 'full', or 'preemptions 2'. */
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

/** What is wrong with a state, or with the search. */
export interface Trouble {
  /**
   *   assertion   thread.assert() of a false claim, or something that no operation may do
   *   exception   the code threw: an operation, or a part of the model, such as init()
   *   endless     an operation takes more steps than `bounds.steps`: a loop that does not wait as it should
   *   invariant   the model's invariant does not hold
   *   final       the model's final condition does not hold
   *   stuck       somebody waits for what nobody will do: a deadlock, or a lost wake-up
   *   race        two accesses without order, one of them plain and one a write
   *   unfinished  there are more states than `bounds.states`: nothing is proved
   */
  readonly kind:
    'assertion' | 'exception' | 'endless' | 'invariant' | 'final' | 'stuck' | 'race' | 'unfinished'
  readonly message: string
}

export interface Failure extends Trouble {
  /** One line a step; a row of lines that comes again and again is there once, with how often (fold.ts). */
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
  const lines = [...trace]
  const between = lines.length - FIRST_SHOWN - LAST_SHOWN
  if (between > 1) lines.splice(FIRST_SHOWN, between, `... ${between} lines are left out`)
  return [`${kind}: ${message}`, ...[...lines, `schedule '${schedule}'`].map((line) => `    ${line}`)].join(
    '\n',
  )
}
