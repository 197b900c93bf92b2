/** Tallies: what is counted in records, whichever way they are read (wordnet.ts, lines.ts). */

/** How records are read: as synsets of WordNet, or as lines of anything. */
export type Kind = 'wordnet' | 'lines'

/** One way to read records. */
export interface Tally {
  /** Takes the record in [start, end), without its line end. */
  add(bytes: Uint8Array, start: number, end: number): void
  counts(): Record<string, number>
  /** The sum of the numbers in the records, exact. */
  readonly sum: bigint
  /** Bytes of the longest record, or of whatever else the kind measures. */
  readonly longest: number
}

export interface Result {
  readonly records: number
  readonly counts: Record<string, number>
  readonly sum: bigint
  readonly longest: number
  readonly checksum: number
}
