/**
 * Rerun: an operation run from its start, as far as its results are known.
 *
 * The state of a synchronous function that is under way cannot be copied, but it can be made again: run the function,
 * give it the results that its instructions have returned so far, and stop it at the first one without a result.
 *
 *   the function asks      load(3)    add(4, 1)    ring(9)
 *   and is told              17           0        SUSPENDED is thrown: this is what the thread will do next
 *
 * `finally` blocks run when it is stopped; whatever they ask is answered by the same exception, so they change nothing.
 *
 * To run it again for each single instruction would take the square of its length. So it is told, behind what it knows,
 * what it would get if nobody came in between (`guess`), and what it asks for on that way is remembered too.
 *
 * Invariants
 *  1. The first request without a result or a guess stops the run, and no later one is heard.
 *  2. Asked again, an operation asks the same. If not, it depends on more than its results, and that is a failure.
 */

import type { GhostUpdate, ModelThread } from './model.ts'

/** Not an Error: code that handles its own errors looks at those. */
const SUSPENDED = Symbol('suspended by the explorer')

export type Verb =
  | 'cpu'
  | 'sleep'
  | 'ring'
  | 'awaitChange'
  | 'choose'
  | 'ghost'
  /** The operation has not begun, has ended, has claimed what is false, has thrown, will not end. */
  | 'start'
  | 'end'
  | 'failed'
  | 'threw'
  | 'endless'

/** What an operation asks for: a shared instruction, something of its Thread, or its own end. */
export interface Request {
  readonly verb: Verb
  /** The method, or the message of a failure. */
  readonly name: string
  readonly a: number
  readonly b: number
  readonly c: number
  readonly update: GhostUpdate | undefined
}

/** What a sleep returns. Only one that tells them apart gets DIFFERED when the word was another: for others that is RUNG. */
export const TIMED_OUT = 0
export const RUNG = 1
export const DIFFERED = 2

/** The second operand of a ring that wakes all: more than any model has tasks. */
export const ALL_ASLEEP = 0x7fffffff

/** The third operand of a sleep. */
export const MAY_TIME_OUT = 1
export const TELLS_APART = 2

export function tellsApart(options: number): boolean {
  return (options & TELLS_APART) !== 0
}

export function request(verb: Verb, name: string = verb, a = 0, b = 0, c = 0, update?: GhostUpdate): Request {
  return { verb, name, a, b, c, update }
}

/** What a request would return if it came next; undefined if that is not to be guessed. */
export type Guess = (wanted: Request) => number | undefined

export class Rerun {
  /** Requests behind those with a known result, and what was guessed that they return. */
  readonly guessed: Request[] = []
  readonly guesses: number[] = []
  #last: Request | undefined = undefined
  #answered = 0
  readonly #before: readonly Request[]
  readonly #results: readonly number[]
  readonly #guess: Guess

  /** `before` is what the operation asked for to get those `results`. */
  constructor(before: readonly Request[], results: readonly number[], guess: Guess) {
    this.#before = before
    this.#results = results
    this.#guess = guess
  }

  /** Runs an operation on a thread of this rerun, and returns its first request that has no result. */
  run(operation: (thread: ModelThread) => unknown, thread: ModelThread): Request {
    try {
      const returned = operation(thread)
      if (returned instanceof Promise) {
        returned.catch(() => undefined)
        return request('failed', 'an operation must be synchronous, but this one returned a promise')
      }
    } catch (error) {
      if (error !== SUSPENDED && this.#last === undefined) return request('threw', describeError(error))
    }
    return this.#last ?? request('end')
  }

  ask(wanted: Request): number {
    if (this.#last !== undefined) return this.stop(wanted)
    if (this.#answered === this.#results.length) {
      const guess = this.#guess(wanted)
      if (guess === undefined) return this.stop(wanted)
      this.guessed.push(wanted)
      this.guesses.push(guess)
      return guess
    }
    const before = this.#before[this.#answered]
    const change = whatChanged(before, wanted)
    if (change !== undefined) return this.stop(change)
    return this.#results[this.#answered++]
  }

  stop(wanted: Request): never {
    this.#last ??= wanted
    // eslint-disable-next-line @typescript-eslint/only-throw-error
    throw SUSPENDED
  }
}

export function describeError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

/** The failure of an operation that asks for one thing and then, with the same results, for another. */
export function whatChanged(before: Request, now: Request): Request | undefined {
  if (isSame(before, now)) return undefined
  if (now.verb === 'failed') return now
  const change = `this one asked for ${show(before)}, and now for ${show(now)}`
  return request('failed', `an operation must be deterministic, but ${change}`)
}

export function isSame(left: Request, right: Request): boolean {
  return left.name === right.name && left.a === right.a && left.b === right.b && left.c === right.c
}

function show({ name, a, b, c }: Request): string {
  return `${name}(${a}, ${b}, ${c})`
}
