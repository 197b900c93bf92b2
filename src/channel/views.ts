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
  declare private readonly buffer: SharedArrayBuffer
  declare private readonly dataAt: number
  declare private readonly shift: number
  declare private readonly rowCount: number
  /** Both tables are empty until the first view. */
  private rows: (Bytes | undefined)[] = []
  /** Where the view in each row begins, as a word of the memory; 0 for none, since no payload lies there. */
  private begins = new Int32Array(0)

  constructor(buffer: SharedArrayBuffer, dataAt: number, capacityWords: number) {
    this.buffer = buffer
    this.dataAt = dataAt
    this.shift = Math.max(LOG2_ROW_WORDS, log2Ceil(capacityWords / MOST_ROWS))
    this.rowCount = capacityWords >>> this.shift
  }

  /** The view of `lengthBytes` bytes at a word of the ring. */
  at(payload: number, lengthBytes: number): Bytes {
    const row = (payload - this.dataAt) >>> this.shift
    const kept = this.rows[row]
    if (this.begins[row] === payload && kept?.length === lengthBytes) return kept
    return this.make(row, payload, lengthBytes)
  }

  private make(row: number, payload: number, lengthBytes: number): Bytes {
    if (this.rows.length === 0) this.allot()
    const made = new Uint8Array(this.buffer, payload * 4, lengthBytes)
    this.rows[row] = made
    this.begins[row] = payload
    return made
  }

  private allot(): void {
    // Filled: a table that grew with gaps would become a dictionary, and slow.
    this.rows = new Array<Bytes | undefined>(this.rowCount).fill(undefined)
    this.begins = new Int32Array(this.rowCount)
  }
}
