/**
 * futex: to sleep on a word of shared memory while it has a value, and to wake who sleeps there. What locks are made of.
 *
 *   words   an Int32Array or Uint32Array that lies in a SharedMemory: Region.as(Int32Array)
 *   key     0 and the word's index in the memory: the same futex in every thread, whatever view it is seen through
 *
 * See: futex(2), futex_waitv(2). Differences: the calls have names instead of operations; times are relative (Linux has
 * both); a wake-up whose receiver dies goes to the next waiter; there are no priorities (FUTEX_LOCK_PI and its kin).
 */

import { deadlineAfter } from '../host/clock.ts'
import type { AsyncSteps } from '../memory/async-waits.ts'
import type { Attachment } from '../memory/attachment.ts'
import { attachmentOf } from '../memory/inventory.ts'
import {
  abandonFutexWait,
  beginFutexWait,
  FUTEX_OP_ADD,
  FUTEX_OP_ANDN,
  FUTEX_OP_CMP_EQ,
  FUTEX_OP_CMP_GE,
  FUTEX_OP_CMP_GT,
  FUTEX_OP_CMP_LE,
  FUTEX_OP_CMP_LT,
  FUTEX_OP_CMP_NE,
  FUTEX_OP_OR,
  FUTEX_OP_SET,
  FUTEX_OP_XOR,
  FUTEX_WAITV_MAX,
  futexRequeue,
  futexWait,
  futexWaitv,
  futexWake,
  futexWakeOp,
  onBellFutexWait,
} from '../sync/futex.ts'
import { ANY } from '../sync/wait-record.ts'
import { EAGAIN, ENOMEM, ErrnoError, ESTALE, ETIMEDOUT } from '../words/errno.ts'
import {
  asyncWaitOf,
  assertOptions,
  integer,
  oneOf,
  timeoutOf,
  typeError,
  usageError,
} from '../words/usage.ts'
import { noRecord } from './explain.ts'
import type { AsyncWait, Wait } from './lockable.ts'

export type FutexWords = Int32Array<SharedArrayBuffer> | Uint32Array<SharedArrayBuffer>

export interface FutexBits {
  /** Which wake-ups and waits meet: those that have a bit in common. All bits if absent; 0 is refused. */
  bitset?: number
}

export interface FutexRequeue {
  /** How many are woken; 1 if absent. */
  wake?: number
  /** How many of the others are moved; all if absent (Infinity). */
  requeue?: number
  /** What the first word must hold, else EAGAIN. */
  expected?: number
}

const OPERATIONS = {
  set: FUTEX_OP_SET,
  add: FUTEX_OP_ADD,
  or: FUTEX_OP_OR,
  andn: FUTEX_OP_ANDN,
  xor: FUTEX_OP_XOR,
} as const
const COMPARISONS = {
  eq: FUTEX_OP_CMP_EQ,
  ne: FUTEX_OP_CMP_NE,
  lt: FUTEX_OP_CMP_LT,
  le: FUTEX_OP_CMP_LE,
  gt: FUTEX_OP_CMP_GT,
  ge: FUTEX_OP_CMP_GE,
} as const

export interface FutexWakeOp {
  /** How many waiters of the first word are woken; 1 if absent. */
  wake?: number
  /** How many of the second, if the comparison holds; 1 if absent. */
  wake2?: number
  /** What is done to the second word, in one step: word = operand, + operand, | operand, & ~operand, ^ operand. */
  op: keyof typeof OPERATIONS
  operand: number
  /** How the second word's old value must compare with `value`, as signed numbers: old == value, != ... */
  compare: keyof typeof COMPARISONS
  value: number
}

/** A word to wait for, and what it must hold for that. */
export interface FutexWaiter {
  words: FutexWords
  index: number
  expected: number
}

const MOST = 0x7fffffff

