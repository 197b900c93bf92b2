/**
 * The read-write lock: a writer's id in one word, readers in their own lines, and the parking lot for those who wait.
 *
 *   RawRwLock   0      1         2       3       4 ... 11
 *             ┌──────┬─────────┬───────┬───────┬───────────────────┐
 *             │ word │ counted │ spins │ flags │ slots that read   │   48 bytes, 0 = free
 *             └──────┴─────────┴───────┴───────┴───────────────────┘
 *                                       └────── ReaderSet ────────┘     (readers.ts)
 *
 *   counted   with COUNTED: how many read it; no line says who, and a dead reader's reads stay, as POSIX has it
 *   spins     a hint: how many turns of spinning have paid lately
 *   flags     PREFER_WRITERS, COUNTED: written before anybody sees the lock. OWNER_DIED: a writer died holding it
 *
 *   word               who may come in                          who waits
 *   0                  readers; a writer when nobody reads      nobody
 *   tid                nobody: a writer holds it, or looks      nobody
 *                      whether anybody reads
 *   NOT_RECOVERABLE    nobody, ever again                       nobody
 *   ... | WRITERS      PREFER_WRITERS: no new reader            a writer: who leaves must look after it
 *   ... | READERS                                               a reader: the writer must look after it
 *
 * A reader publishes its entry, then loads the word; a writer puts its id into the word, then looks for entries (Dekker).
 * Who finds the other there was late, takes back what it wrote, tells those who may go now, and waits.
 *
 *   prefer readers   a reader waits only while a writer holds the lock
 *   prefer writers   also while one waits for it. The last reader hands the lock to the writer who waits longest, so new
 *                    readers cannot be first. Who reads already may read again at any time: this cannot deadlock
 *
 * Invariants
 *  1. The compareExchange that writes the id, with nobody reading after it, is the writer's acquisition; the entry, with
 *     nobody's id in the word after it, the reader's.
 *  2. While a record of a writer (reader) waits in a bucket that is not locked, WRITERS (READERS) is set in the word.
 *  3. WRITERS and READERS change under the bucket's lock only; so while one is set, the writer's id leaves the word under
 *     that lock only.
 *  4. WRITERS without a writer in the queue is what a death has left: who finds it there clears it (announceRead).
 *  5. A lock that is handed over passes from a writer to a writer, or by the last reader to a writer while WRITERS keeps
 *     all others out: nobody can have begun to read.
 *
 * A death between any two lines leaves: an id (releaseDeadWrite), entries (forgetReads), a bucket locked (everyone in it is
 * woken), records (passOn, giveBack, withdrawn), or readers gone and nobody told (settle: the kind, for the locks in whose
 * sets it finds the dead; the note `leaving`, with COUNTED).
 *
 * Lock order: the bucket of the lock's key comes below the lock itself.
 *
 * See: pthread_rwlock_rdlock(3p), pthread_rwlockattr_setkind_np(3): 'prefer writers' is glibc's
 * PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP, and with COUNTED just as nonrecursive.
 */

import type { Cpu } from '../host/cpu.ts'
import { slotOf, ThreadSlot } from '../threads/slot.ts'
import { EAGAIN, EBUSY, EDEADLK, ENOTRECOVERABLE, EOWNERDEAD, EPERM } from '../words/errno.ts'
import { i32, layout, words } from '../words/layout.ts'
import type { Lot } from './lot.ts'
import {
  depthOf,
  entryOf,
  isRead,
  publish,
  register,
  retract,
  setDepth,
  takeEntry,
  unregister,
  wasRegistered,
} from './readers.ts'
import { spinFor } from './spin.ts'
import { ASYNC, HANDED, WaitRecord, WOKEN } from './wait-record.ts'
import { abandon, begin, BUSY, onBell, waitBlocked, type Waitable } from './wait.ts'

export const RawRwLock = layout('RawRwLock', 48, {
  word: i32,
  counted: i32,
  spins: i32,
  flags: i32,
  slots: words(8),
})

const { counted, spins, flags } = RawRwLock

