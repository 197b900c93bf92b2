/**
 * Views: Uint8Arrays on records, made once for each place.
 *
 * A new view costs 19 to 54 ns, as much as everything else that a record needs. Records of one size come back to the same
 * places each lap, so their views are kept, in a direct-mapped table:
 *
 *   offset of the payload in the ring ──► row = offset >> shift ──► view, if it has that offset and length; else a new one
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

  constructor(buffer: SharedArrayBuffer, dataAt: number, capacityWords: number) {
    this.#buffer = buffer
    this.#dataAt = dataAt
    this.#shift = Math.max(LOG2_ROW_WORDS, log2Ceil(capacityWords / MOST_ROWS))
    // Filled: a table that grew with gaps would become a dictionary, and slow.
    this.#rows = new Array<Bytes | undefined>(capacityWords >>> this.#shift).fill(undefined)
  }

  /** The view of `lengthBytes` bytes at a word of the ring. */
  at(payload: number, lengthBytes: number): Bytes {
    const row = (payload - this.#dataAt) >>> this.#shift
    const kept = this.#rows[row]
    if (kept?.length === lengthBytes && kept.byteOffset === payload * 4) return kept
    return (this.#rows[row] = new Uint8Array(this.#buffer, payload * 4, lengthBytes))
  }
}
