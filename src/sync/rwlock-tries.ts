/**
 * Coming in to a read-write lock, and waiting for it. (rwlock-word.ts has the picture, the states and the invariants.)
 *
 *   enter, tryRead, tryWrite     one try: who finds the other side there takes back what it wrote
 *   announceRead, announceWrite  under the bucket's lock: the last try, or a mark in the word that somebody waits
 */

import { ThreadSlot } from '../threads/slot.ts'
import { EAGAIN, EPERM } from '../words/errno.ts'
import type { Lot } from './lot.ts'
import { depthOf, entryOf, publish, register, retract, setDepth, takeEntry } from './readers.ts'
import {
  afterReader,
  areKeptOut,
  firstWith,
  isCallPending,
  letReadersFollow,
  release,
  settle,
  unclaim,
} from './rwlock-turns.ts'
import {
  bitsAgainstReaders,
  CALL_LASTS_MS,
  hasReaders,
  isCounted,
  NOT_RECOVERABLE,
  noticeOf,
  prefersWriters,
  RawRwLock,
  READERS,
  refusal,
  RW_OWNER,
  RWLOCK_READ_PURPOSE,
  RWLOCK_WRITE_PURPOSE,
  writerOf,
  WRITERS,
} from './rwlock-word.ts'
import { BUSY, type Waitable } from './wait.ts'

const { counted, flags } = RawRwLock

/** A blocking read of a thread that reads: true, and nobody is asked. */
export function readAgain(lot: Lot, at: number): boolean {
  if (isCounted(lot, at)) return false
  const entry = entryOf(lot, at)
  if (entry === 0) return false
  setDepth(lot, entry, depthOf(lot, entry) + 1)
  return true
}

/**
 * Begins to read, or takes it back: then BUSY. `tells`: those who wait may have to be told of that. If not, the caller
 * holds the bucket, and they need not: a writer was in the way, and while somebody waits he cannot leave.
 */
function enter(lot: Lot, at: number, against: number, tells = false): number {
  const { cpu } = lot
  if (isCounted(lot, at)) {
    cpu.add(at + counted, 1) // Dekker, as below
    const seen = cpu.load(at)
    if ((seen & against) === 0) return noticeOf(lot, at)
    if (tells) leaveCounted(lot, at)
    else cpu.sub(at + counted, 1)
    return refusal(seen)
  }
  if (readAgain(lot, at)) return noticeOf(lot, at) // another asynchronous task of this thread reads
  register(lot, at + flags)
  const entry = takeEntry(lot, at)
  if (entry === 0) return -EAGAIN
  // Dekker, for entering: pairs with the compareExchange in writeWait.take(), which looks for entries afterwards.
  const seen = publish(lot, entry, at, at)
  if ((seen & against) === 0) return noticeOf(lot, at)
  if (tells) leave(lot, at, entry)
  else retract(lot, entry, at, at)
  return refusal(seen)
}

/** Takes an entry back that was published, or refused: as readUnlock() without its checks. */
export function leave(lot: Lot, at: number, entry: number): void {
  // Dekker, for leaving: pairs with announceWrite(), which sets WRITERS, then looks for entries.
  if ((retract(lot, entry, at, at) & WRITERS) !== 0) afterReader(lot, at)
}

export function leaveCounted(lot: Lot, at: number): number {
  const { cpu, thread } = lot
  if (cpu.load(at + counted) <= 0) return -EPERM
  cpu.plainStore(thread.at + ThreadSlot.reads, 1)
  cpu.plainStore(thread.at + ThreadSlot.leaving, at)
  cpu.sub(at + counted, 1)
  if ((cpu.load(at) & WRITERS) !== 0) afterReader(lot, at)
  cpu.plainStore(thread.at + ThreadSlot.leaving, 0)
  return 0
}

/** Begins to read if that needs no waiting; else BUSY. In the way of a writer that does the same, it takes it back. */
export function tryRead(lot: Lot, at: number): number {
  const against = bitsAgainstReaders(lot.cpu, at)
  const seen = lot.cpu.load(at)
  return (seen & against) === 0 ? enter(lot, at, against, true) : refusal(seen)
}

/**
 * Takes the lock for writing if that needs no waiting; else BUSY. In the way of a reader, it takes it back: a look whether
 * anybody reads, before, would cost as much as all the rest. Who tries again and again looks: spinningWrite.
 */
export function tryWrite(lot: Lot, at: number): number {
  const { cpu, thread } = lot
  for (let seen = 0; ;) {
    // Acquire: pairs with unclaim() and dispatchLocked(); and Dekker: with the load in publish().
    const now = cpu.compareExchange(at, seen, seen | thread.tid)
    if (now === seen) break
    if ((now & RW_OWNER) !== 0) return refusal(now)
    seen = now
  }
  if (!hasReaders(lot, at)) return noticeOf(lot, at)
  unclaim(lot, at) // somebody reads, or looks whether it may
  return BUSY
}

