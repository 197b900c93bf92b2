/**
 * The Thread and the Cpu that an operation gets: each call becomes a request of the rerun.
 *
 * Addresses and values are checked here as the debug Cpu checks them. Hints never become requests at all.
 *
 * Invariants
 *  1. Nothing outlives the rerun.
 *  2. What a method answers follows from the model and the results so far.
 *  3. The thread's methods need no `this`: an operation may take them out of it, `({ cpu, choose }) => ...`.
 */

import type { Cpu } from '../host/cpu.ts'
import { tidOf } from '../threads/slot.ts'
import { instructions, type InstructionName } from './instructions.ts'
import type { GhostUpdate, ModelThread } from './model.ts'
import { MAY_TIME_OUT, request, RUNG, TELLS_APART, type Rerun } from './rerun.ts'
import type { Setting } from './setting.ts'

export class ThreadDouble implements ModelThread {
  readonly cpu: Cpu
  readonly index: number
  readonly at: number
  readonly tid: number
  readonly spinTurns: number
  readonly wordCount: number
  readonly #rerun: Rerun
  readonly #handsOff: boolean
  #now = 0

  constructor(setting: Setting, index: number, rerun: Rerun) {
    this.cpu = new CpuDouble(setting, rerun)
    this.index = index
    this.at = setting.slotAt(index)
    this.tid = tidOf(index, 1)
    this.spinTurns = setting.model.spinTurns ?? 0
    this.wordCount = setting.words
    this.#rerun = rerun
    this.#handsOff = setting.model.handOff ?? false
  }

  readonly sleep = (at: number, value: number, deadline: number): boolean => {
    const options = deadline === Infinity ? 0 : MAY_TIME_OUT
    const wasRung = this.#rerun.ask(request('sleep', 'sleep', at, value, options)) === RUNG
    if (!wasRung) this.#now = deadline | 0
    return wasRung
  }

  readonly ring = (at: number): void => {
    this.#rerun.ask(request('ring', 'ring', at, 1))
  }

  /** As Atomics.wait(): TIMED_OUT, RUNG or DIFFERED. */
  readonly wait = (at: number, value: number, canTimeOut: boolean): number => {
    const options = TELLS_APART | (canTimeOut ? MAY_TIME_OUT : 0)
    return this.#rerun.ask(request('sleep', 'wait', at, value, options))
  }

  /** As Atomics.notify(): how many it woke. */
  readonly notify = (at: number, count: number): number => {
    return this.#rerun.ask(request('ring', 'notify', at, count, 1))
  }

  readonly awaitChange = (at: number, value: number): void => {
    this.#rerun.ask(request('awaitChange', 'awaitChange', at, value))
  }

  readonly count = (): void => {
    // What is counted decides nothing: it takes no step.
  }

  /** Time stands still, except that a sleep which timed out has lasted until its deadline. */
  readonly now = (): number => {
    return this.#now
  }

  readonly deadlineIn = (ms: number): number => {
    return this.#now + ms
  }

  readonly isStarving = (): boolean => {
    return this.#handsOff && this.choose(2) === 1
  }

  readonly ghost = (update: GhostUpdate): number => {
    return this.#rerun.ask(request('ghost', 'ghost', 0, 0, 0, update))
  }

  readonly choose = (count: number): number => {
    if (!(count >= 1))
      this.#rerun.stop(request('failed', `choose(${count}): there is nothing to choose from`))
    return this.#rerun.ask(request('choose', 'choose', count))
  }

  readonly assert = (claim: boolean, message: string): void => {
    if (!claim) this.#rerun.stop(request('failed', message))
  }
}

class CpuDouble implements Cpu {
  readonly #setting: Setting
  readonly #rerun: Rerun

  constructor(setting: Setting, rerun: Rerun) {
    this.#setting = setting
    this.#rerun = rerun
  }

  load(at: number): number {
    return this.#word('load', at)
  }

  store(at: number, value: number): void {
    this.#word('store', at, value)
  }

  add(at: number, value: number): number {
    return this.#word('add', at, value)
  }

  sub(at: number, value: number): number {
    return this.#word('sub', at, value)
  }

  and(at: number, mask: number): number {
    return this.#word('and', at, mask)
  }

  or(at: number, mask: number): number {
    return this.#word('or', at, mask)
  }

  xor(at: number, mask: number): number {
    return this.#word('xor', at, mask)
  }

