/**
 * An account of an exchange: a tally of the records, and a checksum of every byte with its place.
 *
 *   block     │ record \n record \n record \n │      whole lines, at some position of the input
 *   checksum  sum of (place in the input + 1) * byte, modulo 2^32
 *   tally     counts, one sum and one maximum of what the records say
 *
 * Invariants
 *  1. Both are sums (and one maximum) over bytes and records, so the order of the blocks does not matter, and what several
 *     consumers have can be merged.
 *  2. A byte that is lost, doubled, changed or out of place changes the checksum.
 *  3. A block is read in place: no string is made of it, and nothing is copied.
 */

import { LineTally } from './lines.ts'
import type { Kind, Result, Tally } from './tally.ts'
import { WordnetTally } from './wordnet.ts'

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

export function createTally(kind: Kind): Tally {
  return kind === 'wordnet' ? new WordnetTally() : new LineTally()
}

/** A tally and a checksum, growing together. */
export class Account {
  readonly #tally: Tally
  #records = 0
  #checksum = 0

  constructor(kind: Kind) {
    this.#tally = createTally(kind)
  }

  /** Takes a block: whole lines, the last of which may lack its line feed. */
  addBlock(block: Uint8Array, position: number): void {
    this.addChecksum(block, position)
    let start = 0
    while (start < block.length) {
      const end = lineEnd(block, start)
      this.addRecord(block, start, end)
      start = end
    }
  }

  /** Takes one record in [start, end), its line end included if it has one. */
  addRecord(bytes: Uint8Array, start: number, end: number): void {
    let last = end
    if (last > start && bytes[last - 1] === LINE_FEED) {
      last--
      if (last > start && bytes[last - 1] === CARRIAGE_RETURN) last--
    }
    this.#records++
    this.#tally.add(bytes, start, last)
  }

  addChecksum(bytes: Uint8Array, position: number): void {
    this.#checksum = (this.#checksum + checksumOf(bytes, position)) | 0
  }

  result(): Result {
    return {
      records: this.#records,
      counts: this.#tally.counts(),
      sum: this.#tally.sum,
      longest: this.#tally.longest,
      checksum: this.#checksum >>> 0,
    }
  }
}

/** Behind the line feed of the line that begins at `start`, or the end of the bytes. */
function lineEnd(bytes: Uint8Array, start: number): number {
  // A loop, not indexOf(): on shared bytes that is slower, on others faster, and all transports shall do the same work.
  const { length } = bytes
  let at = start
  while (at < length && bytes[at] !== LINE_FEED) at++
  return Math.min(at + 1, length)
}

/**
 * In slices, each a call of its own: V8 must have seen the end of the function before it compiles the loop. Compiled in the
 * middle of its first long run, the loop's code was thrown away at the end of each, and the exchange took twice as long.
 */
const SLICE_BYTES = 1024

/** The part of these bytes, which begin at `position` of the input, in its checksum. */
export function checksumOf(bytes: Uint8Array, position: number): number {
  let checksum = 0
  for (let start = 0; start < bytes.length; start += SLICE_BYTES) {
    const end = Math.min(start + SLICE_BYTES, bytes.length)
    checksum = (checksum + sliceChecksum(bytes, start, end, position)) | 0
  }
  return checksum
}

function sliceChecksum(bytes: Uint8Array, start: number, end: number, position: number): number {
  let sum = 0
  let descending = 0 // the first byte of the slice as often as it has bytes, the last one once
  for (let at = start; at < end; at++) {
    sum = (sum + bytes[at]) | 0
    descending = (descending + sum) | 0
  }
  return (Math.imul((position + end + 1) | 0, sum) - descending) | 0
}
