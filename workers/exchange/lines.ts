/**
 * Records of any text: fields, whole numbers and their sum, the longest line.
 *
 *   12;-7, total 3.5 x9      five fields: 12, -7, total, 3.5, x9. Two are whole numbers; their sum is 5
 *
 * A field is a run of bytes above the space, without comma and semicolon. A whole number has one to nine digits, and a minus
 * if it likes: so the sum of a block stays exact in a double.
 */

import type { Tally } from './tally.ts'

const SPACE = 0x20
const COMMA = 0x2c
const MINUS = 0x2d
const SEMICOLON = 0x3b
const ZERO = 0x30
const MOST_DIGITS = 9

export class LineTally implements Tally {
  longest = 0
  #fields = 0
  #numbers = 0
  #empty = 0
  #sum = 0n
  /** Not yet in #sum: a BigInt for each record would cost more than all the rest. */
  #recent = 0

  add(bytes: Uint8Array, start: number, end: number): void {
    if (end - start > this.longest) this.longest = end - start
    if (start === end) this.#empty++

    let at = start
    while (at < end) {
      if (isSeparator(bytes[at])) at++
      else at = this.#addField(bytes, at, end)
    }
    if (Math.abs(this.#recent) > 2 ** 52) this.#settle()
  }

  /** Takes the field that begins at `start`, and returns where it ends. */
  #addField(bytes: Uint8Array, start: number, end: number): number {
    this.#fields++
    const isNegative = bytes[start] === MINUS
    const first = isNegative ? start + 1 : start
    let value = 0
    let digits = 0
    let at = first
    for (; at < end && !isSeparator(bytes[at]); at++) {
      const digit = bytes[at] - ZERO
      if (digit >= 0 && digit <= 9 && digits === at - first && digits < MOST_DIGITS) {
        value = value * 10 + digit
        digits++
      }
    }
    if (digits > 0 && digits === at - first) {
      this.#numbers++
      this.#recent += isNegative ? -value : value
    }
    return at
  }

  counts(): Record<string, number> {
    return { fields: this.#fields, numbers: this.#numbers, 'empty lines': this.#empty }
  }

  get sum(): bigint {
    this.#settle()
    return this.#sum
  }

  #settle(): void {
    this.#sum += BigInt(this.#recent)
    this.#recent = 0
  }
}

function isSeparator(byte: number): boolean {
  return byte <= SPACE || byte === COMMA || byte === SEMICOLON
}
