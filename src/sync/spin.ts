/**
 * Spinning before sleeping, as long as it has paid lately.
 *
 * A spin round trip takes about 0.3 us, a sleep 5 to 90; but a spinner without a core of its own makes everybody wait.
 * So the budget follows a moving average of what it took (after glibc's PTHREAD_MUTEX_ADAPTIVE_NP and folly's
 * TurnSequencer), kept beside the lock as a hint. A try that fails says only that its budget was too short, and doubles it;
 * one that fails with the full budget says that spinning does not pay: no more of it, but for one try in 64 with the full
 * budget, to notice better times.
 */

import { SPINS } from '../threads/counters.ts'
import { ESTALE } from '../words/errno.ts'
import type { Lot } from './lot.ts'
import { afterFailure, FIRST_BURST, PATIENCE, PROBE_EVERY } from './record-spins.ts'
import { BUSY, type Waitable } from './wait.ts'

const SIGNAL_BURST = 128
const SIGNAL_BURSTS = 32

/** Tries to take something while spinning. `hintAt` is a word for the moving average. As `take`; BUSY: go and sleep. */
export function spinFor(lot: Lot, what: Waitable, at: number, hintAt: number): number {
  const most = lot.thread.spinTurns
  if (most === 0) return BUSY
  lot.thread.count(SPINS)
  return spinByAverage(lot, what, at, hintAt, most, most)
}

/**
 * The same for what another thread gives, and nobody else holds meanwhile: a permit, a signal. Who gives it has no use of
 * the line, so it is no harm to look at it all the time. A wait first spins about as long as a sleep and its wake-up would
 * take, which at most doubles what it costs. And two threads that wake each other see nothing but waits as long as a
 * wake-up; so the try that asks whether times are better is longer than that. If one of the two stays awake, both do.
 */
export function spinForSignal(lot: Lot, what: Waitable, at: number, hintAt: number): number {
  const { cpu, thread } = lot
  const most = thread.spinTurns
  if (most === 0) return BUSY
  thread.count(SPINS)
  for (let i = 0; i < SIGNAL_BURSTS; i++) {
    cpu.spinWhileEqual(at, cpu.load(at), SIGNAL_BURST)
    const result = lot.isOver(at) ? -ESTALE : what.take(lot, at)
    if (result !== BUSY) return result
  }
  return spinByAverage(lot, what, at, hintAt, most, PATIENCE * most)
}

function spinByAverage(
  lot: Lot,
  what: Waitable,
  at: number,
  hintAt: number,
  most: number,
  probe: number,
): number {
  const { cpu } = lot

  const hint = cpu.plainLoad(hintAt)
  const average = hint >>> 8
  const tries = (hint + 1) & 0xff
  const budget = tries % PROBE_EVERY === 1 ? probe : Math.min(most, 2 * average + FIRST_BURST)

  let turns = 0
  let result = BUSY
  for (let burst = FIRST_BURST; turns < budget; burst *= 2) {
    cpu.spinWhileEqual(at, cpu.load(at), burst)
    turns += burst
    result = lot.isOver(at) ? -ESTALE : what.take(lot, at)
    if (result !== BUSY) break
  }

  if (lot.isOver(at)) return result === BUSY ? -ESTALE : result // the hint is another's by now
  const next = result === BUSY ? afterFailure(average, budget, most) : average + ((turns - average) >> 3)
  cpu.plainStore(hintAt, (Math.min(next, 0x7fffff) << 8) | tries)
  return result
}
