/**
 * The epoch: a grace period. Sections come and go without waiting; synchronize() waits until every section that was in when
 * it was called has ended. So whoever has unlinked something may then free it: nobody can still be looking at it.
 *
 *   RawEpoch   0      1 ... 9
 *            ┌──────┬───────────┐
 *            │ word │ ReaderSet │   40 bytes, 0 = at rest
 *            └──────┴───────────┘
 *
 *   word       a number that grows, 31 bits; its lowest bit is the phase. | WAITERS: somebody waits for sections to end
 *   entries    (readers.ts) a section's tag is `at` or `at` + 1, by the phase in which it began
 *
 *   number n   sections of phases n and n - 1 are in. Anybody may make it n + 1 when none of n - 1 is left, since their
 *              tags are used again then. After two steps, all who were in at the start have gone.
 *
 * Dekker: a section publishes its tag, then looks at the data; who synchronizes has unlinked something, then looks for tags.
 * A section that published a tag too late to be seen finds the data without what was unlinked. So it does not matter if
 * the phase in its tag is long past: as there are two only, the tag is that of the present phase or of the one before, and
 * either is waited for.
 *
 * Invariant
 *  1. While a record waits in a bucket that is not locked, WAITERS is set. Who leaves and finds it set looks whether the
 *     number can grow now, and wakes all who wait.
 *
 * A dead thread's sections have ended: forgetReads() clears them, and the kind's step wakes those who wait. There is no
 * owner, so nothing else can be left behind.
 *
 * See: McKenney's SRCU (torvalds/linux kernel/rcu/srcutree.c); Fraser, "Practical lock-freedom" (2004), 5.2.3.
 */

import { EAGAIN, EPERM } from '../words/errno.ts'
import { i32, layout, words } from '../words/layout.ts'
import type { Lot } from './lot.ts'
import {
  depthOf,
  entryOf,
  isRead,
  publish,
  ReaderSet,
  readsOfThread,
  register,
  retract,
  setDepth,
  takeEntry,
  unregister,
  wasRegistered,
} from './readers.ts'
import { abandon, begin, BUSY, onBell, waitBlocked, type Waitable } from './wait.ts'

export const RawEpoch = layout('RawEpoch', 40, { word: i32, set: words(ReaderSet.sizeof) })

const { set } = RawEpoch

export const EPOCH_WAITERS = 0x80000000 | 0
const WAITERS = EPOCH_WAITERS
const COUNT = 0x7fffffff

export const EPOCH_PURPOSE = 12

// ── sections ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Begins a section, or another one inside it. Never waits. 0, or -EAGAIN: this thread is in so many that memory is out. */
export function enterEpoch(lot: Lot, at: number): number {
  const inside = entryOf(lot, at)
  if (inside !== 0) {
    setDepth(lot, inside, depthOf(lot, inside) + 1)
    return 0
  }
  register(lot, at + set)
  const entry = takeEntry(lot, at)
  if (entry === 0) return -EAGAIN
  // Dekker: pairs with the look at all entries before the number grows. The phase is a hint: see the top of the page.
  publish(lot, entry, at + (lot.cpu.plainLoad(at) & 1), at)
  return 0
}

/** Ends a section. -EPERM if this thread is in none. */
export function leaveEpoch(lot: Lot, at: number): number {
  const entry = entryOf(lot, at)
  if (entry === 0) return -EPERM
  const depth = depthOf(lot, entry)
  if (depth > 0) setDepth(lot, entry, depth - 1)
  else if ((retract(lot, entry, at, at) & WAITERS) !== 0) afterSection(lot, at)
  return 0
}

/** In how many sections this thread is. */
export function sectionsOf(lot: Lot, at: number): number {
  return readsOfThread(lot, at)
}

/** A section has ended, and somebody waits: perhaps for this one. */
export function afterSection(lot: Lot, at: number): void {
  if (!isBlocked(lot, at, lot.cpu.load(at))) wakeAll(lot, at)
}

// ── grace periods ─────────────────────────────────────────────────────────────────────────────────────────────────

/** What synchronize() waits for if it is called now. Of this very moment: unlink first. */
export function graceTarget(lot: Lot, at: number): number {
  return (lot.cpu.load(at) + 2) & COUNT
}

/** Waits until `target` is reached: 0, -ETIMEDOUT or -ESTALE. Not from within a section, which it would wait for. */
export function awaitGrace(lot: Lot, at: number, target: number, deadline: number): number {
  const what = graceWait(target)
  const taken = what.take(lot, at)
  return taken === BUSY ? waitBlocked(lot, what, at, deadline) : taken
}

export function beginGrace(lot: Lot, at: number, target: number, record: number): number {
  return begin(lot, graceWait(target), at, record)
}

export function onBellGrace(lot: Lot, at: number, target: number, record: number): number {
  return onBell(lot, graceWait(target), at, record)
}

export function abandonGrace(lot: Lot, at: number, target: number, record: number, outcome: number): void {
  abandon(lot, graceWait(target), at, record, outcome)
}

/** How a number is waited for: whoever waits takes the steps himself. */
export function graceWait(target: number): Waitable {
  return {
    purpose: EPOCH_PURPOSE,

    take(lot, at) {
      const { cpu } = lot
      for (let seen = cpu.load(at); ;) {
        if (isReached(seen, target)) return 0
        if (isBlocked(lot, at, seen)) return BUSY
        const now = cpu.compareExchange(at, seen, ((seen + 1) & COUNT) | (seen & WAITERS))
        seen = now === seen ? ((seen + 1) & COUNT) | (seen & WAITERS) : now
      }
    },

    announce(lot, at) {
      const { cpu } = lot
      const before = cpu.or(at, WAITERS)
      // Dekker: who leaves has cleared its entry by now, or finds WAITERS.
      const seen = cpu.load(at)
      if (!isReached(seen, target) && isBlocked(lot, at, seen)) return true
      if ((before & WAITERS) === 0) cpu.and(at, ~WAITERS) // nobody has queued because of it: we hold the bucket
      return false
    },

    accept() {
      return 0
    },

    passOn() {
      // All are woken, and nobody takes anything away: there is no next one.
    },
  }
}

/** The reaper: the sections of the dead have ended (forgetReads). */
export function releaseDeadSections(lot: Lot, at: number, dead: number): void {
  if (!wasRegistered(lot, at + set, dead)) return
  wakeAll(lot, at)
  unregister(lot, at + set, dead)
}

function isReached(word: number, target: number): boolean {
  return (word - target) << 1 >= 0 // 31 bits that wrap
}

/** Whether a section of the phase before the present one is in. */
function isBlocked(lot: Lot, at: number, word: number): boolean {
  return isRead(lot, at + set, at, at + ((word + 1) & 1))
}

function wakeAll(lot: Lot, at: number): void {
  const woken: number[] = []
  const bucket = lot.lockBucket(0, at)
  lot.wakeLocked(bucket, 0, at, Infinity, woken)
  lot.cpu.and(at, COUNT)
  lot.unlockBucket(bucket)
  lot.ring(woken)
}
