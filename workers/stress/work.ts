/** Work: what threads do inside and outside of what they lock, so many turns of it; a turn is about a nanosecond. */

let state = 1

/** A chain of multiplications that nobody can shorten. It touches no memory that others see. */
export function work(turns: number): void {
  let value = state
  for (let turn = 0; turn < turns; turn++) value = (Math.imul(value, 1664525) + 1013904223) | 0
  state = value
}

const TURNS = 20_000
const TRIES = 200

/** How many turns take a nanosecond here. The best of many tries: the others were interrupted, or not yet compiled. */
export function turnsPerNs(): number {
  let best = Infinity
  for (let i = 0; i < TRIES; i++) {
    const began = performance.now()
    work(TURNS)
    best = Math.min(best, performance.now() - began)
  }
  return TURNS / (best * 1e6)
}