export const futex = {
  /**
   * Sleeps while words[index] holds `expected`: true when woken, false at once if it holds something else. The look at the
   * word and the falling asleep are one step for whoever changes the word and then calls wake(). May be true without a
   * wake(): look at the word again, as after every futex wait.
   *
   * Throws ErrnoError ETIMEDOUT; ESTALE (the Region was destroyed).
   */
  wait(words: FutexWords, index: number, expected: number, wait?: Wait & FutexBits): boolean {
    const { context, at } = wordOf('futex.wait()', words, index)
    const value = int32('futex.wait()', 'expected', expected)
    const timeoutMs = timeoutOf('futex.wait()', wait)
    const bitset = bitsetOf('futex.wait()', wait)
    const result = context.waiting(
      () => `${labelOf(at)} has not been woken`,
      () => futexWait(context.lot, at, 0, at, value, bitset, deadlineAfter(timeoutMs)),
    )
    if (result === -ETIMEDOUT) throw late('wait', at, timeoutMs)
    return answer(context, 'wait', result)
  },

  /** The same without blocking the thread. */
  async waitAsync(
    words: FutexWords,
    index: number,
    expected: number,
    wait: AsyncWait & FutexBits = {},
  ): Promise<boolean> {
    const { context, at } = wordOf('futex.waitAsync()', words, index)
    const value = int32('futex.waitAsync()', 'expected', expected)
    const read = asyncWaitOf('futex.waitAsync()', wait)
    const bitset = bitsetOf('futex.waitAsync()', wait)
    const { lot } = context
    const steps: AsyncSteps = {
      begin: (record) => beginFutexWait(lot, at, 0, at, value, bitset, record),
      onBell: (record) => onBellFutexWait(lot, record),
      abandon: (record, outcome) => {
        abandonFutexWait(lot, record, outcome)
      },
      late: () => late('waitAsync', at, read.timeoutMs),
    }
    return answer(context, 'waitAsync', await context.waits.wait(steps, read.timeoutMs, read))
  },

  /** Wakes the first `count` waiters of a word, those whose bitset meets; Infinity: all. Returns how many there were. */
  wake(words: FutexWords, index: number, count = 1, bits?: FutexBits): number {
    const { context, at } = wordOf('futex.wake()', words, index)
    const most = countOf('futex.wake()', 'count', count)
    return futexWake(context.lot, 0, at, most, bitsetOf('futex.wake()', bits))
  },

  /**
   * Wakes the first waiters of one word and moves others to wait for another, in order, without waking them. Returns how
   * many were woken or moved. EAGAIN if `expected` is given and the first word holds something else.
   */
  requeue(
    words: FutexWords,
    index: number,
    toWords: FutexWords,
    toIndex: number,
    options: FutexRequeue = {},
  ): number {
    const call = 'futex.requeue()'
    assertOptions(call, options)
    const { wake = 1, requeue = Infinity, expected } = options
    const [from, to] = twoWords(call, wordOf(call, words, index), wordOf(call, toWords, toIndex))
    const most = countOf(call, 'wake', wake)
    const moved = countOf(call, 'requeue', requeue)
    const must =
      expected === undefined ? undefined : { at: from.at, value: int32(call, 'expected', expected) }
    const result = futexRequeue(from.context.lot, keyOf(from.at), keyOf(to.at), most, moved, must)
    if (result === -EAGAIN) {
      throw new ErrnoError(EAGAIN, 'requeue', `${labelOf(from.at)} does not hold ${expected}`)
    }
    return result
  },

  /**
   * Changes the second word, wakes waiters of the first, and, if the second's old value compares so, waiters of the second:
   * one step for whoever waits. Returns how many were woken.
   */
  wakeOp(words: FutexWords, index: number, words2: FutexWords, index2: number, options: FutexWakeOp): number {
    const call = 'futex.wakeOp()'
    assertOptions(call, options)
    const { wake = 1, wake2 = 1, op, operand, compare, value } = options
    const [first, second] = twoWords(call, wordOf(call, words, index), wordOf(call, words2, index2))
    return futexWakeOp(
      first.context.lot,
      second.at,
      keyOf(first.at),
      keyOf(second.at),
      countOf(call, 'wake', wake),
      countOf(call, 'wake2', wake2),
      OPERATIONS[oneOf(call, 'op', op, namesOf(OPERATIONS))],
      int32(call, 'operand', operand),
      COMPARISONS[oneOf(call, 'compare', compare, namesOf(COMPARISONS))],
      int32(call, 'value', value),
    )
  },

  /**
   * Sleeps until one of up to 128 words is woken: the index of one that was. undefined at once if one of them holds
   * something else than expected of it. All words lie in one memory. Throws ErrnoError ETIMEDOUT, ENOMEM, ESTALE.
   */
  waitv(waiters: readonly FutexWaiter[], wait?: Wait): number | undefined {
    const call = 'futex.waitv()'
    if (!Array.isArray(waiters)) throw typeError(call, 'waiters', 'an array', waiters)
    integer(call, 'waiters.length', waiters.length, 1, FUTEX_WAITV_MAX)
    // Array.from: map() passes over holes.
    const all = Array.from(waiters as readonly unknown[], (waiter, i) => {
      if (typeof waiter !== 'object' || waiter === null)
        throw typeError(call, `waiters[${i}]`, 'an object such as { words, index, expected }', waiter)
      const { words, index, expected } = waiter as FutexWaiter
      return { ...wordOf(call, words, index), expected: int32(call, 'expected', expected) }
    })
    const timeoutMs = timeoutOf(call, wait)
    const { context, at: firstAt } = all[0]
    const list = all.map((each) => {
      twoWords(call, all[0], each)
      return { at: each.at, key0: 0, key1: each.at, expected: each.expected }
    })
    const result = context.waiting(
      () => `${labelOf(firstAt)} and ${list.length - 1} others have not been woken`,
      () => futexWaitv(context.lot, list, deadlineAfter(timeoutMs)),
    )
    if (result >= 0) return result
    if (result === -ETIMEDOUT) throw late('waitv', firstAt, timeoutMs)
    return answer(context, 'waitv', result) ? 0 : undefined
  },
} as const

