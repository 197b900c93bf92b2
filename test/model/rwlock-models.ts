/**
 * A read-write lock and threads that read and write under it: what its models share.
 *
 * Ghosts: what each thread is doing (IN + thread: 0, READING or WRITING), and whether a writer died in it and nobody has
 * been told (TORN). A dead thread counts as inside until the reaper begins.
 */

import type { Lot } from '../../src/sync/lot.ts'
import {
  markRwConsistent,
  readLock,
  readUnlock,
  releaseDeadRw,
  writeLock,
  writeUnlock,
} from '../../src/sync/rwlock.ts'
import { release } from '../../src/sync/rwlock-turns.ts'
import { initRwLock, RawRwLock, RW_OWNER, writerOf } from '../../src/sync/rwlock-word.ts'
import { homeEntry, ReaderLine, register } from '../../src/sync/readers.ts'
import { repairSync } from '../../src/sync/repair.ts'
import { WaitRecord } from '../../src/sync/wait-record.ts'
import type {
  Bounds,
  Model,
  ModelThread,
  Operation,
  ReaperOperation,
  Snapshot,
  ThreadModel,
} from '../../src/testing/model.ts'
import { ThreadSlot, tidOf } from '../../src/threads/slot.ts'
import { EOWNERDEAD, ETIMEDOUT } from '../../src/words/errno.ts'
import { syncWorld, type SyncWorld } from './sync-world.ts'
import * as verdicts from './verdicts.ts'

/** Ghost words. */
const TORN = 0
const RESULT = 1
const REAPED = 7
const IN = 8

export const READING = 1
export const WRITING = 2

/** Of the event loop, in which a task may carry on: a death can ring it in vain once more. */
const TURNS = 5

/** The tag of an entry that belongs to nothing in the model. */
const ELSEWHERE = 1

const PLAIN: readonly number[] = [ThreadSlot.reads, ThreadSlot.leaving, ThreadSlot.admitted]

export interface Shape {
  name: string
  /** PREFER_WRITERS, COUNTED, both or 0. */
  how: number
  threads: (world: SyncWorld) => readonly ThreadModel[]
  /** Threads that have read before. Default: all. */
  registered?: readonly number[]
  /** Threads that read something else, whose entry lies where theirs for the lock would. */
  crowded?: readonly number[]
  kill?: readonly number[]
  reaper?: (world: SyncWorld) => ReaperOperation[]
  handOff?: boolean
  /** Tasks may be waiting in the end. */
  leavesWaits?: boolean
  bounds?: Bounds
}

export function holds(shape: Shape): void {
  verdicts.holds(modelOf(shape))
}

export function finds(shape: Shape, what: RegExp): void {
  verdicts.finds(modelOf(shape), what)
}

function modelOf(shape: Shape): Model {
  const count = shape.threads(syncWorld(0, true)).length
  const isAsync = shape.threads(syncWorld(0, true)).some((thread) => 'tasks' in thread)
  const world = syncWorld(count, isAsync)
  const { at, isWord } = placeOf(world)
  const { kill = [], handOff = false, bounds = {}, reaper = reaps } = shape
  const threads = shape.threads(world)
  const killed = kill.length === 0 ? '' : `, kill ${kill.join(' ')}`
  return {
    name: `rwlock, ${shape.name}${killed}`,
    ...world.base,
    // Flags, entries, depths and the set are accessed plainly by the thread whose they are, or where they do not change.
    notes: (word) =>
      isWord(word) ? word !== at : (world.base.notes as (at: number) => boolean)(word) || isLine(world, word),
    hints: (word) => word === at + RawRwLock.spins,
    handOff,
    kill,
    bounds,
    ghostWords: IN + count + 1,
    init: (cpu) => {
      initRwLock(cpu, at, shape.how)
      const all = threads.map((_, index) => index)
      for (const index of shape.registered ?? all) {
        register(
          { cpu, thread: { tid: index, at: index * ThreadSlot.sizeof } } as unknown as Lot,
          at + RawRwLock.flags,
        )
      }
      for (const index of shape.crowded ?? []) cpu.store(homeEntry(index * ThreadSlot.sizeof, at), ELSEWHERE)
      threads.forEach((thread, index) => {
        if ('tasks' in thread) world.giveRecords(cpu, index)
      })
    },
    threads,
    ...(kill.length === 0 ? {} : { reaper: reaper(world) }),
    invariant: ({ ghost, assert }) => {
      let [readers, writers] = [0, 0]
      for (let thread = 0; thread < count; thread++) {
        if (ghost[IN + thread] === WRITING) writers++
        else if (ghost[IN + thread] > 0) readers++
      }
      assert(writers <= 1, 'two write')
      assert(writers === 0 || readers === 0, 'one writes while another reads')
    },
    final: (state) => {
      state.assert((state.cpu.load(at) & RW_OWNER) === 0, 'nobody writes in the end')
      state.assert(state.cpu.load(at + RawRwLock.counted) === 0, 'nobody is counted in the end')
      for (let thread = 0; thread < count; thread++) {
        const slot = thread * ThreadSlot.sizeof
        const line = slot + ThreadSlot.readers
        for (let entry = line + ReaderLine.entries; entry < line + ReaderLine.sizeof; entry += 2)
          state.assert(state.cpu.load(entry) !== at, 'nobody reads in the end')
        state.assert(state.cpu.load(line + ReaderLine.spilled) === 0, 'no line has spilled in the end')
      }
      state.assert(world.isQuiet(state), 'nothing is left in the lot')
      const isClean =
        shape.leavesWaits === true || threads.every((_, thread) => world.hasNoRecordLeft(state, thread))
      state.assert(!isAsync || isClean, 'no task has left its record behind')
    },
  }
}