  exchange(at: number, value: number): number {
    return this.#word('exchange', at, value)
  }

  compareExchange(at: number, expected: number, value: number): number {
    return this.#word('compareExchange', at, expected, value)
  }

  storeLoad(at: number, value: number, other: number): number {
    this.#word('store', at, value)
    return this.#word('load', other)
  }

  guardedCompareExchange(guard: number, own: number, at: number, expected: number, value: number): number {
    return this.plainLoad(guard) === own ? this.compareExchange(at, expected, value) ^ expected : -1
  }

  guardedAddOne(guard: number, own: number, at: number): number {
    const seen = this.plainLoad(at)
    if (seen < 0 || seen === 0x7fffffff) return -1
    return this.guardedCompareExchange(guard, own, at, seen, seen + 1)
  }

  guardedTakeOne(guard: number, own: number, at: number): number {
    const seen = this.plainLoad(at)
    return seen <= 0 ? -1 : this.guardedCompareExchange(guard, own, at, seen, seen - 1)
  }

  /** The pair is written by its own thread only: one after the other is as good as both at once. */
  guardedPairLoad(
    guard: number,
    own: number,
    at: number,
    expected: number,
    value: number,
    other: number,
  ): number {
    const isDone =
      this.plainLoad(at + 1) === 0 && this.guardedCompareExchange(guard, own, at, expected, value) === 0
    return isDone ? this.load(other) : -1
  }

  plainLoad(at: number): number {
    return this.#setting.isHint(at) ? 0 : this.#word('plainLoad', at)
  }

  plainStore(at: number, value: number): void {
    if (!this.#setting.isHint(at)) this.#word('plainStore', at, value)
  }

  /** Where words are racy another thread may come in between any two of them, so there they go one by one. */
  copy(toByte: number, fromByte: number, lengthBytes: number): void {
    if (!this.#isRacy('copy', toByte, fromByte, lengthBytes)) {
      this.#bytes('copy', toByte, fromByte, lengthBytes)
      return
    }
    for (let i = 0; i < lengthBytes / 4; i++)
      this.plainStore(toByte / 4 + i, this.plainLoad(fromByte / 4 + i))
  }

  fill(atByte: number, value: number, lengthBytes: number): void {
    if (!this.#isRacy('fill', atByte, 0, lengthBytes)) {
      this.#bytes('fill', atByte, value, lengthBytes)
      return
    }
    for (let i = 0; i < lengthBytes / 4; i++)
      this.plainStore(atByte / 4 + i, Math.imul(value & 0xff, 0x01010101))
  }

  compare(leftByte: number, rightByte: number, lengthBytes: number): number {
    if (this.#isRacy('compare', leftByte, rightByte, lengthBytes))
      this.#refuse('compare() of racy words is not modelled')
    return this.#bytes('compare', leftByte, rightByte, lengthBytes)
  }

  spinWhileEqual(at: number, value: number, turns: number): number {
    return this.#word('spinWhileEqual', at, value, turns)
  }

  #word(name: InstructionName, at: number, left = 0, right = 0): number {
    const isInside = Number.isInteger(at) && at >= 0 && at < this.#setting.words
    if (!isInside) this.#refuse(`${name}: word ${at} is outside the memory`)
    if ((left | 0) !== left || (right | 0) !== right)
      this.#refuse(`${name}(${at}, ${left}, ${right}): not an int32`)
    return this.#rerun.ask(request('cpu', name, at, left, right))
  }

  #bytes(name: InstructionName, a: number, b: number, c: number): number {
    const ranges = instructions[name].touches(a, b, c)
    const isInside = c >= 0 && ranges.every(({ first, end }) => first >= 0 && end <= this.#setting.words)
    if (!isInside) this.#refuse(`${name}(${a}, ${b}, ${c}): bytes outside the memory`)
    return this.#rerun.ask(request('cpu', name, a, b, c))
  }

  #isRacy(name: InstructionName, a: number, b: number, c: number): boolean {
    for (const { first, end } of instructions[name].touches(a, b, c)) {
      for (let at = first; at < end; at++) {
        if (!this.#setting.isRacy(at)) continue
        if ((a | b | c) % 4 !== 0) this.#refuse(`${name}(${a}, ${b}, ${c}): racy bytes go in whole words`)
        return true
      }
    }
    return false
  }

  #refuse(why: string): never {
    return this.#rerun.stop(request('failed', why))
  }
}