/** In `flags`. */
export const PREFER_WRITERS = 1
export const COUNTED = 2
const DIED = 4

/** In `word`. */
export const WRITERS = 0x80000000 | 0
export const READERS = 0x40000000
export const RW_OWNER = 0x3fffffff
const NOT_RECOVERABLE = RW_OWNER

export const RWLOCK_READ_PURPOSE = 5
export const RWLOCK_WRITE_PURPOSE = 6

/** Writes the words of a new lock; `how` is PREFER_WRITERS, COUNTED, both or 0. */
export function initRwLock(cpu: Cpu, at: number, how: number): void {
  for (let i = 0; i < RawRwLock.sizeof; i++) cpu.store(at + i, 0)
  cpu.store(at + flags, how)
}

/** The bits of the word that keep a new reader out. */
export function bitsAgainstReaders(cpu: Cpu, at: number): number {
  return (cpu.plainLoad(at + flags) & PREFER_WRITERS) === 0 ? RW_OWNER : RW_OWNER | WRITERS
}

// ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Locks for reading; waits until `deadline` if it must. A thread that reads already does so once more, at once (not with
 * COUNTED, which does not know it). Returns
 *  0                 it is ours to read
 *  EOWNERDEAD        the same, and a writer died in it: what it protects may be torn until a writer has repaired it
 *  -EDEADLK          this thread holds it for writing
 *  -ETIMEDOUT        not in time
 *  -ENOTRECOVERABLE  a writer died and the next one did not call markRwConsistent()
 *  -EAGAIN           this thread reads so much that memory is out
 */
export function readLock(lot: Lot, at: number, deadline: number): number {
  if (readAgain(lot, at)) return noticeOf(lot, at)
  if (writerOf(lot, at) === lot.thread.tid) return -EDEADLK
  const taken = tryRead(lot, at)
  if (taken !== BUSY) return taken
  const spun = spinFor(lot, spinningRead, at, at + spins)
  return spun === BUSY ? waitBlocked(lot, readWait, at, deadline) : spun
}

/** Locks for reading if that needs no waiting: as readLock(), with -EBUSY when it does (also if this thread writes). */
export function tryReadLock(lot: Lot, at: number): number {
  if (readAgain(lot, at)) return noticeOf(lot, at)
  const taken = tryRead(lot, at)
  return taken === BUSY ? -EBUSY : taken
}

/** Ends a read of this thread. -EPERM if it does not read. */
export function readUnlock(lot: Lot, at: number): number {
  if (isCounted(lot, at)) return leaveCounted(lot, at)
  const entry = entryOf(lot, at)
  if (entry === 0) return -EPERM
  const depth = depthOf(lot, entry)
  if (depth > 0) setDepth(lot, entry, depth - 1)
  else leave(lot, at, entry)
  return 0
}

/** Takes an entry back that was published, or refused: as readUnlock() without its checks. */
export function leave(lot: Lot, at: number, entry: number): void {
  // Dekker, for leaving: pairs with announceWrite(), which sets WRITERS, then looks for entries.
  if ((retract(lot, entry, at, at) & WRITERS) !== 0) afterReader(lot, at)
}

/** A reader is gone, and the word that it loaded then says that a writer waits. */
export function afterReader(lot: Lot, at: number): void {
  if (!hasReaders(lot, at)) settle(lot, at)
}

/** How many times this thread reads it. Not with COUNTED. */
export function readsOf(lot: Lot, at: number): number {
  const entry = entryOf(lot, at)
  return entry === 0 ? 0 : depthOf(lot, entry) + 1
}

export const readWait: Waitable = {
  purpose: RWLOCK_READ_PURPOSE,

  take: takeAdmitted,

  announce: announceRead,

  accept() {
    return BUSY // reads are not handed over
  },

  passOn: settle,
}

export function beginRead(lot: Lot, at: number, record: number): number {
  return beginAfter(lot, readWait, tryRead(lot, at), at, record)
}

export function onBellRead(lot: Lot, at: number, record: number): number {
  return onBell(lot, readWait, at, record)
}

