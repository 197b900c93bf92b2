/**
 * Seen: the states met so far, each as 64 bits of hash, with the number of ways in which a run can end from it.
 *
 *   entry  0      1      2   3
 *         ┌──────┬──────┬──────────┐
 *         │ low  │ high │ ways     │   16 bytes, so that a look costs one cache line
 *         └──────┴──────┴──────────┘
 *
 *   ways   float64: 0 while the entry is empty; 1 more than the ways to end, once they have been counted
 *
 * Invariants
 *  1. At most half of the entries are in use, so a probe ends.
 *  2. A state is met again only when its ways have been counted: the graph of states has no cycles (positions.ts).
 */

const FIRST_CAPACITY = 1 << 11
/** Up to here it grows fourfold: to put all entries in again each time it doubles took 6 % of a search. */
const LAST_FOURFOLD = 1 << 20
const NOT_COUNTED = 1

export class Seen {
  size = 0
  #hashes = new Int32Array(4 * FIRST_CAPACITY)
  #ways = new Float64Array(this.#hashes.buffer)
  #mask = FIRST_CAPACITY - 1

  /** The ways to end from a state that was met before; -1 if this is the first time. */
  meet(low: number, high: number): number {
    const entry = this.#probe(low, high)
    const ways = this.#ways[2 * entry + 1]
    if (ways !== 0) return ways - 1
    this.#hashes[4 * entry] = low
    this.#hashes[4 * entry + 1] = high
    this.#ways[2 * entry + 1] = NOT_COUNTED
    this.size++
    if (2 * this.size > this.#mask) this.#grow()
    return -1
  }

  /** Notes the ways to end from a state that was met. */
  count(low: number, high: number, ways: number): void {
    this.#ways[2 * this.#probe(low, high) + 1] = ways + 1
  }

  #probe(low: number, high: number): number {
    const hashes = this.#hashes
    const ways = this.#ways
    const mask = this.#mask
    let entry = low & mask
    while (ways[2 * entry + 1] !== 0 && (hashes[4 * entry] !== low || hashes[4 * entry + 1] !== high)) {
      entry = (entry + 1) & mask
    }
    return entry
  }

  #grow(): void {
    const hashes = this.#hashes
    const ways = this.#ways
    this.#hashes = new Int32Array((this.#mask < LAST_FOURFOLD ? 4 : 2) * hashes.length)
    this.#ways = new Float64Array(this.#hashes.buffer)
    this.#mask = this.#hashes.length / 4 - 1
    for (let entry = 0; entry < hashes.length / 4; entry++) {
      if (ways[2 * entry + 1] === 0) continue
      const to = this.#probe(hashes[4 * entry], hashes[4 * entry + 1])
      this.#hashes[4 * to] = hashes[4 * entry]
      this.#hashes[4 * to + 1] = hashes[4 * entry + 1]
      this.#ways[2 * to + 1] = ways[2 * entry + 1]
    }
  }
}
