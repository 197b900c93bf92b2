/**
 * Spinning for the other side of a stream: it is a few records away, or it sleeps.
 *
 * spinFor() follows how long waits took lately, and in a stream most end at once: its budget becomes too short for the
 * batch that takes a microsecond. So each wait first spins as long as a sleep and its wake-up would take, which at most
 * doubles what the wait costs; only longer ones are spinFor's to learn from.
 */

import { spinFor } from '../sync/spin.ts'
import type { Lot } from '../sync/lot.ts'
import { BUSY, type Waitable } from '../sync/wait.ts'

const BURST = 128
const BURSTS = 48

/** Tries to take something while spinning. `hintAt` is spinFor's. As `take`; BUSY: go and sleep. */
export function spinForPeer(lot: Lot, what: Waitable, at: number, hintAt: number): number {
  const { cpu, thread } = lot
  if (thread.spinTurns === 0) return BUSY
  for (let i = 0; i < BURSTS; i++) {
    cpu.spinWhileEqual(at, cpu.load(at), BURST)
    const result = what.take(lot, at)
    if (result !== BUSY) return result
  }
  return spinFor(lot, what, at, hintAt)
}