export function abandonRead(lot: Lot, at: number, record: number, outcome: number): void {
  abandon(lot, readWait, at, record, outcome)
}

// ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Locks for writing; waits until `deadline` if it must. A thread that reads waits for itself, as in glibc: see readsOf().
 * Returns as readLock(); EOWNERDEAD: repair what it protects, then markRwConsistent().
 */
export function writeLock(lot: Lot, at: number, deadline: number): number {
  if (writerOf(lot, at) === lot.thread.tid) return -EDEADLK
  const taken = tryWrite(lot, at)
  if (taken !== BUSY) return taken
  const spun = spinFor(lot, spinningWrite, at, at + spins)
  return spun === BUSY ? waitBlocked(lot, writeWait, at, deadline) : spun
}

/** Locks for writing if that needs no waiting: as writeLock(), with -EBUSY when it does (also if this thread writes). */
export function tryWriteLock(lot: Lot, at: number): number {
  const taken = tryWrite(lot, at)
  return taken === BUSY ? -EBUSY : taken
}

/** Unlocks what this thread writes, and wakes who is due. -EPERM if it does not. */
export function writeUnlock(lot: Lot, at: number): number {
  const { cpu, thread } = lot
  if ((cpu.plainLoad(at + flags) & DIED) !== 0 && writerOf(lot, at) === thread.tid) return ruin(lot, at)
  return unclaim(lot, at) ? 0 : -EPERM
}

/** Unlocks, whichever way this thread holds it: pthread_rwlock_unlock(3p). -EPERM if it can be seen to hold nothing. */
export function rwUnlock(lot: Lot, at: number): number {
  return writerOf(lot, at) === lot.thread.tid ? writeUnlock(lot, at) : readUnlock(lot, at)
}

/** The writer that was told EOWNERDEAD has repaired what the lock protects. -EPERM if this thread is not that. */
export function markRwConsistent(lot: Lot, at: number): number {
  if (writerOf(lot, at) !== lot.thread.tid || noticeOf(lot, at) === 0) return -EPERM
  lot.cpu.and(at + flags, ~DIED)
  return 0
}

/** The id of the thread that holds it for writing, or 0. */
export function writerOf(lot: Lot, at: number): number {
  const tid = lot.cpu.load(at) & RW_OWNER
  return tid === NOT_RECOVERABLE ? 0 : tid
}

/** Whether a writer died in it and nobody has repaired what it protects. */
export function isTorn(lot: Lot, at: number): boolean {
  return noticeOf(lot, at) !== 0
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

export function beginWrite(lot: Lot, at: number, record: number): number {
  return beginAfter(lot, writeWait, tryWrite(lot, at), at, record)
}

export function onBellWrite(lot: Lot, at: number, record: number): number {
  return onBell(lot, writeWait, at, record)
}

export function abandonWrite(lot: Lot, at: number, record: number, outcome: number): void {
  abandon(lot, writeWait, at, record, outcome)
}

// ── after a death ─────────────────────────────────────────────────────────────────────────────────────────────────

/** The reaper, for a lock that is robust: what the dead wrote goes on with notice, and who waits for its reads is told. */
export function releaseDeadRw(lot: Lot, at: number, dead: number): void {
  const { cpu } = lot
  if (writerOf(lot, at) === dead) {
    cpu.or(at + flags, DIED)
    release(lot, at, dead)
  }
  if (!wasRegistered(lot, at + flags, dead)) return
  settle(lot, at) // its entries are gone (forgetReads), or it had cleared one and told nobody yet
  unregister(lot, at + flags, dead)
}

/** The reaper: the dead may have left a counted lock and not told those who wait for it. */
export function finishLeaving(lot: Lot, dead: number): void {
  const note = slotOf(lot.geometry.slotsAt, dead) + ThreadSlot.leaving
  const at = lot.cpu.load(note)
  if (at === 0) return
  settle(lot, at)
  lot.cpu.store(note, 0)
}

// ── below ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function isCounted({ cpu }: Lot, at: number): boolean {
  return (cpu.plainLoad(at + flags) & COUNTED) !== 0
}

