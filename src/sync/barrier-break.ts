/**
 * Breaking and mending a barrier whose members are known, so that nobody waits for the dead.
 *
 *   a member died and          the word becomes           those who wait, and who arrive, get
 *   there are others           BROKEN                     -EOWNERDEAD, until mend() begins a new phase
 *   there is nobody else       phase + 1, arrived 0       (nobody is there). Later ones find it as new
 *
 * Who is a member, the floors above know. (barrier.ts has the word.)
 */

import { ARRIVED, BROKEN, nextPhase, noteOf, RawBarrier, WAITERS } from './barrier.ts'
import type { Lot } from './lot.ts'

const { broken } = RawBarrier

/**
 * The reaper: a member has died. The others, if there are any, would wait for ever, so the barrier breaks. `hasOthers` is
 * asked after the word was read: who becomes a member does so before it arrives.
 */
export function memberDied(lot: Lot, at: number, hasOthers: () => boolean): void {
  const { cpu } = lot
  const woken: number[] = []
  const bucket = lot.lockBucket(0, at)
  for (let seen = cpu.load(at); ;) {
    const breaks = hasOthers()
    const now = cpu.compareExchange(at, seen, breaks ? (seen | BROKEN) & ~WAITERS : afresh(seen))
    if (now === seen) {
      // Pairs with the load in outcomeOf(): whoever finds a later phase came by mend(), under this lock.
      if (breaks) cpu.plainStore(at + broken, noteOf(seen))
      break
    }
    seen = now
  }
  lot.wakeLocked(bucket, 0, at, Infinity, woken)
  lot.unlockBucket(bucket)
  lot.ring(woken)
}

/** Begins a new phase of a broken barrier. False if it is not broken. */
export function mend(lot: Lot, at: number): boolean {
  const bucket = lot.lockBucket(0, at)
  const seen = lot.cpu.load(at)
  const isBroken = (seen & BROKEN) !== 0
  if (isBroken) lot.cpu.store(at, nextPhase(seen)) // nobody else changes the word of a broken barrier
  lot.unlockBucket(bucket)
  return isBroken
}

export function isBroken(lot: Lot, at: number): boolean {
  return (lot.cpu.load(at) & BROKEN) !== 0
}

/** As if nobody had ever come, if anybody has. */
function afresh(word: number): number {
  return (word & (ARRIVED | BROKEN)) === 0 ? word : nextPhase(word)
}
