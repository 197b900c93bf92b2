/**
 * Linearizability: whether what threads saw of a structure could have come from one thread that used it alone.
 *
 *   thread 0   ├─ write(1) ─┤        ├─ read() = 1 ─┤         the points in which they took effect, in order:
 *   thread 1         ├──── read() = 0 ────┤                   read() = 0, write(1), read() = 1
 *
 * Each call takes effect at one instant between its begin and its end (Herlihy and Wing, "Linearizability", TOPLAS 1990). A
 * call of a thread that died is open: it took effect at some instant after its begin, or never.
 *
 * The search is Wing and Gong's with Lowe's memory ("Testing for linearizability", CCPE 2017; Porcupine does the same): take
 * any call that began before all others ended, see whether the model allows its result, go on with the rest; and never
 * twice with the same calls taken and the same state of the model.
 */

import { assertFunction, typeError } from '../words/usage.ts'

/** One call of a history: what was called, what it returned, and when, on a clock that all threads share. */
export interface HistoryCall<C, R> {
  readonly thread: number
  readonly call: C
  readonly begin: number
  /** Undefined for a call that never returned. */
  readonly end: number | undefined
  readonly result: R | undefined
}

/** The structure as one thread would see it. States are values: a step makes a new one. */
export interface SequentialModel<S, C, R> {
  readonly initial: S
  /**
   * The states in which `call` may leave the structure when it returns `result`: none if it cannot return that. With
   * `isOpen` nobody knows what it returned, or would have.
   */
  step(state: S, call: C, result: R | undefined, isOpen: boolean): readonly S[]
  /** Tells states apart. Default: JSON. */
  key?(state: S): string
}

export interface Linearization {
  readonly ok: boolean
  /** Indices into the history: an order that explains it; else the longest beginning of one that was found. */
  readonly order: readonly number[]
  /** When there is none: a sentence, and the calls. */
  readonly message: string
}

/**
 * Whether a history is linearizable with respect to a sequential model. For short histories: the time it takes may grow
 * exponentially with the number of calls that overlap.
 *
 * Throws a TypeError if a call ends before it begins.
 */
export function linearize<S, C, R>(
  history: readonly HistoryCall<C, R>[],
  model: SequentialModel<S, C, R>,
): Linearization {
  if (!Array.isArray(history)) throw typeError('linearize()', 'history', 'an array of calls', history)
  assertFunction('linearize()', 'model.step', (model as Partial<typeof model> | undefined)?.step)
  // entries() comes to holes, too.
  for (const [i, call] of history.entries() as Iterable<[number, HistoryCall<C, R> | null | undefined]>) {
    const { begin, end } = call ?? {}
    if (typeof begin !== 'number' || (end !== undefined && !(end >= begin)))
      throw typeError('linearize()', `history[${i}]`, 'a call that ends after it begins', call)
  }
  return new Search(history, model).run()
}

class Search<S, C, R> {
  readonly #history: readonly HistoryCall<C, R>[]
  readonly #model: SequentialModel<S, C, R>
  /** Indices of the calls, by their begin. */
  readonly #sorted: readonly number[]
  /** By place in `sorted`: whether the call was taken. */
  readonly #taken: Uint8Array
  readonly #seen = new Set<string>()
  readonly #order: number[] = []
  #longest: readonly number[] = []
  #left: number

  constructor(history: readonly HistoryCall<C, R>[], model: SequentialModel<S, C, R>) {
    this.#history = history
    this.#model = model
    this.#sorted = history.map((_, i) => i).sort((a, b) => history[a].begin - history[b].begin)
    this.#taken = new Uint8Array(history.length)
    // Open calls may be left out.
    this.#left = history.filter(({ end }) => end !== undefined).length
  }

  run(): Linearization {
    const ok = this.#goOn(this.#model.initial)
    return { ok, order: ok ? [...this.#order] : this.#longest, message: ok ? '' : this.#describe() }
  }

  #goOn(state: S): boolean {
    if (this.#left === 0) return true
    const key = `${this.#taken.join('')} ${this.#model.key?.(state) ?? JSON.stringify(state)}`
    if (this.#seen.has(key)) return false
    this.#seen.add(key)
    // Whoever begins after this has ended comes later.
    let firstEnd = Infinity
    for (let i = 0; i < this.#sorted.length; i++) {
      const { begin, end } = this.#history[this.#sorted[i]]
      if (begin > firstEnd) break
      if (this.#taken[i] === 0 && end !== undefined && end < firstEnd) firstEnd = end
    }
    for (let i = 0; i < this.#sorted.length; i++) {
      if (this.#taken[i] !== 0) continue
      const { call, begin, end, result } = this.#history[this.#sorted[i]]
      if (begin > firstEnd) break
      const isOpen = end === undefined
      for (const next of this.#model.step(state, call, result, isOpen)) {
        this.#take(i, isOpen)
        if (this.#goOn(next)) return true
        this.#takeBack(i, isOpen)
      }
    }
    return false
  }

  #take(i: number, isOpen: boolean): void {
    this.#taken[i] = 1
    this.#order.push(this.#sorted[i])
    if (!isOpen) this.#left--
    if (this.#order.length > this.#longest.length) this.#longest = [...this.#order]
  }

  #takeBack(i: number, isOpen: boolean): void {
    this.#taken[i] = 0
    this.#order.pop()
    if (!isOpen) this.#left++
  }

  #describe(): string {
    const line = (i: number): string => {
      const { thread, call, begin, end, result } = this.#history[i]
      const outcome = end === undefined ? 'never returned' : `= ${JSON.stringify(result)}`
      return `  ${begin}-${end ?? ''} thread ${thread}: ${JSON.stringify(call)} ${outcome}`
    }
    const rest = this.#sorted.filter((i) => !this.#longest.includes(i))
    return [
      'no order of these calls explains what they returned; this is as far as one goes',
      ...this.#longest.map(line),
      'and none of these can follow',
      ...rest.map(line),
    ].join('\n')
  }
}
