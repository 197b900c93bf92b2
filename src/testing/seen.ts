/**
 * Seen: the states met so far, each as 64 bits of hash, numbered in the order they were met.
 *
 * An open-addressing table of state numbers over three dense columns: 8 bytes of hash and 8 of payload a state, and no
 * object for any of them. The payload is the number of ways in which the run can end from there.
 *
 * Invariants
 *  1. At most half of the table is in use, so a probe ends.
 *  2. Numbers are dense and never change: growth rehashes the table, not the columns.
 */
export class Seen {
  size = 0
  #table = new Int32Array(1 << 12)
  #low = new Int32Array(1 << 11)
  #high = new Int32Array(1 << 11)
  #interleavings = new Float64Array(1 << 11)

  /** The number of a state; equal to the size before when it is new. */
  add(low: number, high: number): number {
    const slot = this.#probe(low, high)
    const found = this.#table[slot]
    if (found !== 0) return found - 1
    if (this.size === this.#low.length) {
      this.#grow()
      return this.add(low, high)
    }
    this.#low[this.size] = low
    this.#high[this.size] = high
    this.#table[slot] = this.size + 1
    return this.size++
  }

  interleavings(state: number): number {
    return this.#interleavings[state]
  }

  setInterleavings(state: number, count: number): void {
    this.#interleavings[state] = count
  }

  #probe(low: number, high: number): number {
    const mask = this.#table.length - 1
    let slot = low & mask
    for (;;) {
      const found = this.#table[slot]
      if (found === 0 || (this.#low[found - 1] === low && this.#high[found - 1] === high)) return slot
      slot = (slot + 1) & mask
    }
  }

  #grow(): void {
    const capacity = 2 * this.#low.length
    this.#low = grown(this.#low, new Int32Array(capacity))
    this.#high = grown(this.#high, new Int32Array(capacity))
    this.#interleavings = grown(this.#interleavings, new Float64Array(capacity))
    this.#table = new Int32Array(2 * capacity)
    for (let state = 0; state < this.size; state++) {
      this.#table[this.#probe(this.#low[state], this.#high[state])] = state + 1
    }
  }
}

function grown<T extends Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from)
  return to
}
