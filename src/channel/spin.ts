/**
 * Spinning for the other side of a stream: it is a few records away, or it sleeps.
 *
 * spinFor() follows how long waits took lately, and in a stream most end at once: its budget becomes too short for the
 * batch that takes a microsecond. So each wait first spins as long as a sleep and its wake-up would take, which at most
 * doubles what the wait costs; only longer ones are spinFor's to learn from.
 *
 * Slipping. A side that takes each record, or each bit of room, the moment it appears makes both pay for that: the lines
 * change hands for every record. If it lets a few come together first, they change hands once for all of them. But who
 * waits for an answer wants it at once. So one wait in 16 slips, to find out; while more than was wanted has come by then,
 * it is a stream, and every wait slips.
 *
 * See: temporal slipping in FastForward (Giacomoni, Moseley, Vachharajani, PPoPP 2008).
 */

import { spinFor } from '../sync/spin.ts'
import type { Lot } from '../sync/lot.ts'
import { BUSY, type Waitable } from '../sync/wait.ts'
import { SPINS } from '../threads/counters.ts'

const BURST = 128
const BURSTS = 48

/** A tenth of a microsecond: long against a line's way from core to core, short against what else a message costs. */
const SLIP_TURNS = 128
const PROBE_EVERY = 16

/** What a side of a channel waits for. */
export interface Supply extends Waitable {
  /** After it was taken: there is at least as much again. */
  hasMore(): boolean
}

/** What one side knows of its stream: how many waits there were since it last slipped in vain. 0: it slips. */
export interface Slips {
  sinceVain: number
}

/** Tries to take something while spinning. `hintAt` is spinFor's. As `take`; BUSY: go and sleep. */
export function spinForPeer(lot: Lot, what: Supply, slips: Slips, at: number, hintAt: number): number {
  const { cpu, thread } = lot
  if (thread.spinTurns === 0) return BUSY
  for (let i = 0; i < BURSTS; i++) {
    const seen = cpu.load(at)
    const hasComeNow = cpu.spinWhileEqual(at, seen, BURST) !== seen
    // Even if not: it may have come before we looked.
    const result = hasComeNow ? takeLater(lot, what, slips, at, hintAt) : what.take(lot, at)
    if (result !== BUSY) {
      thread.count(SPINS)
      return result
    }
  }
  return spinFor(lot, what, at, hintAt)
}

/** Something has come. `quietAt` is a word that nobody else looks at. */
function takeLater(lot: Lot, what: Supply, slips: Slips, at: number, quietAt: number): number {
  const { cpu } = lot
  const slipping = slips.sinceVain % PROBE_EVERY === 0
  if (slipping) cpu.spinWhileEqual(quietAt, cpu.load(quietAt), SLIP_TURNS)
  const result = what.take(lot, at)
  if (!slipping) slips.sinceVain++
  else slips.sinceVain = result !== BUSY && what.hasMore() ? 0 : 1
  return result
}