/** As tryRead(), past writers that were called and have not come. */
export function tryReadPast(lot: Lot, at: number): number {
  if ((lot.cpu.load(at) & (WRITERS | RW_OWNER)) !== WRITERS) return tryRead(lot, at)
  const bucket = lot.lockBucket(0, at)
  const isFree = (lot.cpu.load(at) & RW_OWNER) === 0 && !areKeptOut(lot, at)
  const taken = isFree ? enter(lot, at, RW_OWNER, false) : BUSY
  lot.unlockBucket(bucket)
  return taken
}

// ── waiting ───────────────────────────────────────────────────────────────────────────────────────────────────────
//
// Who waits tries again under the bucket's lock only, when it announces itself, and notes there that it was let in: readers
// and writers that tried and took it back, each time they are woken, could be in each other's way for ever.

export const readWait: Waitable = {
  purpose: RWLOCK_READ_PURPOSE,

  take: takeAdmitted,

  announce: announceRead,

  accept() {
    return BUSY // reads are not handed over
  },

  passOn: settle,

  patienceMs: (lot, at) => (isCallPending(lot, at) ? CALL_LASTS_MS : Infinity),

  taken: letReadersFollow,
}

export const writeWait: Waitable = {
  purpose: RWLOCK_WRITE_PURPOSE,

  take: takeAdmitted,

  announce: announceWrite,

  accept(lot, at) {
    // The waker handed the record over under the bucket's lock and writes the word under it too: wait for that.
    if (writerOf(lot, at) !== lot.thread.tid) lot.unlockBucket(lot.lockBucket(0, at))
    return writerOf(lot, at) === lot.thread.tid ? noticeOf(lot, at) : BUSY
  },

  passOn: settle,

  withdrawn: settle,

  giveBack(lot, at, tid) {
    release(lot, at, tid)
  },
}

/** The same for who spins: it tries outside. */
export const spinningRead: Waitable = { ...readWait, take: tryRead }
export const spinningWrite: Waitable = { ...writeWait, take: tryWriteUnread }

function tryWriteUnread(lot: Lot, at: number): number {
  const seen = lot.cpu.load(at)
  return (seen & RW_OWNER) !== 0 ? refusal(seen) : hasReaders(lot, at) ? BUSY : tryWrite(lot, at)
}

function takeAdmitted(lot: Lot, at: number): number {
  const { cpu, thread } = lot
  const note = cpu.plainLoad(thread.at + ThreadSlot.admitted)
  // One for another lock is of a wait that was let in and then ended, for the lock was destroyed.
  if (note === 0 || (note > 0 && note !== at)) return refusal(cpu.load(at))
  cpu.plainStore(thread.at + ThreadSlot.admitted, 0)
  return note < 0 ? note : noticeOf(lot, at)
}

/** False: takeAdmitted() says why it need not wait. */
function announceRead(lot: Lot, at: number): boolean {
  const { cpu } = lot
  const against = bitsAgainstReaders(cpu, at)
  for (;;) {
    const seen = cpu.load(at)
    if ((seen & RW_OWNER) === NOT_RECOVERABLE) return false
    if ((seen & against) === 0) {
      const got = enter(lot, at, against, false)
      if (got !== BUSY) return !admit(lot, got < 0 ? got : at)
    } else if ((seen & RW_OWNER) === 0 && firstWith(lot, at, RWLOCK_WRITE_PURPOSE) === 0) {
      cpu.compareExchange(at, seen, seen & ~WRITERS) // invariant 4
    } else if ((seen & RW_OWNER) === 0 && !areKeptOut(lot, at)) {
      const got = enter(lot, at, RW_OWNER, false)
      if (got !== BUSY) return !admit(lot, got < 0 ? got : at)
    } else if ((seen & READERS) !== 0 || cpu.compareExchange(at, seen, seen | READERS) === seen) {
      return true
    }
  }
}

function announceWrite(lot: Lot, at: number): boolean {
  const { cpu, thread } = lot
  let seen = cpu.load(at)
  for (;;) {
    if ((seen & RW_OWNER) === NOT_RECOVERABLE) return false
    if ((seen & WRITERS) !== 0) break
    const now = cpu.compareExchange(at, seen, seen | WRITERS)
    if (now === seen) break
    seen = now
  }
  // Dekker: who reads has an entry by now, or finds WRITERS when it leaves.
  if ((seen & RW_OWNER) !== 0 || hasReaders(lot, at)) return true
  const marked = seen | WRITERS
  if (cpu.compareExchange(at, marked, marked | thread.tid) !== marked) return true
  if (!prefersWriters(lot, at) && hasReaders(lot, at)) {
    cpu.store(at, marked) // who reads, or takes it back, has seen WRITERS
    return true
  }
  if ((seen & WRITERS) === 0) cpu.and(at, ~WRITERS) // nobody has queued because of it: we hold the bucket
  return !admit(lot, at)
}

/** What takeAdmitted() answers: the lock's word, or why it cannot be had. */
function admit({ cpu, thread }: Lot, note: number): boolean {
  cpu.plainStore(thread.at + ThreadSlot.admitted, note)
  return true
}
