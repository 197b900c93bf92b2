/**
 * Counters: what each thread has done so far, sixteen float64 in its slot.
 *
 * A thread adds to its own plainly. Readers sum over all slots, free ones too: nobody ever sets a counter back, so what
 * happened meanwhile, by threads that lived or died, is the difference of two sums. It is a hint, never a proof.
 */

import { ThreadSlot } from './slot.ts'

/** Waits that spun, whether or not that sufficed. */
export const SPINS = 0
/** Times that a blocked wait went to sleep. */
export const PARKS = 1
/** Waits of others that this thread ended: one for each record that it woke. */
export const WAKES = 2
/** Rings that found nobody asleep: the sleeper was not there yet, or had just been woken. */
export const EMPTY_RINGS = 3
/** Bytes that were copied by channels: send and receive copy; loan, commit and read do not. */
export const BYTES_COPIED = 4
/**
 * Sleeps that were called off: the thread had said that it sleeps, and was rung before it did. Each is one of the rings that
 * found nobody, so whoever rings only those who say that they sleep makes the two numbers equal.
 */
export const CALLED_OFF = 5

const COUNT = 16

/** The counters of the thread whose slot lies at a word. */
export function countersOf(buffer: SharedArrayBuffer, slotAt: number): Float64Array<SharedArrayBuffer> {
  return new Float64Array(buffer, (slotAt + ThreadSlot.counters) * 4, COUNT)
}

/** Sums over all threads of a memory that there are and were, by counter. */
export function sumCounters(buffer: SharedArrayBuffer, slotsAt: number, slotCount: number): Float64Array {
  const sums = new Float64Array(COUNT)
  for (let slot = 0; slot < slotCount; slot++) {
    const counters = countersOf(buffer, slotsAt + slot * ThreadSlot.sizeof)
    for (let counter = 0; counter < COUNT; counter++) sums[counter] += counters[counter]
  }
  return sums
}
