/**
 * The instructions of Cpu as the explorer executes them: one table, one entry each, one transition each.
 *
 * An entry says what the instruction does to the cells, what it returns, and which words it touches: that is what two
 * threads can race for.
 */

import type { Cpu } from '../host/cpu.ts'
import type { Cells } from './cells.ts'

/** All that are one step each. storeLoad() and the guarded ones are several, and others come in between. */
export type InstructionName = Exclude<keyof Cpu, 'storeLoad' | `guarded${string}`>

export interface Instruction {
  readonly operands: number
  readonly returns: boolean
  /** True for those whose operands are byte indices. */
  readonly isOnBytes: boolean
  /** True for accesses without order, which can race. */
  readonly isPlain: boolean
  execute(cells: Cells, a: number, b: number, c: number): number
  touches(a: number, b: number, c: number): readonly Access[]
}

/** Words [first, end). */
export interface Access {
  readonly first: number
  readonly end: number
  readonly writes: boolean
}

const load = readsWord((cells, at) => cells.values[at])
const store = writesWord(2, false, (cells, at, value) => {
  cells.set(at, value)
  return 0
})

export const instructions: Readonly<Record<InstructionName, Instruction>> = {
  load,
  store,
  add: updatesWord((old, value) => old + value),
  sub: updatesWord((old, value) => old - value),
  and: updatesWord((old, mask) => old & mask),
  or: updatesWord((old, mask) => old | mask),
  xor: updatesWord((old, mask) => old ^ mask),
  exchange: updatesWord((_old, value) => value),
  compareExchange: writesWord(3, true, (cells, at, expected, value) => {
    const old = cells.values[at]
    if (old === expected) cells.set(at, value)
    return old
  }),
  // Enabled only while the word differs, so it returns what it waited for. Giving up after so many turns would show the
  // loop around it the word it knows already: whatever comes of that, comes of not having run yet.
  spinWhileEqual: { ...load, operands: 3 },

  plainLoad: { ...load, isPlain: true },
  plainStore: { ...store, isPlain: true },
  copy: {
    operands: 3,
    returns: false,
    isOnBytes: true,
    isPlain: true,
    execute: (cells, to, from, length) =>
      cells.rewrite(to >>> 2, (to + length + 3) >>> 2, () => {
        cells.bytes.copyWithin(to, from, from + length)
        return 0
      }),
    touches: (to, from, length) => [bytes(from, length, false), bytes(to, length, true)],
  },
  fill: {
    operands: 3,
    returns: false,
    isOnBytes: true,
    isPlain: true,
    execute: (cells, at, value, length) =>
      cells.rewrite(at >>> 2, (at + length + 3) >>> 2, () => {
        cells.bytes.fill(value, at, at + length)
        return 0
      }),
    touches: (at, _value, length) => [bytes(at, length, true)],
  },
  compare: {
    operands: 3,
    returns: true,
    isOnBytes: true,
    isPlain: true,
    execute: (cells, left, right, length) => {
      for (let i = 0; i < length; i++) {
        const difference = cells.bytes[left + i] - cells.bytes[right + i]
        if (difference !== 0) return difference
      }
      return 0
    },
    touches: (left, right, length) => [bytes(left, length, false), bytes(right, length, false)],
  },
}

function readsWord(execute: Instruction['execute']): Instruction {
  const touches = (at: number): Access[] => [{ first: at, end: at + 1, writes: false }]
  return { operands: 1, returns: true, isOnBytes: false, isPlain: false, execute, touches }
}

function writesWord(operands: number, returns: boolean, execute: Instruction['execute']): Instruction {
  const touches = (at: number): Access[] => [{ first: at, end: at + 1, writes: true }]
  return { operands, returns, isOnBytes: false, isPlain: false, execute, touches }
}

function updatesWord(next: (old: number, operand: number) => number): Instruction {
  return writesWord(2, true, (cells, at, operand) => {
    const old = cells.values[at]
    cells.set(at, next(old, operand) | 0)
    return old
  })
}

function bytes(atByte: number, lengthBytes: number, writes: boolean): Access {
  const first = atByte >>> 2
  return { first, end: lengthBytes === 0 ? first : (atByte + lengthBytes + 3) >>> 2, writes }
}
