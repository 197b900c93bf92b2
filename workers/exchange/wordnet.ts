/**
 * Records of WordNet: the lines of its data.noun, data.verb, data.adj and data.adv, field by field.
 *
 *   00001740 03 n 01 entity 0 003 ~ 00001930 n 0000 ~ 00002137 n 0000 ~ 04431553 n 0000 | that which is perceived ...
 *   │        │  │ │  │      │ │   │ │        │ │                                          └ gloss
 *   │        │  │ │  │      │ │   └ pointers: symbol, offset of the other synset, its type, from and to which word
 *   │        │  │ │  └ words, each with its lex id       └ how many pointers, decimal
 *   │        │  │ └ how many words, hexadecimal
 *   │        │  └ synset type: n, v, a, s (satellite of an adjective), r (adverb)
 *   │        └ number of the lexicographer file
 *   └ offset of this line in its file
 *
 * A line that is anything else (the licence at the top of each file, a part of a line longer than a block) counts as another
 * line, and adds nothing more: all of a synset is taken, or nothing.
 *
 * See: wndb(5WN).
 */

import type { Tally } from './tally.ts'

const SPACE = 0x20
const UNDERSCORE = 0x5f
const BAR = 0x7c
const ZERO = 0x30
const LOWER_A = 0x61

const TYPES = { n: 'noun', v: 'verb', a: 'adjective', s: 'satellite', r: 'adverb' }

/** Up to the first word: offset, file number, type, word count, each with its space. */
const HEAD_BYTES = 17
/** Behind a pointer's symbol and space: offset, type, from and to, each with its space. */
const POINTER_BYTES = 16

/** A pointer's symbol is one or two bytes of ASCII: seven bits each. */
const SYMBOLS = 1 << 14
const MOST_POINTERS = 999
const FILES = 100

export class WordnetTally implements Tally {
  /** Bytes of the longest gloss. */
  longest = 0
  #words = 0
  #collocations = 0
  #others = 0
  /** Sum of the pointers' offsets: of eight digits each, it stays exact for a hundred million of them. */
  #offsets = 0
  readonly #types = new Float64Array(128)
  readonly #files = new Float64Array(FILES)
  readonly #pointers = new Float64Array(SYMBOLS)
  /** The symbols of the line at hand: they count when all of it has proved sound. */
  readonly #symbols = new Uint16Array(MOST_POINTERS)

  add(bytes: Uint8Array, start: number, end: number): void {
    if (!this.#addSynset(bytes, start, end)) this.#others++
  }

  #addSynset(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < HEAD_BYTES || decimal(bytes, start, 8) < 0) return false
    const file = decimal(bytes, start + 9, 2)
    const type = bytes[start + 12]
    const words = hexadecimal(bytes, start + 14)
    if (file < 0 || words < 0 || !isType(type) || bytes[start + 13] !== SPACE) return false

    let at = start + HEAD_BYTES
    let collocations = 0
    for (let word = 0; word < words; word++) {
      const wordEnd = fieldEnd(bytes, at, end)
      if (includes(bytes, at, wordEnd, UNDERSCORE)) collocations++
      at = fieldEnd(bytes, wordEnd + 1, end) + 1 // behind the lex id
    }

    if (at + 4 > end) return false
    const pointers = decimal(bytes, at, 3)
    if (pointers < 0) return false
    at += 4
    let offsets = 0
    for (let pointer = 0; pointer < pointers; pointer++) {
      const symbolEnd = fieldEnd(bytes, at, end)
      const symbol = symbolAt(bytes, at, symbolEnd)
      if (symbol < 0 || symbolEnd + POINTER_BYTES >= end) return false
      const offset = decimal(bytes, symbolEnd + 1, 8)
      if (offset < 0 || !isTarget(bytes, symbolEnd + 10)) return false
      this.#symbols[pointer] = symbol
      offsets += offset
      at = symbolEnd + 1 + POINTER_BYTES
    }

    while (at < end && bytes[at] !== BAR) at++ // a verb's sentence frames
    if (at >= end) return false
    this.#count(type, file, words, collocations, pointers, offsets, glossLength(bytes, at + 1, end))
    return true
  }

