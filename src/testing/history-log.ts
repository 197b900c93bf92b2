/**
 * HistoryLog: what threads call and get, written down in shared words as it happens, for linearize(). What a thread had
 * written when it was terminated is there.
 *
 *   word  0       1       2 ...
 *        ┌───────┬───────┬──────────────────────────────────────────────────┬─────
 *        │ clock │ count │ begin │ end │ thread │ call │ argument │ result   │ ...
 *        └───────┴───────┴──────────────────────────────────────────────────┴─────
 *
 *   clock   ticks at each begin and each end, so no two are the same
 *   begin   0 until the call begins: stored last, so an entry that has one is whole
 *   end     0 until the call has returned: stored last, behind the result
 */

import { atomicsCpu, type Cpu } from '../host/cpu.ts'
import { integer, typeError, usageError } from '../words/usage.ts'
import type { HistoryCall } from './linearizable.ts'

const CLOCK = 0
const COUNT = 1
const FIRST = 2
const ENTRY = 6
const [BEGIN, END, THREAD, CALL, ARGUMENT, RESULT] = [0, 1, 2, 3, 4, 5]
const MOST_CALLS = 1 << 24

/** A call as the log has it: a number that stands for the method, and one argument. */
export type LoggedCall = readonly [method: number, argument: number]

export class HistoryLog {
  /** What another thread needs to write into the same log: post it, and `new HistoryLog(words)` there. */
  readonly words: Int32Array<SharedArrayBuffer>
  readonly #cpu: Cpu
  readonly #first: number
  readonly #capacity: number

  /** A log for that many calls; or, in another thread, one that exists. */
  constructor(from: number | Int32Array<SharedArrayBuffer>) {
    if (typeof from === 'number') {
      const capacity = integer('new HistoryLog()', 'capacity', from, 1, MOST_CALLS)
      this.words = new Int32Array(new SharedArrayBuffer(4 * (FIRST + capacity * ENTRY)))
    } else {
      if (Object.prototype.toString.call((from as Partial<Int32Array> | undefined)?.buffer) !== SHARED)
        throw typeError('new HistoryLog()', 'from', 'a number of calls, or the words of a log', from)
      this.words = from
    }
    this.#cpu = atomicsCpu(this.words.buffer)
    this.#first = this.words.byteOffset / 4
    this.#capacity = Math.floor((this.words.length - FIRST) / ENTRY)
  }

  /** Right before a call. Returns what end() needs. Throws when the log is full. */
  begin(thread: number, method: number, argument = 0): number {
    const cpu = this.#cpu
    const index = cpu.add(this.#first + COUNT, 1)
    if (index >= this.#capacity) {
      const message = `HistoryLog.begin(): the log is full: it has room for ${this.#capacity} calls`
      throw usageError('ERR_PAGEFRAME_LOG_FULL', message)
    }
    const entry = this.#first + FIRST + index * ENTRY
    cpu.store(entry + THREAD, thread)
    cpu.store(entry + CALL, method)
    cpu.store(entry + ARGUMENT, argument)
    cpu.store(entry + BEGIN, cpu.add(this.#first + CLOCK, 1) + 1)
    return index
  }

  /** Right after it. */
  end(index: number, result = 0): void {
    const cpu = this.#cpu
    const entry = this.#first + FIRST + index * ENTRY
    cpu.store(entry + RESULT, result)
    cpu.store(entry + END, cpu.add(this.#first + CLOCK, 1) + 1)
  }

  /** begin(), the call, end(). What the call throws leaves it open. */
  record(thread: number, method: number, argument: number, call: () => number): number {
    const index = this.begin(thread, method, argument)
    const result = call()
    this.end(index, result)
    return result
  }

  /** What is in it, in the order of the begins. For a log that nobody writes to any more. */
  calls(): HistoryCall<LoggedCall, number>[] {
    const cpu = this.#cpu
    const calls: HistoryCall<LoggedCall, number>[] = []
    const count = Math.min(cpu.load(this.#first + COUNT), this.#capacity)
    for (let index = 0; index < count; index++) {
      const entry = this.#first + FIRST + index * ENTRY
      const begin = cpu.load(entry + BEGIN)
      const end = cpu.load(entry + END)
      if (begin === 0) continue // its thread died before it called
      calls.push({
        thread: cpu.load(entry + THREAD),
        call: [cpu.load(entry + CALL), cpu.load(entry + ARGUMENT)],
        begin,
        end: end === 0 ? undefined : end,
        result: end === 0 ? undefined : cpu.load(entry + RESULT),
      })
    }
    return calls.sort((a, b) => a.begin - b.begin)
  }

  /** Empties the log. Nobody may be writing. */
  clear(): void {
    this.words.fill(0)
  }
}

const SHARED = '[object SharedArrayBuffer]'
