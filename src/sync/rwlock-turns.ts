/**
 * Who is next when somebody leaves a read-write lock: readers or a writer, by preference, and in the order of the queue.
 * (rwlock-word.ts has the picture, the states and the invariants.)
 *
 *   somebody leaves ─► unclaim, afterReader ─► settle, release ─► dispatchLocked ─┬─► wakeReaders    WOKEN: they try again
 *                                                                                 └─► wakeWriter     WOKEN, HANDED, or called
 *
 * A death between any two lines leaves a bucket locked: everyone in it is woken, and tries again.
 */

import type { Lot } from './lot.ts'
import {
  CALL_LASTS_MS,
  hasReaders,
  NOT_RECOVERABLE,
  prefersWriters,
  READERS,
  RW_OWNER,
  RWLOCK_READ_PURPOSE,
  RWLOCK_WRITE_PURPOSE,
  WRITERS,
} from './rwlock-word.ts'
import { ASYNC, HANDED, WaitRecord, WOKEN } from './wait-record.ts'

/** A reader is gone, and the word that it loaded then says that a writer waits. */
export function afterReader(lot: Lot, at: number): void {
  if (!hasReaders(lot, at)) settle(lot, at)
}

/** Takes this thread's id out of the word, whatever it was there for. False if it is not there. */
export function unclaim(lot: Lot, at: number): boolean {
  const { cpu, thread } = lot
  // Release: pairs with the compareExchange in writeWait.take(), and with the load of whoever enters to read.
  const seen = cpu.compareExchange(at, thread.tid, 0)
  if (seen === thread.tid) return true
  if ((seen & RW_OWNER) !== thread.tid) return false
  release(lot, at, thread.tid)
  return true
}

/** The lock leaves `tid`, and those who may go are told. Nothing happens if it is not there. */
export function release(lot: Lot, at: number, tid: number): void {
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
export function ruin(lot: Lot, at: number): number {
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
  const before = woken.length
  const heir = sleeps ? 0 : wakeWriter(lot, bucket, at, from, woken)
  const writers = firstWith(lot, at, RWLOCK_WRITE_PURPOSE) === 0 ? 0 : WRITERS
  if (heir === 0 && writers === 0) wakeReaders(lot, bucket, at, woken)
  else if (strict && woken.length > before && !hasSleeper(lot, woken)) {
    wakeReaderOfEach(lot, bucket, at, woken)
  }
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

/** Invariant 5: wakes the first reader of each thread. It finds that it has to wait, and will look again by itself. */
function wakeReaderOfEach(lot: Lot, bucket: number, at: number, woken: number[]): void {
  const met = new Set<number>()
  for (let reader = firstWith(lot, at, RWLOCK_READ_PURPOSE); reader !== 0;) {
    const after = nextWith(lot, reader, at, RWLOCK_READ_PURPOSE)
    const isAsync = lot.cpu.plainLoad(reader + WaitRecord.kind) === ASYNC
    const thread = lot.ownerOf(reader)
    if ((!isAsync || !met.has(thread)) && lot.endLocked(bucket, reader, WOKEN)) {
      woken.push(reader)
      if (isAsync) met.add(thread)
    }
    reader = after
  }
}

/**
 * Unless somebody reads, calls the writers up to the first that sleeps, and wakes that or hands it the lock. Returns its
 * thread if it does, else 0. Those who were called do not keep others waiting for long, not even the readers of their own
 * thread.
 */
function wakeWriter(lot: Lot, bucket: number, at: number, from: number, woken: number[]): number {
  const { cpu, thread } = lot
  if (firstWith(lot, at, RWLOCK_WRITE_PURPOSE) === 0 || hasReaders(lot, at)) return 0
  // Invariant 6: from nobody only while WRITERS keeps readers out.
  const isDue = prefersWriters(lot, at) && (from === 0 || firstWith(lot, at, RWLOCK_READ_PURPOSE) !== 0)
  for (let writer = firstWith(lot, at, RWLOCK_WRITE_PURPOSE); writer !== 0;) {
    const after = nextWith(lot, writer, at, RWLOCK_WRITE_PURPOSE)
    if (cpu.plainLoad(writer + WaitRecord.kind) === ASYNC) {
      if (lot.calledAt(writer) === 0) {
        lot.callLocked(writer, thread.now() || 1)
        woken.push(writer)
      }
    } else {
      const starves = from !== 0 && lot.isStarvingLocked(bucket, writer)
      const hands = isDue || starves
      if (lot.endLocked(bucket, writer, hands ? HANDED : WOKEN)) {
        woken.push(writer)
        return hands ? lot.ownerOf(writer) : 0
      }
    }
    writer = after
  }
  return 0
}

function hasSleeper(lot: Lot, woken: readonly number[]): boolean {
  return woken.some((record) => lot.cpu.plainLoad(record + WaitRecord.kind) !== ASYNC)
}

/** Whether writers in the queue keep readers out of a lock that nobody has. The bucket is locked. */
export function areKeptOut(lot: Lot, at: number): boolean {
  let writer = firstWith(lot, at, RWLOCK_WRITE_PURPOSE)
  while (writer !== 0) {
    if (lot.cpu.plainLoad(writer + WaitRecord.kind) !== ASYNC) return true
    const called = lot.calledAt(writer)
    if (called === 0 || !lot.thread.isStarving((called + CALL_LASTS_MS) | 0)) return true
    writer = nextWith(lot, writer, at, RWLOCK_WRITE_PURPOSE)
  }
  return false
}

/** Whether a writer waits asynchronously, and none asleep: readers that queue must look again by themselves. */
export function isCallPending(lot: Lot, at: number): boolean {
  if ((lot.cpu.load(at) & WRITERS) === 0 || !prefersWriters(lot, at)) return false
  const bucket = lot.lockBucket(0, at)
  let writer = firstWith(lot, at, RWLOCK_WRITE_PURPOSE)
  const isAny = writer !== 0
  while (writer !== 0 && lot.cpu.plainLoad(writer + WaitRecord.kind) === ASYNC) {
    writer = nextWith(lot, writer, at, RWLOCK_WRITE_PURPOSE)
  }
  lot.unlockBucket(bucket)
  return isAny && writer === 0
}

/** A reader has come past writers that were called and have not come: the others may, too. */
export function letReadersFollow(lot: Lot, at: number): void {
  const { cpu } = lot
  if ((cpu.load(at) & (WRITERS | READERS)) !== (WRITERS | READERS)) return
  const woken: number[] = []
  const bucket = lot.lockBucket(0, at)
  if ((cpu.load(at) & RW_OWNER) === 0 && !areKeptOut(lot, at)) wakeReaders(lot, bucket, at, woken)
  lot.unlockBucket(bucket)
  lot.ring(woken)
}

/** Who waits longest for the lock, of the readers or of the writers; 0 if none. The bucket is locked. */
export function firstWith(lot: Lot, at: number, purpose: number): number {
  return withPurpose(lot, lot.firstLocked(lot.bucketOf(0, at), 0, at), at, purpose)
}

function nextWith(lot: Lot, record: number, at: number, purpose: number): number {
  return withPurpose(lot, lot.nextLocked(record, 0, at), at, purpose)
}

function withPurpose(lot: Lot, from: number, at: number, purpose: number): number {
  let record = from
  while (record !== 0 && lot.cpu.plainLoad(record + WaitRecord.purpose) !== purpose) {
    record = lot.nextLocked(record, 0, at)
  }
  return record
}