function prefersWriters({ cpu }: Lot, at: number): boolean {
  return (cpu.plainLoad(at + flags) & PREFER_WRITERS) !== 0
}

function noticeOf({ cpu }: Lot, at: number): number {
  return (cpu.load(at + flags) & DIED) === 0 ? 0 : EOWNERDEAD
}

function refusal(word: number): number {
  return (word & RW_OWNER) === NOT_RECOVERABLE ? -ENOTRECOVERABLE : BUSY
}

/** Whether anybody reads, or looks whether it may. */
function hasReaders(lot: Lot, at: number): boolean {
  if (isCounted(lot, at)) return lot.cpu.load(at + counted) !== 0
  return isRead(lot, at + flags, at, at)
}

/** A blocking read of a thread that reads: true, and nobody is asked. */
function readAgain(lot: Lot, at: number): boolean {
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

function leaveCounted(lot: Lot, at: number): number {
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
function tryRead(lot: Lot, at: number): number {
  const against = bitsAgainstReaders(lot.cpu, at)
  const seen = lot.cpu.load(at)
  return (seen & against) === 0 ? enter(lot, at, against, true) : refusal(seen)
}

/** Takes the lock for writing if that needs no waiting; else BUSY. In the way of a reader, it takes it back. */
function tryWrite(lot: Lot, at: number): number {
  const { cpu, thread } = lot
  for (let seen = cpu.load(at); ;) {
    if ((seen & RW_OWNER) !== 0) return refusal(seen)
    if (hasReaders(lot, at)) return BUSY
    // Acquire: pairs with unclaim() and dispatchLocked(); and Dekker: with the load in publish().
    const now = cpu.compareExchange(at, seen, seen | thread.tid)
    if (now === seen) break
    seen = now
  }
  if (!hasReaders(lot, at)) return noticeOf(lot, at)
  unclaim(lot, at) // somebody had begun to read before our id was in the word
  return BUSY
}

const spinningRead: Waitable = { ...readWait, take: tryRead }
const spinningWrite: Waitable = { ...writeWait, take: tryWrite }

/** Starts to wait if the first try was in vain. */
function beginAfter(lot: Lot, what: Waitable, tried: number, at: number, record: number): number {
  if (tried === BUSY) return begin(lot, what, at, record)
  lot.freeRecord(record)
  return tried
}

// ── waiting ───────────────────────────────────────────────────────────────────────────────────────────────────────
//
// Who waits tries again under the bucket's lock only, when it announces itself, and notes there that it was let in: readers
// and writers that tried and took it back, each time they are woken, could be in each other's way for ever.

function takeAdmitted(lot: Lot, at: number): number {
  const { cpu, thread } = lot
  const note = cpu.plainLoad(thread.at + ThreadSlot.admitted)
  if (note === 0) return refusal(cpu.load(at))
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

/** Takes this thread's id out of the word, whatever it was there for. False if it is not there. */
function unclaim(lot: Lot, at: number): boolean {
  const { cpu, thread } = lot
  // Release: pairs with the compareExchange in writeWait.take(), and with the load of whoever enters to read.
  const seen = cpu.compareExchange(at, thread.tid, 0)
  if (seen === thread.tid) return true
  if ((seen & RW_OWNER) !== thread.tid) return false
  release(lot, at, thread.tid)
  return true
}

/** The lock leaves `tid`, and those who may go are told. Nothing happens if it is not there. */
function release(lot: Lot, at: number, tid: number): void {
  const woken: number[] = []
  const bucket = lot.lockBucket(0, at)
  dispatchLocked(lot, bucket, at, tid, woken)
  lot.unlockBucket(bucket)
  lot.ring(woken)
}

/** Those who may go now are told: the last reader has left, or one who waited does not any more. */
export function settle(lot: Lot, at: number): void {
  release(lot, at, 0)
}

/** The writer was told of a death and unlocks without markRwConsistent(): nobody gets the lock any more. */
function ruin(lot: Lot, at: number): number {
  const woken: number[] = []
  const bucket = lot.lockBucket(0, at)
  lot.wakeLocked(bucket, 0, at, Infinity, woken)
  lot.cpu.store(at, NOT_RECOVERABLE)
  lot.unlockBucket(bucket)
  lot.ring(woken)
  return 0
}

/**
 * The word leaves `from` (a writer, or 0: nobody has it) for whoever is next, and those who may go are woken. Nothing
 * happens if `from` does not have it: who does will be here.
 */
function dispatchLocked(lot: Lot, bucket: number, at: number, from: number, woken: number[]): void {
  const { cpu } = lot
  let seen = cpu.load(at)
  if ((seen & RW_OWNER) !== from) return
  const strict = prefersWriters(lot, at)
  const sleeps = !strict && wakeReaders(lot, bucket, at, woken)
  const heir = sleeps ? 0 : wakeWriter(lot, bucket, at, from, woken)
  const writers = firstWith(lot, at, RWLOCK_WRITE_PURPOSE) === 0 ? 0 : WRITERS
  if (heir === 0 && writers === 0) wakeReaders(lot, bucket, at, woken)
  const bits = writers | (firstWith(lot, at, RWLOCK_READ_PURPOSE) === 0 ? 0 : READERS)
  for (;;) {
    // Release. Only from nobody can somebody be quicker: then the heir finds out (accept), and tries again.
    const now = cpu.compareExchange(at, seen, ((seen & RW_OWNER) === from ? heir : seen & RW_OWNER) | bits)
    if (now === seen) return
    seen = now
  }
}

/** Wakes all readers. True if one of them sleeps: it reads soon, while one that waits asynchronously may take its time. */
function wakeReaders(lot: Lot, bucket: number, at: number, woken: number[]): boolean {
  let sleeps = false
  for (;;) {
    const reader = firstWith(lot, at, RWLOCK_READ_PURPOSE)
    if (reader === 0) return sleeps
    if (!lot.endLocked(bucket, reader, WOKEN)) continue
    woken.push(reader)
    if (lot.cpu.plainLoad(reader + WaitRecord.kind) !== ASYNC) sleeps = true
  }
}

/**
 * Unless somebody reads, wakes writers up to the first that sleeps, or hands it the lock. Returns its thread then, else 0.
 * Those who wait asynchronously do not keep others waiting, not even the readers of their own thread: all are woken.
 */
function wakeWriter(lot: Lot, bucket: number, at: number, from: number, woken: number[]): number {
  const { cpu, thread } = lot
  if (firstWith(lot, at, RWLOCK_WRITE_PURPOSE) === 0 || hasReaders(lot, at)) return 0
  // Invariant 5: from nobody only while WRITERS keeps readers out.
  const isDue = prefersWriters(lot, at) && (from === 0 || firstWith(lot, at, RWLOCK_READ_PURPOSE) !== 0)
  for (;;) {
    const writer = firstWith(lot, at, RWLOCK_WRITE_PURPOSE)
    if (writer === 0) return 0
    const sleeps = cpu.plainLoad(writer + WaitRecord.kind) !== ASYNC
    const starves = from !== 0 && sleeps && thread.isStarving(cpu.plainLoad(writer + WaitRecord.since))
    const hands = sleeps && (isDue || starves)
    if (!lot.endLocked(bucket, writer, hands ? HANDED : WOKEN)) continue
    woken.push(writer)
    if (sleeps) return hands ? lot.ownerOf(writer) : 0
  }
}

/** Who waits longest for the lock, of the readers or of the writers; 0 if none. The bucket is locked. */
function firstWith(lot: Lot, at: number, purpose: number): number {
  const bucket = lot.bucketOf(0, at)
  let record = lot.firstLocked(bucket, 0, at)
  while (record !== 0 && lot.cpu.plainLoad(record + WaitRecord.purpose) !== purpose) {
    record = lot.nextLocked(record, 0, at)
  }
  return record
}
