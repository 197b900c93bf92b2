/**
 * The barrier: a number of parties that wait for each other, again and again.
 *
 *   RawBarrier  0      1         2        3
 *             ┌──────┬─────────┬────────┬───────┐
 *             │ word │ parties │ broken │ spins │   16 bytes
 *             └──────┴─────────┴────────┴───────┘
 *
 *   word     31        30       29 ... n    n - 1 ... 0
 *          ┌─────────┬────────┬───────────┬─────────────┐
 *          │ WAITERS │ BROKEN │ phase     │ arrived     │   0 <= arrived < parties, always; n: the bits that this takes
 *          └─────────┴────────┴───────────┴─────────────┘
 *   parties  written before anybody sees the barrier
 *   broken   the last phase that broke, as it stands in the word, plus one, while it is recent; else 0. Written under the
 *            bucket's lock, but cleared by whoever finds it old
 *   spins    a hint: how many turns of spinning have paid lately
 *
 *   who comes                    the word becomes                           and he
 *   one of the first             phase, arrived + 1                         waits for the phase to change
 *   the last of the parties      phase + 1, arrived 0                       is the serial one, and wakes those who sleep
 *   one whose time is up         phase, arrived - 1                         has not arrived. Phase changed: he has
 *   the reaper of a member       BROKEN, the rest as it was                 wakes all: -EOWNERDEAD, also to who comes now
 *   whoever mends it             phase + 1, arrived 0
 *
 * See: pthread_barrier_wait(3), java.util.concurrent.CyclicBarrier. A raw barrier knows no members and does not break by
 * itself: what a pthread_barrier_t does on Linux when a thread dies. How one breaks that has members: barrier-members.ts.
 *
 * Invariants
 *  1. One compareExchange on the word is the arrival; the same one ends the phase if it was the last.
 *  2. While a record waits in a bucket that is not locked, WAITERS is set and the record's phase is the word's. WAITERS is
 *     set and cleared under that lock only. So a phase for which somebody sleeps ends under the lock: if the last one to
 *     arrive dies there, the reaper wakes them, and they look for themselves.
 *  3. No phase begins before all of the parties have arrived in the one before, or it broke.
 *
 * A thread that only spins tells its phase from later ones by the bits of the phase. Where no more threads arrive than there
 * are parties, the word is at most one phase ahead of any of them. Where more do, one that loses its core in the middle of
 * its spin, for a whole multiple of 2^(30 - n) phases, which take half a billion arrivals or more, waits for one phase more.
 */

import { EOWNERDEAD, ESTALE, ETIMEDOUT } from '../words/errno.ts'
import { i32, layout } from '../words/layout.ts'
import { SPINS } from '../threads/counters.ts'
import type { Cpu } from '../host/cpu.ts'
import type { Lot } from './lot.ts'
import { ENDED, HANDED } from './wait-record.ts'
import { begin, BUSY, onBell, waitBlocked, type Waitable } from './wait.ts'

export const RawBarrier = layout('RawBarrier', 16, { word: i32, parties: i32, broken: i32, spins: i32 })

const { parties: partiesAt, broken, spins } = RawBarrier

export const WAITERS = 0x80000000 | 0
export const BROKEN = 0x40000000
const PHASE_AND_ARRIVED = 0x3fffffff

/** The most that leave a bit for the phase. */
export const PARTIES_MAX = 0x20000000
export const BARRIER_PURPOSE = 7

/** What arrive() and its like answer to the one in each phase who came last. */
export const SERIAL = 1

/** Together about as long as a sleep and its wake-up take (spin.ts, spinForSignal). Where all parties run, it is enough. */
const BURST = 256
const BURSTS = 16
const PROBE_EVERY = 64
const PATIENCE = 8

/** A phase that broke is noted until a quarter of all phases has followed: so far apart are the words then. */
const RECENT = 0x10000000

/** Makes a barrier of zeroes one for that many parties, 1 to PARTIES_MAX. Nobody else sees it yet. */
export function initBarrier(cpu: Cpu, at: number, parties: number): void {
  cpu.store(at + partiesAt, parties)
}

/**
 * Arrives, and waits until all parties have. Returns
 *  SERIAL       all have, and this was the last one
 *  0            all have
 *  -ETIMEDOUT   not in time: this arrival does not count
 *  -EOWNERDEAD  the barrier is broken
 *  -ESTALE      it was taken apart meanwhile
 */
export function arrive(lot: Lot, at: number, deadline: number): number {
  const parties = lot.cpu.plainLoad(at + partiesAt)
  const word = enter(lot, at, parties, lot.cpu.load(at))
  const result = resultOf(word, parties)
  if (result !== BUSY) return result
  const ended = outcomeOf(lot, at, word, spinForPhase(lot, at, word))
  return ended === BUSY ? sleepForPhase(lot, at, word, deadline) : ended
}

