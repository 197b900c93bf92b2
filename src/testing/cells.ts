/**
 * Cells: the whole state of a model as one row of int32, with a journal to go back and a running hash to be known by.
 *
 *   cell   0 ... words                ... ghosts        ...
 *         ┌──────────────────────────┬────────────────┬─────────────────────────────────────────────┐
 *         │ the shared memory        │ model-only     │ positions, queues, deaths, budgets (world)  │
 *         └──────────────────────────┴────────────────┴─────────────────────────────────────────────┘
 *
 * A search that copied thousands of words for each state would spend its time copying. Here a step changes a few cells
 * in place, the journal undoes them, and the hash follows each change, so a state costs what it changes.
 *
 * The hash is two sums of 32 bits over all cells, each of a mixing function of (cell, value) with random keys per cell.
 * Two states that differ in one cell never collide in either sum (the mixing is a bijection); two others do with a
 * chance of about 2^-64. In a search of a million states that is 3 in 10^8 that any state is taken for another one and
 * its successors are missed. The keys are fixed, so a search that has missed nothing will miss nothing tomorrow.
 *
 * Invariants
 *  1. After construction, cells change through set(), rewrite() and rewind() only.
 *  2. `low` and `high` are those of the present values.
 */
export class Cells {
  readonly values: Int32Array<ArrayBuffer>
  readonly bytes: Uint8Array<ArrayBuffer>
  low = 0
  high = 0

  readonly #lowKeys: Int32Array
  readonly #highKeys: Int32Array
  #journal = new Int32Array(1024)
  #written = 0
  #before = new Int32Array(64)

  constructor(count: number) {
    this.values = new Int32Array(count)
    this.bytes = new Uint8Array(this.values.buffer)
    const next = xorshift(0x9e3779b9)
    this.#lowKeys = new Int32Array(count).map(next)
    this.#highKeys = new Int32Array(count).map(next)
  }

  set(cell: number, value: number): void {
    const old = this.values[cell]
    if (old === value) return
    this.#note(cell, old)
    const lowKey = this.#lowKeys[cell]
    const highKey = this.#highKeys[cell]
    this.low = (this.low + mix(value ^ lowKey) - mix(old ^ lowKey)) | 0
    this.high = (this.high + mix(value ^ highKey) - mix(old ^ highKey)) | 0
    this.values[cell] = value
  }

  /** Lets `change` write to cells [first, end) as it likes, and enters what differs afterwards. */
  rewrite(first: number, end: number, change: () => number): number {
    if (end - first > this.#before.length) this.#before = new Int32Array(2 * (end - first))
    for (let cell = first; cell < end; cell++) this.#before[cell - first] = this.values[cell]
    try {
      return change()
    } finally {
      for (let cell = first; cell < end; cell++) {
        const value = this.values[cell]
        this.values[cell] = this.#before[cell - first]
        this.set(cell, value)
      }
    }
  }

  /** A place in the journal to come back to. */
  mark(): number {
    const mark = this.#written
    this.#note(this.low, this.high)
    return mark
  }

  /** Undoes everything since mark() returned `mark`. */
  rewind(mark: number): void {
    const journal = this.#journal
    for (let at = this.#written - 2; at > mark; at -= 2) this.values[journal[at]] = journal[at + 1]
    this.low = journal[mark]
    this.high = journal[mark + 1]
    this.#written = mark
  }

  #note(left: number, right: number): void {
    if (this.#written + 2 > this.#journal.length) {
      const longer = new Int32Array(this.#journal.length * 2)
      longer.set(this.#journal)
      this.#journal = longer
    }
    this.#journal[this.#written++] = left
    this.#journal[this.#written++] = right
  }
}

/** MurmurHash3's finalizer: a bijection on 32 bits in which each bit of the input reaches each bit of the output. */
function mix(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

/** Marsaglia's xorshift32: the same keys in every run. */
function xorshift(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state
  }
}