  #count(
    type: number,
    file: number,
    words: number,
    collocations: number,
    pointers: number,
    offsets: number,
    gloss: number,
  ): void {
    this.#types[type]++
    this.#files[file]++
    this.#words += words
    this.#collocations += collocations
    for (let pointer = 0; pointer < pointers; pointer++) this.#pointers[this.#symbols[pointer]]++
    this.#offsets += offsets
    if (gloss > this.longest) this.longest = gloss
  }

  counts(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const [letter, name] of Object.entries(TYPES)) {
      counts[`synsets: ${name}`] = this.#types[letter.charCodeAt(0)]
    }
    counts.words = this.#words
    counts.collocations = this.#collocations
    counts['other lines'] = this.#others
    this.#pointers.forEach((count, symbol) => {
      if (count > 0) counts[`pointers: ${symbolText(symbol)}`] = count
    })
    this.#files.forEach((count, file) => {
      if (count > 0) counts[`file: ${file}`] = count
    })
    return counts
  }

  get sum(): bigint {
    return BigInt(this.#offsets)
  }
}

function isType(byte: number): boolean {
  return byte === 0x6e || byte === 0x76 || byte === 0x61 || byte === 0x73 || byte === 0x72 // n v a s r
}

/** The number that these digits and the space behind them make, or -1. */
function decimal(bytes: Uint8Array, start: number, digits: number): number {
  let value = 0
  for (let at = start; at < start + digits; at++) {
    const digit = bytes[at] - ZERO
    if (!(digit >= 0 && digit <= 9)) return -1
    value = value * 10 + digit
  }
  return bytes[start + digits] === SPACE ? value : -1
}

/** The number that two hexadecimal digits and the space behind them make, or -1. */
function hexadecimal(bytes: Uint8Array, start: number): number {
  const high = hexDigit(bytes[start])
  const low = hexDigit(bytes[start + 1])
  return high < 0 || low < 0 || bytes[start + 2] !== SPACE ? -1 : high * 16 + low
}

function hexDigit(byte: number): number {
  if (byte >= ZERO && byte <= ZERO + 9) return byte - ZERO
  return byte >= LOWER_A && byte < LOWER_A + 6 ? byte - LOWER_A + 10 : -1
}

/** The next space at or behind `start`, or the end. */
function fieldEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && bytes[at] !== SPACE) at++
  return at
}

function includes(bytes: Uint8Array, start: number, end: number, byte: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === byte) return true
  return false
}

/** What stands in [start, end), if that is one or two visible characters of ASCII; else -1. */
function symbolAt(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length < 1 || length > 2 || !isVisible(bytes[start])) return -1
  if (length === 1) return bytes[start]
  return isVisible(bytes[start + 1]) ? bytes[start] | (bytes[start + 1] << 7) : -1
}

function isVisible(byte: number): boolean {
  return byte > SPACE && byte < 0x7f
}

/** The other synset's type, and from which word to which: `n 0102 `. */
function isTarget(bytes: Uint8Array, start: number): boolean {
  if (!isType(bytes[start]) || bytes[start + 1] !== SPACE || bytes[start + 6] !== SPACE) return false
  for (let at = start + 2; at < start + 6; at++) if (hexDigit(bytes[at]) < 0) return false
  return true
}

function symbolText(symbol: number): string {
  const second = symbol >>> 7
  return String.fromCharCode(symbol & 0x7f) + (second === 0 ? '' : String.fromCharCode(second))
}

/** Bytes of the gloss without the spaces around it. */
function glossLength(bytes: Uint8Array, start: number, end: number): number {
  let first = start
  let last = end
  while (first < last && bytes[first] === SPACE) first++
  while (last > first && bytes[last - 1] === SPACE) last--
  return last - first
}
