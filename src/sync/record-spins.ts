/**
 * Spinning for what another thread puts into the record of a wait: a notification. (For a word that may be taken: spin.ts.)
 *
 * What spinning has brought lately is remembered for the thread. While it brings nothing, one wait in 16 spins a while, for
 * the other side may stay awake by now, and one in 64 longer than a wake-up takes: two threads that wake each other see no
 * shorter wait, and if one of them stays awake, both do. Each of these that was in vain doubles the distance to the next, up
 * to 16 times: where eight threads are woken by one, asking so often took a quarter of all that they did.
 */

import type { Thread } from '../threads/thread.ts'

export const FIRST_BURST = 32
export const PROBE_EVERY = 64
/** How many times the longest usual spin the try takes that asks whether times are better. */
export const PATIENCE = 8

const ASK_EVERY = 16
const MOST_DOUBLINGS = 4

/** One thread's. */
export class RecordSpins {
  #average = 0
  #waits = 0
  /** How often asking was in vain lately: at most MOST_DOUBLINGS. */
  #vain = 0

  /** Looks at a word until it differs from `value`, or not much longer than that pays. Returns what it saw last. */
  spin(thread: Thread, at: number, value: number): number {
    const most = thread.spinTurns
    if (most === 0) return value
    const budget = this.#budget(most)
    let seen = value
    let turns = 0
    for (let burst = FIRST_BURST; turns < budget && seen === value; burst *= 2) {
      seen = thread.cpu.spinWhileEqual(at, value, burst)
      turns += burst
    }
    if (seen !== value) {
      this.#average = Math.max(1, this.#average + ((turns - this.#average) >> 3))
      this.#vain = 0
      return seen
    }
    this.#average = afterFailure(this.#average, budget, most)
    if (budget > most) this.#vain = Math.min(this.#vain + 1, MOST_DOUBLINGS)
    return seen
  }

  #budget(most: number): number {
    this.#waits = (this.#waits + 1) & 0xffff
    if (this.#waits % (PROBE_EVERY << this.#vain) === 1) return PATIENCE * most
    const isAsked = this.#average > 0 || this.#waits % (ASK_EVERY << this.#vain) === 0
    const least = isAsked ? most >>> 1 : FIRST_BURST
    return Math.min(most, Math.max(2 * this.#average, least))
  }
}

/** The moving average after a try that failed: too short a budget doubles; the full one says that spinning does not pay. */
export function afterFailure(average: number, budget: number, most: number): number {
  return average === 0 || budget >= most ? 0 : budget
}