interface Word {
  readonly context: Attachment
  readonly at: number
}

/** The word of a view: what is asked of the view is asked once. */
function wordOf(call: string, words: unknown, index: unknown): Word {
  const tag = ArrayBuffer.isView(words)
    ? (words as { [Symbol.toStringTag]?: string })[Symbol.toStringTag]
    : ''
  if (tag !== 'Int32Array' && tag !== 'Uint32Array') {
    throw typeError(call, 'words', 'an Int32Array or a Uint32Array', words)
  }
  const { buffer, byteOffset, length } = words as FutexWords
  const place = integer(call, 'index', index, 0, Math.max(length - 1, 0))
  const context = attachmentOf(buffer)
  if (context === undefined || length === 0) {
    throw usageError(
      'ERR_PAGEFRAME_INVALID_ARGUMENT',
      `${call}: words must lie in a SharedMemory, as seen by this thread: Region.open(name).as(Int32Array)`,
    )
  }
  context.assertSound()
  return { context, at: (byteOffset >>> 2) + place }
}

function twoWords(call: string, one: Word, two: Word): [Word, Word] {
  if (one.context === two.context) return [one, two]
  throw usageError('ERR_PAGEFRAME_INVALID_ARGUMENT', `${call}: all words must lie in one memory`)
}

function keyOf(at: number): { readonly key0: number; readonly key1: number } {
  return { key0: 0, key1: at }
}

function labelOf(at: number): string {
  return `the futex at byte ${at * 4}`
}

/** A word's value, signed or not. */
function int32(call: string, argument: string, value: unknown): number {
  return integer(call, argument, value, -0x80000000, 0xffffffff) | 0
}

function countOf(call: string, argument: string, count: unknown): number {
  return count === Infinity ? Infinity : integer(call, argument, count, 0, MOST)
}

function bitsetOf(call: string, bits: FutexBits | undefined): number {
  const bitset = bits?.bitset
  if (bitset === undefined) return ANY
  const value = int32(call, 'bitset', bitset)
  if (value === 0) throw usageError('ERR_PAGEFRAME_INVALID_ARGUMENT', `${call}: bitset 0 meets nobody`)
  return value
}

function namesOf<K extends string>(table: Readonly<Record<K, number>>): K[] {
  return Object.keys(table) as K[]
}

function late(verb: string, at: number, timeoutMs: number): ErrnoError {
  return new ErrnoError(ETIMEDOUT, verb, `${labelOf(at)}: not woken in ${timeoutMs} ms`)
}

/** True: woken. False: a word held something else. */
function answer(context: Attachment, verb: string, result: number): boolean {
  if (result === 0) return true
  if (result === -EAGAIN) return false
  if (result === -ENOMEM) throw new ErrnoError(ENOMEM, verb, noRecord(context))
  throw new ErrnoError(ESTALE, verb, 'the Region that the word lies in was destroyed')
}
