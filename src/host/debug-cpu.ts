/**
 * The debug Cpu: any Cpu, with its addresses asserted first.
 *
 * An index outside the words wraps silently in wasm and reads undefined in JavaScript; here it stops the program at the
 * instruction that did it. Costs a compare an instruction; switched on with PAGEFRAME_DEBUG=1 or in tests.
 */

import { assert } from '../words/assert.ts'
import type { Cpu } from './cpu.ts'

/** `inner`, with every address checked against a memory of `lengthBytes`. Word 0 is the superblock's magic: never written. */
export function debugCpu(inner: Cpu, lengthBytes: number): Cpu {
  const lengthWords = lengthBytes / 4

  const word = (at: number): number => {
    assert(Number.isInteger(at) && at >= 0 && at < lengthWords, `word ${at} is outside the memory`)
    return at
  }
  const pair = (at: number): number => {
    assert(at % 2 === 0, `word ${at} does not begin a pair`)
    return word(at + 1) - 1
  }
  const value = (number: number): number => {
    assert((number | 0) === number, `${number} is not an int32`)
    return number
  }
  const range = (atByte: number, bytes: number): number => {
    const inside = Number.isInteger(atByte) && Number.isInteger(bytes) && atByte >= 0 && bytes >= 0
    assert(inside && atByte + bytes <= lengthBytes, `bytes ${atByte}+${bytes} are outside the memory`)
    return atByte
  }

  return {
    load: (at) => inner.load(word(at)),
    store: (at, v) => {
      inner.store(word(at), value(v))
    },
    add: (at, v) => inner.add(word(at), value(v)),
    sub: (at, v) => inner.sub(word(at), value(v)),
    and: (at, v) => inner.and(word(at), value(v)),
    or: (at, v) => inner.or(word(at), value(v)),
    xor: (at, v) => inner.xor(word(at), value(v)),
    exchange: (at, v) => inner.exchange(word(at), value(v)),
    compareExchange: (at, expected, v) => inner.compareExchange(word(at), value(expected), value(v)),
    storeLoad: (at, v, other) => inner.storeLoad(word(at), value(v), word(other)),
    guardedCompareExchange: (guard, own, at, expected, v) =>
      inner.guardedCompareExchange(word(guard), value(own), word(at), value(expected), value(v)),
    guardedAddOne: (guard, own, at) => inner.guardedAddOne(word(guard), value(own), word(at)),
    guardedTakeOne: (guard, own, at) => inner.guardedTakeOne(word(guard), value(own), word(at)),
    guardedPairLoad: (guard, own, at, expected, v, other) =>
      inner.guardedPairLoad(word(guard), value(own), pair(at), value(expected), value(v), word(other)),
    plainLoad: (at) => inner.plainLoad(word(at)),
    plainStore: (at, v) => {
      inner.plainStore(word(at), value(v))
    },
    copy: (to, from, bytes) => {
      inner.copy(range(to, bytes), range(from, bytes), bytes)
    },
    fill: (at, v, bytes) => {
      inner.fill(range(at, bytes), v, bytes)
    },
    compare: (left, right, bytes) => inner.compare(range(left, bytes), range(right, bytes), bytes),
    spinWhileEqual: (at, v, turns) => inner.spinWhileEqual(word(at), value(v), turns),
  }
}
