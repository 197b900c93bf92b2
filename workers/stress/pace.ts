/**
 * Pace: which operations are timed, and where the times go.
 *
 * Reading the clock twice takes as long as four uncontended locks. So of short operations one in 16 is timed, chosen at random
 * lest it fall in step with something; of those that take a microsecond by themselves, each. The first thousand are timed
 * in any case: where waits are so long that there will hardly be more, they are what there is to show.
 */

import { bucketOf } from 'pageframe/internals'
import { SUB_BITS, type Place } from './board.ts'

const FIRST = 1000

export class Pace {
  readonly #histograms: readonly Uint32Array<SharedArrayBuffer>[]
  readonly #every: number
  #left = 1
  #first = FIRST
  #random = 0x9e3779b9

  constructor(place: Place, every: number) {
    this.#histograms = [place.histogram(0), place.histogram(1)]
    this.#every = every
  }

  /** To be called before the wait: what end() wants to know. 0: not this time. */
  begin(): number {
    if (--this.#left > 0) return 0
    if (this.#every === 1 || this.#first > 0) {
      this.#first--
      this.#left = 1
    } else {
      this.#random = (Math.imul(this.#random, 1664525) + 1013904223) | 0
      this.#left = 1 + ((this.#random >>> 16) % (2 * this.#every - 1))
    }
    return performance.now()
  }

  /** After the wait. */
  end(began: number, which = 0): void {
    if (began !== 0) this.add((performance.now() - began) * 1e6, which)
  }

  add(ns: number, which = 0): void {
    this.#histograms[which][bucketOf(ns, SUB_BITS)]++
  }
}
