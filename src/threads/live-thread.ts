/**
 * LiveThread: the Thread that a real thread of Node is, with doorbells that ring and a clock that runs.
 *
 * A blocked wait is cut into slices: before it sleeps (after 0 ms), at each slice's end, and each time it is rung,
 * `onSlice` has a look around (is the memory poisoned? does a new thread wait to be adopted?). It may throw. The short
 * locks of the kernel look too, after each nap: their holder may be a thread that died unnoticed.
 */

import { now, sharedNow } from '../host/clock.ts'
import type { Cpu } from '../host/cpu.ts'
import { DIFFERED, Doorbells, TIMED_OUT } from '../host/doorbells.ts'
import { CALLED_OFF, countersOf, EMPTY_RINGS, PARKS } from './counters.ts'
import { ThreadSlot } from './slot.ts'
import type { Thread } from './thread.ts'

const SLICE_MS = 1000
const NAP_MS = 1
const SHORT_SPIN_TURNS = 2000
const STARVES_AFTER_MS = 1

export class LiveThread implements Thread {
  readonly cpu: Cpu
  readonly at: number
  readonly tid: number
  readonly spinTurns: number
  readonly doorbells: Doorbells
  /** False in the supervisor only. */
  readonly mayBlock: boolean = true
  onSlice: ((sinceMs: number) => void) | undefined
  /** Called before this thread may sleep: a process gives up its translations (paging/presence.ts). */
  beforeSleep: (() => void) | undefined
  readonly #counters: Float64Array<SharedArrayBuffer>

  constructor(cpu: Cpu, words: Int32Array<SharedArrayBuffer>, at: number, tid: number, spinTurns: number) {
    this.cpu = cpu
    this.at = at
    this.tid = tid
    this.spinTurns = spinTurns
    this.doorbells = new Doorbells(words)
    this.#counters = countersOf(words.buffer, at)
  }

  sleep(at: number, value: number, deadline: number): boolean {
    this.beforeSleep?.()
    this.count(PARKS)
    const began = now()
    let time = began
    // The bell says ASLEEP by now. Whoever poisons the memory does that first, and then rings those who are ASLEEP.
    this.onSlice?.(0)
    for (;;) {
      const left = deadline - time
      if (left <= 0) return false
      const ended = this.doorbells.wait(at, value, Math.min(left, SLICE_MS))
      time = now()
      this.onSlice?.(time - began)
      if (ended === DIFFERED) this.count(CALLED_OFF)
      if (ended !== TIMED_OUT) return true
    }
  }

  ring(at: number, perhaps = false): void {
    if (this.doorbells.ring(at) === 0 && !perhaps) this.count(EMPTY_RINGS)
  }

  count(counter: number): void {
    this.#counters[counter]++
  }

  awaitChange(at: number, value: number): void {
    if (this.spinTurns !== 0 && this.cpu.spinWhileEqual(at, value, SHORT_SPIN_TURNS) !== value) return
    this.beforeSleep?.()
    // The holder may have lost its core, or have died: give ours away for a moment. Nobody rings for this.
    const park = this.at + ThreadSlot.park
    this.doorbells.wait(park, this.cpu.load(park), NAP_MS)
    this.onSlice?.(NAP_MS)
  }

  now(): number {
    return sharedNow()
  }

  deadlineIn(ms: number): number {
    return now() + ms
  }

  isStarving(since: number, fairAt = 0): boolean {
    const time = sharedNow()
    return ((time - since) | 0) > STARVES_AFTER_MS && (fairAt === 0 || ((time - fairAt) | 0) >= 0)
  }
}

/** What a thread that must not block throws where it would have had to: it holds nothing, and tries again later. */
export class MustNotBlock extends Error {
  override readonly name = 'MustNotBlock'

  /** By name: what the supervisor loads later has a class of its own. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && (value as { name?: unknown } | null)?.name === 'MustNotBlock'
  }
}

/** The supervisor's Thread: it never blocks, since it would not hear the death that it waits for. */
export class NonBlockingThread extends LiveThread {
  override readonly mayBlock = false

  /** By what it says: what the supervisor loads later has a class of its own. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && (value as { mayBlock?: unknown } | null)?.mayBlock === false
  }

  override sleep(): boolean {
    throw new MustNotBlock()
  }

  override awaitChange(at: number, value: number): void {
    if (this.cpu.spinWhileEqual(at, value, SHORT_SPIN_TURNS) === value) throw new MustNotBlock()
  }
}
