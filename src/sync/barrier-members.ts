/**
 * The members of a barrier, so that nobody waits for the dead.
 *
 *   BarrierMembers   0 .. 7
 *                  ┌─────────────────────────┐
 *                  │ a bit for each slot     │   32 bytes
 *                  └─────────────────────────┘
 *
 * A thread becomes a member before it first arrives, and is one until it dies.
 *
 *   a member died and          the word of the barrier    those who wait, and who arrive, get
 *   there are others           BROKEN                     -EOWNERDEAD, until mend() begins a new phase
 *   there is nobody else       phase + 1, arrived 0       (nobody is there.) Later ones find it as new
 *
 * Invariants
 *  1. A member's bit is set by itself, before its arrival changes the barrier's word, and cleared by its reaper, when the
 *     barrier is broken or as new.
 */

import { slotIndexOf } from '../threads/slot.ts'
import { layout, words } from '../words/layout.ts'
import { arrivedBits, BROKEN, nextPhase, noteOf, RawBarrier, WAITERS } from './barrier.ts'
import type { Lot } from './lot.ts'

export const BarrierMembers = layout('BarrierMembers', 32, { bits: words(8) })

const { parties: partiesAt, broken } = RawBarrier
const { sizeof } = BarrierMembers

/** This thread takes part from now on. */
export function join(lot: Lot, members: number): void {
  const slot = slotIndexOf(lot.thread.tid)
  lot.cpu.or(members + (slot >>> 5), 1 << (slot & 31))
}

/** Whether a thread takes part. */
export function isMember({ cpu }: Lot, members: number, tid: number): boolean {
  const slot = slotIndexOf(tid)
  return (cpu.load(members + (slot >>> 5)) & (1 << (slot & 31))) !== 0
}

/** The reaper: if the dead was a member, its barrier breaks. */
export function memberDied(lot: Lot, at: number, members: number, dead: number): void {
  const slot = slotIndexOf(dead)
  const [bits, bit] = [members + (slot >>> 5), 1 << (slot & 31)]
  if ((lot.cpu.load(bits) & bit) === 0) return
  breakFor(lot, at, () => hasOthers(lot, members, bits, bit))
  lot.cpu.and(bits, ~bit)
}

/** Begins a new phase of a broken barrier. False if it is not broken. */
export function mend(lot: Lot, at: number): boolean {
  const bucket = lot.lockBucket(0, at)
  const seen = lot.cpu.load(at)
  const isBroken = (seen & BROKEN) !== 0
  if (isBroken) lot.cpu.store(at, nextPhase(seen, lot.cpu.plainLoad(at + partiesAt))) // nobody else changes the word of a broken barrier
  lot.unlockBucket(bucket)
  return isBroken
}

export function isBroken(lot: Lot, at: number): boolean {
  return (lot.cpu.load(at) & BROKEN) !== 0
}

function breakFor(lot: Lot, at: number, hasOthers: () => boolean): void {
  const { cpu } = lot
  const parties = cpu.plainLoad(at + partiesAt)
  const woken: number[] = []
  const bucket = lot.lockBucket(0, at)
  for (let seen = cpu.load(at); ;) {
    // Asked after the word was read: by invariant 1, whoever has arrived by then is seen here.
    const breaks = hasOthers()
    const now = cpu.compareExchange(at, seen, breaks ? (seen | BROKEN) & ~WAITERS : afresh(seen, parties))
    if (now === seen) {
      // Pairs with the load in outcomeOf(): whoever finds a later phase came by mend(), under this lock.
      if (breaks) cpu.plainStore(at + broken, noteOf(seen, parties))
      break
    }
    seen = now
  }
  lot.wakeLocked(bucket, 0, at, Infinity, woken)
  lot.unlockBucket(bucket)
  lot.ring(woken)
}

function hasOthers({ cpu }: Lot, members: number, deadBits: number, deadBit: number): boolean {
  for (let bits = members; bits < members + sizeof; bits++) {
    const set = cpu.load(bits)
    if ((bits === deadBits ? set & ~deadBit : set) !== 0) return true
  }
  return false
}

/** As if nobody had ever come, if anybody has. */
function afresh(word: number, parties: number): number {
  return (word & (arrivedBits(parties) | BROKEN)) === 0 ? word : nextPhase(word, parties)
}
