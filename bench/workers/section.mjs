/** What a thread does while it holds a lock: a piece of work of a known length, the same as in native/threads.h. */

/** Each turn waits for the one before. */
export function work(x, turns) {
  for (let i = 0; i < turns; i++) x = (Math.imul(x, 1664525) + 1013904223) | 0
  return x
}

const SUB_BUCKETS = 16
const BUCKETS = 64 * SUB_BUCKETS

/** Waits by the logarithm of their length. */
export class Waits {
  #counts = new Float64Array(BUCKETS)

  note(ns) {
    this.#counts[ns < 1 ? 0 : Math.min(BUCKETS - 1, Math.floor(Math.log2(ns) * SUB_BUCKETS))]++
  }

  /** The counts so far, and from zero again. */
  take() {
    const taken = this.#counts
    this.#counts = new Float64Array(BUCKETS)
    return taken
  }
}

/** Nanoseconds that `share` of all waits did not exceed. */
export function waitPercentile(counts, share) {
  const all = new Float64Array(BUCKETS)
  for (const each of counts) each.forEach((count, i) => (all[i] += count))
  const total = all.reduce((sum, count) => sum + count, 0)
  let seen = 0
  for (let i = 0; i < BUCKETS; i++) {
    seen += all[i]
    if (seen >= share * total) return 2 ** ((i + 1) / SUB_BUCKETS)
  }
  return 0
}

/** How many turns of work() take so long, by this machine. */
export function turnsOf(ns) {
  const TURNS = 200_000
  let least = Infinity
  let x = 1
  for (let i = 0; i < 50; i++) {
    const start = performance.now()
    x = work(x, TURNS)
    least = Math.min(least, performance.now() - start)
  }
  if (x === 0) throw new Error('work() ends in 0') // or V8 drops the work
  return Math.round(ns / ((least * 1e6) / TURNS))
}
