/**
 * Views: Uint8Arrays on records, made once for each place.
 *
 * A new view costs 19 to 54 ns, as much as everything else that a record needs. Records of one size come back to the same
 * places each lap, so their views are kept, in a direct-mapped table:
 *
 *   offset of the payload in the ring ──► row = offset >> shift ──► view, if it has that offset and length; else a new one
 *
 * V8 calls a builtin of 15 ns for a view's byteOffset (its length is one load): so where each kept view begins lies beside
 * it.
 *
 * A row for each 64 bytes: records of that size or more never take each other's row while the table covers the ring.
 */

import { log2Ceil } from '../words/bits.ts'

const LOG2_ROW_WORDS = 4
const MOST_ROWS = 16_384

export type Bytes = Uint8Array<SharedArrayBuffer>

export class Views {
  readonly #buffer: SharedArrayBuffer
  readonly #dataAt: number
  readonly #shift: number
  readonly #rows: (Bytes | undefined)[]
  /** Where the view in each row begins, as a word of the memory; 0 for none, since no payload lies there. */
  readonly #begins: Int32Array

  constructor(buffer: SharedArrayBuffer, dataAt: number, capacityWords: number) {
    this.#buffer = buffer
    this.#dataAt = dataAt
    this.#shift = Math.max(LOG2_ROW_WORDS, log2Ceil(capacityWords / MOST_ROWS))
    // Filled: a table that grew with gaps would become a dictionary, and slow.
    const rows = capacityWords >>> this.#shift
    this.#rows = new Array<Bytes | undefined>(rows).fill(undefined)
    this.#begins = new Int32Array(rows)
  }

  /** The view of `lengthBytes` bytes at a word of the ring. */
  at(payload: number, lengthBytes: number): Bytes {
    const row = (payload - this.#dataAt) >>> this.#shift
    const kept = this.#rows[row]
    if (this.#begins[row] === payload && kept?.length === lengthBytes) return kept
    return this.#make(row, payload, lengthBytes)
  }

  #make(row: number, payload: number, lengthBytes: number): Bytes {
    const made = new Uint8Array(this.#buffer, payload * 4, lengthBytes)
    this.#rows[row] = made
    this.#begins[row] = payload
    return made
  }
}