function placeOf(world: SyncWorld): { at: number; isWord: (at: number) => boolean } {
  const at = world.lockAt
  return { at, isWord: (word) => word >= at && word < at + RawRwLock.sizeof }
}

function isLine(world: SyncWorld, word: number): boolean {
  const offset = word % ThreadSlot.sizeof
  if (word >= world.bucketsAt) return false
  return offset >= ThreadSlot.readers || PLAIN.includes(offset)
}

// ── sections ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** The functions of the lock, as they ship or with a bug planted. */
export interface Lock {
  readLock: (lot: Lot, at: number, deadline: number) => number
  readUnlock: (lot: Lot, at: number) => number
  writeLock: (lot: Lot, at: number, deadline: number) => number
  writeUnlock: (lot: Lot, at: number) => number
}

export const shipped: Lock = { readLock, readUnlock, writeLock, writeUnlock }

export function reads(world: SyncWorld, deadline = Infinity, lock = shipped): Operation {
  return (thread) => {
    const lot = world.lot(thread)
    const got = lock.readLock(lot, world.lockAt, deadline)
    if (got === -ETIMEDOUT) return
    goesIn(thread, READING, got)
    comesOut(world, thread, READING)
    thread.assert(lock.readUnlock(lot, world.lockAt) === 0, 'readUnlock: does not read')
  }
}

/** Reads, and reads again inside. */
export function readsTwice(world: SyncWorld): Operation {
  return (thread) => {
    const lot = world.lot(thread)
    for (let i = 0; i < 2; i++) goesIn(thread, READING, readLock(lot, world.lockAt, Infinity))
    for (let i = 0; i < 2; i++) {
      comesOut(world, thread, READING)
      thread.assert(readUnlock(lot, world.lockAt) === 0, 'readUnlock: does not read')
    }
  }
}

export function writes(world: SyncWorld, deadline = Infinity, lock = shipped): Operation {
  return (thread) => {
    const lot = world.lot(thread)
    const got = lock.writeLock(lot, world.lockAt, deadline)
    if (got === -ETIMEDOUT) return
    goesIn(thread, WRITING, got)
    if (got === EOWNERDEAD) thread.assert(markRwConsistent(lot, world.lockAt) === 0, 'nothing to mark')
    comesOut(world, thread, WRITING)
    thread.assert(lock.writeUnlock(lot, world.lockAt) === 0, 'writeUnlock: does not write')
  }
}

function goesIn(thread: ModelThread, as: number, got: number): void {
  const torn = thread.ghost((ghost) => {
    ghost[IN + thread.index] += as
    const wasTorn = ghost[TORN]
    if (as === WRITING) ghost[TORN] = 0
    return wasTorn
  })
  thread.assert(got === 0 || got === EOWNERDEAD, `${got} while it may be had`)
  thread.assert(torn === 0 || got === EOWNERDEAD, 'a writer died in it, and nobody was told')
}

function comesOut(world: SyncWorld, thread: ModelThread, as: number): void {
  thread.cpu.load(world.scratch) // inside: where the others come in
  thread.ghost((ghost) => (ghost[IN + thread.index] -= as))
}

// ── asynchronous tasks ────────────────────────────────────────────────────────────────────────────────────────────