// ── the parts of it, for a caller who remembers the word from one phase to the next ───────────────────────────────

/**
 * The arrival alone. `guess` is what the word may be, without WAITERS and BROKEN; if it is, this is one
 * instruction. Returns the word as this thread
 * left it, or as it found it BROKEN: resultOf() says what that means.
 */
export function enter(lot: Lot, at: number, parties: number, guess: number): number {
  const arrived = arrivedBits(parties)
  for (let seen = guess; ;) {
    if ((seen & BROKEN) !== 0) return seen
    const isLast = (seen & arrived) + 1 === parties
    if (isLast && (seen & WAITERS) !== 0) return enterContended(lot, at, parties)
    // Release: pairs with the loads of those who wait. Acquire, for the last one: what all did before they arrived.
    const next = isLast ? nextPhase(seen, parties) : seen + 1
    const now = lot.cpu.compareExchange(at, seen, next)
    if (now === seen) return next
    seen = now
  }
}

/** What an arrival has come to: SERIAL, -EOWNERDEAD, or BUSY: wait for the phase to end. */
export function resultOf(word: number, parties: number): number {
  if ((word & (arrivedBits(parties) | BROKEN)) === 0) return SERIAL
  return (word & BROKEN) === 0 ? BUSY : -EOWNERDEAD
}

/** Spins for the end of the phase in which an arrival has left the word so. Returns the word that it saw last. */
export function spinForPhase(lot: Lot, at: number, mine: number): number {
  const { cpu, thread } = lot
  if (thread.spinTurns === 0) return mine
  thread.count(SPINS)
  const phase = phaseBits(lot, at)
  let seen = mine
  for (let i = 0; i < BURSTS; i++) {
    seen = cpu.spinWhileEqual(at, seen, BURST)
    if (isOver(phase, mine, seen)) return seen
  }
  return spinOn(lot, at, phase, mine, seen)
}

/** Sleeps until the end of the phase; as arrive(). */
export function sleepForPhase(lot: Lot, at: number, mine: number, deadline: number): number {
  const result = waitBlocked(lot, new Arrival(mine), at, deadline)
  return result === -ETIMEDOUT ? takeBack(lot, at, mine) : result
}

/** What the word says about an arrival that left it as `mine`: 0, -EOWNERDEAD, or BUSY while the phase lasts. */
export function outcomeOf(lot: Lot, at: number, mine: number, seen: number): number {
  if (((seen ^ mine) & phaseBits(lot, at)) === 0) return (seen & BROKEN) === 0 ? BUSY : -EOWNERDEAD
  const note = lot.cpu.plainLoad(at + broken)
  return note === 0 ? 0 : outcomeByNote(lot, at, mine, seen, note)
}

/** How many have arrived in the phase that lasts. */
export function arrivedIn(lot: Lot, at: number): number {
  return lot.cpu.load(at) & arrivedBits(lot.cpu.plainLoad(at + partiesAt))
}

// ── asynchronous: an Arrival is kept from one step to the next ────────────────────────────────────────────────────

/** Arrives, with a record from the lot. As arrive(), or PENDING. */
export function beginArrive(lot: Lot, at: number, arrival: Arrival, record: number): number {
  const parties = lot.cpu.plainLoad(at + partiesAt)
  const word = enter(lot, at, parties, lot.cpu.load(at))
  const result = resultOf(word, parties)
  if (result !== BUSY) {
    lot.freeRecord(record)
    return result
  }
  arrival.mine = word
  return begin(lot, arrival, at, record)
}

/** Carries the wait on after the bell rang. As arrive(), or PENDING. */
export function onBellArrive(lot: Lot, at: number, arrival: Arrival, record: number): number {
  return onBell(lot, arrival, at, record)
}

/** Takes the arrival back, for `outcome`: TIMED_OUT or ABORTED. -ETIMEDOUT; or the phase was over before, as arrive(). */
export function abandonArrive(
  lot: Lot,
  at: number,
  arrival: Arrival,
  record: number,
  outcome: number,
): number {
  const ended = lot.withdraw(record, outcome)
  const isGone = ended === ENDED || lot.isVoid(record)
  lot.freeRecord(record)
  if (isGone) return -ESTALE
  if (ended === HANDED) return 0
  return takeBack(lot, at, arrival.mine)
}

/** One arrival that waits for its phase to end. `mine` is the word as it left it. */
export class Arrival implements Waitable {
  readonly purpose = BARRIER_PURPOSE
  mine: number

