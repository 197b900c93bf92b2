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
 *   flags     PREFER_WRITERS, COUNTED: written before anybody sees the lock. DIED: a writer died holding it
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
 * Who finds the other there was late, takes back what it wrote, tells those who may go now, and waits. It does so once: then it tries under the bucket's lock
 * only, or the two could be in each other's way for ever.
 *
 *   prefer readers   a reader waits only while a writer holds the lock
 *   prefer writers   also while one waits for it. The last reader hands the lock to the writer who waits longest, so new
 *                    readers cannot be first. Who reads already may read again at any time: this cannot deadlock
 *
 * A writer that waits asynchronously is handed nothing, since its thread may be busy. It is *called*: rung, while it stays in
 * the queue, and so in the way of new readers, as one that sleeps does. When its thread comes round it takes the lock if that
 * is free, and else goes on waiting, to be called again. Whoever sleeps is not kept waiting for that: writers further back
 * are woken or handed the lock all the same, and readers look again after CALL_LASTS_MS, when those who were called and
 * have not come are in nobody's way any more. A wait that was called is given up, withdrawn or ended like any other.
 *
 * Invariants
 *  1. The compareExchange that writes the id, with nobody reading after it, is the writer's acquisition; the entry, with
 *     nobody's id in the word after it, the reader's.
 *  2. While a record of a writer (reader) waits in a bucket that is not locked, WRITERS (READERS) is set in the word.
 *  3. WRITERS and READERS change under the bucket's lock only; so while one is set, the writer's id leaves the word under
 *     that lock only.
 *  4. WRITERS without a writer in the queue is what a death has left: who finds it there clears it (announceRead).
 *  5. While an asynchronous writer waits and nobody has the lock, it has been called since, or somebody who leaves is about
 *     to; and so has been, once, the first reader of each thread, so that it knows that it must look again by itself.
 *  6. A lock that is handed over passes from a writer to a writer, or by the last reader to a writer while WRITERS keeps
 *     all others out: nobody can have begun to read.
 *
 * A death between any two lines leaves: an id (releaseDeadRw), entries (forgetReads), a bucket locked (everyone in it is
 * woken), records (passOn, giveBack, withdrawn), or readers gone and nobody told (settle: the kind, for the locks in whose
 * sets it finds the dead; the note `leaving`, with COUNTED).
 *
 * Lock order: the bucket of the lock's key comes below the lock itself.
 *
 *   rwlock-word.ts    this page: the words, and what they say
 *   rwlock-turns.ts   who is next when somebody leaves
 *   rwlock-tries.ts   coming in, and waiting
 *   rwlock.ts         the calls, and what a death leaves
 *
 * See: pthread_rwlock_rdlock(3p), pthread_rwlockattr_setkind_np(3): 'prefer writers' is glibc's
 * PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP, and with COUNTED just as nonrecursive.
 */

import type { Cpu } from '../host/cpu.ts'
import { ENOTRECOVERABLE, EOWNERDEAD } from '../words/errno.ts'
import { i32, layout, words } from '../words/layout.ts'
import type { Lot } from './lot.ts'
import { isRead } from './readers.ts'
import { BUSY } from './wait.ts'
import { LINED } from './wait-record.ts'

export const RawRwLock = layout('RawRwLock', 48, {
  word: i32,
  counted: i32,
  spins: i32,
  flags: i32,
  slots: words(8),
})

const { counted, flags } = RawRwLock

/** So long a writer that was called keeps readers out. */
export const CALL_LASTS_MS = 10

/** In `flags`. */
export const PREFER_WRITERS = 1
export const COUNTED = 2
export const DIED = 4

/** In `word`. */
export const WRITERS = 0x80000000 | 0
export const READERS = 0x40000000
export const RW_OWNER = 0x3fffffff
/** Below the greatest owner, so that no word is -1 (Cpu.guardedPairLoad). */
export const NOT_RECOVERABLE = RW_OWNER - 1

export const RWLOCK_READ_PURPOSE = LINED | 5
export const RWLOCK_WRITE_PURPOSE = LINED | 6

/** Writes the words of a new lock; `how` is PREFER_WRITERS, COUNTED, both or 0. */
export function initRwLock(cpu: Cpu, at: number, how: number): void {
  for (let i = 0; i < RawRwLock.sizeof; i++) cpu.store(at + i, 0)
  cpu.store(at + flags, how)
}

/** The bits of the word that keep a new reader out. */
export function bitsAgainstReaders(cpu: Cpu, at: number): number {
  return (cpu.plainLoad(at + flags) & PREFER_WRITERS) === 0 ? RW_OWNER : RW_OWNER | WRITERS
}

export function isCounted({ cpu }: Lot, at: number): boolean {
  return (cpu.plainLoad(at + flags) & COUNTED) !== 0
}

export function prefersWriters({ cpu }: Lot, at: number): boolean {
  return (cpu.plainLoad(at + flags) & PREFER_WRITERS) !== 0
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

/** For who has the lock. Plain: DIED is written while a dead writer's id is in the word, or by a writer before it leaves. */
export function noticeOf({ cpu }: Lot, at: number): number {
  return (cpu.plainLoad(at + flags) & DIED) === 0 ? 0 : EOWNERDEAD
}

export function refusal(word: number): number {
  return (word & RW_OWNER) === NOT_RECOVERABLE ? -ENOTRECOVERABLE : BUSY
}

/** Whether anybody reads, or looks whether it may. */
export function hasReaders(lot: Lot, at: number): boolean {
  if (isCounted(lot, at)) return lot.cpu.load(at + counted) !== 0
  return isRead(lot, at + flags, at, at)
}