export interface AsyncLock {
  begin: (lot: Lot, at: number, record: number) => number
  onBell: (lot: Lot, at: number, record: number) => number
  abandon: (lot: Lot, at: number, record: number, outcome: number) => void
  unlock: (lot: Lot, at: number) => number
  as: number
}

/** Begins, has turns of the event loop in which the bell may have rung, and ends the section, or the wait (`outcome`). */
export function task(
  world: SyncWorld,
  number: number,
  lock: AsyncLock,
  pending: number,
  waiting: number,
  outcome?: number,
  thread = 0,
): Operation[] {
  const resultOf = (thread: ModelThread) => thread.ghost((ghost) => ghost[RESULT + number])
  const settles = (thread: ModelThread, got: number) => {
    thread.ghost((ghost) => (ghost[RESULT + number] = got))
    if (got === pending) return
    goesIn(thread, lock.as, got)
    if (got === EOWNERDEAD && lock.as === WRITING) markRwConsistent(world.lot(thread), world.lockAt)
  }
  const carriesOn = (thread: ModelThread) => {
    if (resultOf(thread) !== pending) return
    settles(thread, lock.onBell(world.lot(thread), world.lockAt, world.record(thread, number)))
  }
  const record = world.record({ index: thread }, number)
  const isRung = ({ cpu, ghost }: Snapshot) =>
    ghost[RESULT + number] !== pending ||
    cpu.load(record + WaitRecord.state) !== waiting ||
    cpu.load(record + WaitRecord.outcome) !== 0 // called
  const begins: Operation = (thread) => {
    settles(thread, lock.begin(world.lot(thread), world.lockAt, world.record(thread, number)))
  }
  const leaves = (thread: ModelThread) => {
    comesOut(world, thread, lock.as)
    thread.assert(lock.unlock(world.lot(thread), world.lockAt) === 0, 'unlock')
  }
  if (outcome === undefined) {
    return [
      begins,
      ...Array.from({ length: TURNS }, (): Operation => ({ when: isRung, run: carriesOn })),
      { when: (state) => state.ghost[RESULT + number] !== pending, run: leaves },
    ]
  }
  return [
    begins,
    (thread) => {
      if (thread.choose(2) === 1) carriesOn(thread)
    },
    (thread) => {
      if (resultOf(thread) !== pending) leaves(thread)
      else lock.abandon(world.lot(thread), world.lockAt, world.record(thread, number), outcome)
    },
  ]
}

// ── what the reaper does ──────────────────────────────────────────────────────────────────────────────────────────

/** What ships. */
function reaps(world: SyncWorld): ReaperOperation[] {
  return [
    outside,
    (thread, dead) => {
      const lot = world.lot(thread)
      repairSync(lot, dead)
      releaseDeadRw(lot, world.lockAt, dead)
    },
  ]
}

/** The dead is not inside any more; what it wrote may be torn. */
export const outside: ReaperOperation = (thread, dead) => {
  thread.ghost((ghost) => {
    const was = ghost[IN + (dead & 0xff)]
    ghost[IN + (dead & 0xff)] = 0
    if (was === WRITING) ghost[TORN] = 1
    return 0
  })
}

// ── counted: what the dead had locked stays locked ────────────────────────────────────────────────────────────────

/** What ships for a lock at an address: a wait of the dead ends, and a lock that it was leaving is left; no more. */
export function reapsCounted(world: SyncWorld, repair = repairSync): ReaperOperation[] {
  return [
    (thread, dead) => {
      repair(world.lot(thread), dead)
      thread.ghost((ghost) => (ghost[REAPED] = 1))
    },
  ]
}

/**
 * A program that knows better: once the others sleep or are through, what is still locked is the dead's, and is unlocked in
 * its place. So whoever still sleeps slept beside a lock that was to be had.
 */
export function unlocksForDead(world: SyncWorld, victim: number, others: readonly number[]): Operation {
  const { lockAt: at } = world
  return {
    when: ({ ghost, isDead, isFinished, isAsleep }) =>
      (isDead(victim) ? ghost[REAPED] === 1 : isFinished(victim)) &&
      others.every((thread) => isFinished(thread) || isAsleep(thread)),
    run: (thread) => {
      const lot = world.lot(thread)
      const isRead = lot.cpu.load(at + RawRwLock.counted) > 0
      const isWritten = writerOf(lot, at) === tidOf(victim, 1)
      thread.ghost((ghost) => (ghost[IN + victim] = 0))
      if (isRead) thread.assert(readUnlock(lot, at) === 0, 'readUnlock: nobody is counted')
      if (isWritten) release(lot, at, tidOf(victim, 1))
    },
  }
}