  constructor(mine: number) {
    this.mine = mine
  }

  take(lot: Lot, at: number): number {
    return outcomeOf(lot, at, this.mine, lot.cpu.load(at))
  }

  announce(lot: Lot, at: number): boolean {
    const phase = phaseBits(lot, at)
    for (let seen = lot.cpu.load(at); ;) {
      if (isOver(phase, this.mine, seen)) return false
      if ((seen & WAITERS) !== 0) return true
      const now = lot.cpu.compareExchange(at, seen, seen | WAITERS)
      if (now === seen) return true
      seen = now
    }
  }

  accept(): number {
    return 0
  }

  passOn(): void {
    // All are woken, or none.
  }
}

/** For the reaper: what a dead thread waited for. */
export const barrierWait: Waitable = new Arrival(0)

// ── below ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The bits in which 0 to parties - 1 is counted. */
export function arrivedBits(parties: number): number {
  return (1 << (32 - Math.clz32(parties - 1))) - 1
}

function phaseBits({ cpu }: Lot, at: number): number {
  return PHASE_AND_ARRIVED & ~arrivedBits(cpu.plainLoad(at + partiesAt))
}

/** The next phase, with nobody in it. */
export function nextPhase(word: number, parties: number): number {
  const arrived = arrivedBits(parties)
  return ((word | arrived) + 1) & PHASE_AND_ARRIVED
}

/** What the word `broken` holds when the phase of that word breaks. */
export function noteOf(word: number, parties: number): number {
  return (word & PHASE_AND_ARRIVED & ~arrivedBits(parties)) + 1
}

function isOver(phase: number, mine: number, seen: number): boolean {
  return ((mine ^ seen) & (phase | BROKEN)) !== 0
}

/** Somebody sleeps, or the barrier is broken: the phase may end under the bucket's lock only. */
function enterContended(lot: Lot, at: number, parties: number): number {
  const { cpu } = lot
  const arrived = arrivedBits(parties)
  const handed: number[] = []
  const bucket = lot.lockBucket(0, at)
  let next
  for (let seen = cpu.load(at); ;) {
    if ((seen & BROKEN) !== 0) {
      next = seen
      break
    }
    const isLast = (seen & arrived) + 1 === parties
    next = isLast ? nextPhase(seen, parties) : seen + 1
    const now = cpu.compareExchange(at, seen, next) // as in enter()
    if (now === seen) {
      if (isLast) lot.handEachLocked(bucket, 0, at, Infinity, handed)
      break
    }
    seen = now
  }
  lot.unlockBucket(bucket)
  lot.ring(handed)
  return next
}

/** Takes an arrival back. -ETIMEDOUT; or the phase is over, as outcomeOf(). */
function takeBack(lot: Lot, at: number, mine: number): number {
  for (let seen = lot.cpu.load(at); ;) {
    const outcome = outcomeOf(lot, at, mine, seen)
    if (outcome !== BUSY) return outcome
    const now = lot.cpu.compareExchange(at, seen, seen - 1)
    if (now === seen) return -ETIMEDOUT
    seen = now
  }
}

/** A phase has broken: was it this one? A note that is old is taken away, before phases of that number come again. */
function outcomeByNote(lot: Lot, at: number, mine: number, seen: number, note: number): number {
  const parties = lot.cpu.plainLoad(at + partiesAt)
  if (note === noteOf(mine, parties)) return -EOWNERDEAD
  const age = (noteOf(seen, parties) - note) & PHASE_AND_ARRIVED
  if (age >= RECENT && age < PHASE_AND_ARRIVED - RECENT) lot.cpu.compareExchange(at + broken, note, 0)
  return 0
}

/** Spins on, as long as that has paid lately (spin.ts). */
function spinOn(lot: Lot, at: number, phase: number, mine: number, from: number): number {
  const { cpu } = lot
  const most = lot.thread.spinTurns
  const hint = cpu.plainLoad(at + spins)
  const average = hint >>> 8
  const tries = (hint + 1) & 0xff
  const budget = tries % PROBE_EVERY === 1 ? PATIENCE * most : Math.min(most, 2 * average + BURST)

  let seen = from
  let turns = 0
  for (let burst = BURST; turns < budget && !isOver(phase, mine, seen); burst *= 2) {
    seen = cpu.spinWhileEqual(at, seen, burst)
    turns += burst
  }

  const failed = average === 0 || budget >= most ? 0 : budget
  const next = isOver(phase, mine, seen) ? average + ((turns - average) >> 3) : failed
  cpu.plainStore(at + spins, (Math.min(next, 0x7fffff) << 8) | tries)
  return seen
}
