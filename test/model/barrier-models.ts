/** A barrier and threads that arrive at it: what the models of the barrier share. */

import type { Lot } from '../../src/sync/lot.ts'
import {
  abandonArrive,
  arrive,
  arrivedBits,
  Arrival,
  beginArrive,
  initBarrier,
  onBellArrive,
  RawBarrier,
  SERIAL,
} from '../../src/sync/barrier.ts'
import { memberDied, mend } from '../../src/sync/barrier-members.ts'
import { repairSync } from '../../src/sync/repair.ts'
import { PENDING } from '../../src/sync/wait.ts'
import { WAITING, WaitRecord } from '../../src/sync/wait-record.ts'
import type { Bounds, Model, ModelThread, Operation, ReaperOperation, Run } from '../../src/testing/model.ts'
import { EOWNERDEAD, ETIMEDOUT } from '../../src/words/errno.ts'
import { syncWorld, type SyncWorld } from './sync-world.ts'
import * as verdicts from './verdicts.ts'

/** Ghost words: arrivals begun and not taken back, those that passed, those that were the serial one. */
const ENTERED = 0
const PASSED = 1
const SERIALS = 2
/** What task n's wait has come to, and its arrival's word. */
const RESULT = 4
const MINE = 8
/** A flag for each thread. */
export const FLAGS = 12

/** Where the members stand: behind the barrier's words. */
export const MEMBERS = 16

export interface Shape {
  name: string
  parties: number
  threads: (world: SyncWorld) => Model['threads']
  /** How many phases come to their end; if absent, nothing is said about that. */
  phases?: number
  kill?: readonly number[]
  mayKill?: (thread: number, operation: number) => boolean
  /** Those who are members from the start. */
  members?: readonly number[]
  reaper?: (world: SyncWorld) => ReaperOperation
  bounds?: Bounds
}

export type Arrive = (lot: Lot, at: number, deadline: number) => number

/** Explores the model, which must hold. */
export function holds(shape: Shape): void {
  verdicts.holds(modelOf(shape))
}

/** Explores the model, in which a bug was planted. */
export function finds(shape: Shape, what: RegExp): void {
  verdicts.finds(modelOf(shape), what)
}

function modelOf(shape: Shape): Model {
  const sample = shape.threads(syncWorld(0, true))
  const count = sample.length
  const hasTasks = sample.some((thread) => 'tasks' in thread)
  const world = syncWorld(count, hasTasks)
  const { base, lockAt } = world
  const { parties, phases, kill = [], bounds = {}, members = [], reaper = reaps } = shape
  const threads = shape.threads(world)
  const isNote = base.notes as (at: number) => boolean
  return {
    name: `barrier, ${shape.name}`,
    ...base,
    notes: (at) => at === lockAt + RawBarrier.parties || (at !== lockAt + RawBarrier.broken && isNote(at)),
    hints: (at) => at === lockAt + RawBarrier.spins,
    kill,
    bounds,
    init: (cpu) => {
      initBarrier(cpu, lockAt, parties)
      for (const member of members) cpu.or(lockAt + MEMBERS, 1 << member)
      for (let thread = 0; thread < count && hasTasks; thread++) world.giveRecords(cpu, thread)
    },
    threads,
    ...(kill.length === 0 ? {} : { reaper: [reaper(world)] }),
    ...(shape.mayKill === undefined ? {} : { mayKill: shape.mayKill }),
    invariant: ({ cpu, assert }) => {
      assert((cpu.load(lockAt) & arrivedBits(parties)) < parties, 'all have arrived, and the phase goes on')
    },
    final: (state) => {
      state.assert(world.isQuiet(state), 'nothing is left in the lot')
      for (let thread = 0; thread < count && hasTasks; thread++) {
        const isClean = world.hasNoRecordLeft(state, thread) || state.isDead(thread)
        state.assert(isClean, 'no task has left its record behind')
      }
      const word = state.cpu.load(lockAt)
      state.assert(
        (word & arrivedBits(parties)) === 0 || (word & 0x40000000) !== 0,
        'nobody has arrived, or it is broken',
      )
      if (phases === undefined) return
      state.assert((word & 0x7fffffff) === phases * (arrivedBits(parties) + 1), 'so many phases have ended')
      state.assert(state.ghost[SERIALS] === phases, 'each had one serial arrival')
      state.assert(state.ghost[PASSED] === phases * parties, 'all have passed')
    },
  }
}

// ── what threads do ───────────────────────────────────────────────────────────────────────────────────────────────

/** Arrives once. Passes only when all parties have entered. Returns what arrive() did. */
export function passes(
  world: SyncWorld,
  thread: ModelThread,
  parties: number,
  deadline = Infinity,
  how: Arrive = arrive,
): number {
  thread.ghost((ghost) => ++ghost[ENTERED])
  const got = how(world.lot(thread), world.lockAt, deadline)
  settles(thread, got, parties)
  return got
}

function settles(thread: ModelThread, got: number, parties: number): void {
  if (got === -ETIMEDOUT || got === -EOWNERDEAD) {
    // What was not in time has not been. (Of a broken phase the dead's arrival stays, which only makes the claim weaker.)
    thread.ghost((ghost) => --ghost[ENTERED])
    return
  }
  thread.assert(got === 0 || got === SERIAL, `arrive() returns ${got}`)
  if (got === SERIAL) thread.ghost((ghost) => ++ghost[SERIALS])
  // The n-th to pass has passed phase (n - 1) / parties: all arrivals of that phase have begun.
  const isEarly = thread.ghost((ghost) => {
    const phase = Math.floor(ghost[PASSED]++ / parties)
    return ghost[ENTERED] < (phase + 1) * parties ? 1 : 0
  })
  thread.assert(isEarly === 0, 'it passes before all have arrived')
}

/** So many phases, an operation each. */
export function phases(world: SyncWorld, parties: number, count: number, how?: Arrive): Operation[] {
  return Array.from({ length: count }, () => (thread: ModelThread) => {
    thread.assert(passes(world, thread, parties, Infinity, how) >= 0, 'nothing is broken')
  })
}

/** Until it is broken. */
export function phasesUntilBroken(world: SyncWorld, parties: number, count: number): Operation[] {
  return Array.from({ length: count }, () => (thread: ModelThread) => {
    if (isFlagged(thread)) return
    if (passes(world, thread, parties) === -EOWNERDEAD) flag(thread)
  })
}

/** Tries with a time limit, then without. */
export function triesTwice(world: SyncWorld, parties: number, how: Arrive = arrive): Operation[] {
  return [
    (thread) => {
      if (passes(world, thread, parties, 1, how) === -ETIMEDOUT) flag(thread)
    },
    (thread) => {
      if (isFlagged(thread)) passes(world, thread, parties, Infinity, how)
    },
  ]
}

/** What a thread remembers from one operation to the next. */
export function flag(thread: ModelThread): void {
  thread.ghost((ghost) => (ghost[FLAGS + thread.index] = 1))
}

export function isFlagged(thread: ModelThread): boolean {
  return thread.ghost((ghost) => ghost[FLAGS + thread.index]) === 1
}

/** Dies before it arrives, or arrives. */
export function diesOrPasses(world: SyncWorld): Operation[] {
  return [
    (thread) => {
      thread.cpu.load(world.scratch)
    },
    ...phases(world, 3, 1),
  ]
}

/** Comes third, or mends what broke as soon as the second has arrived: who may not have woken yet. */
export function mendsOrPasses(world: SyncWorld): Operation[] {
  return [
    {
      when: ({ cpu, isAsleep, isDead, isFinished }) =>
        isAsleep(0) ||
        (isDead(0) &&
          (cpu.load(world.lockAt + MEMBERS) & 1) === 0 &&
          ((cpu.load(world.lockAt) & 3) === 1 || isFinished(1))),
      run: (thread) => {
        if (!mend(world.lot(thread), world.lockAt)) passes(world, thread, 3)
      },
    },
  ]
}

/** A barrier that nobody breaks: thread 0 comes when 1 sleeps, and is killed; thread 2 comes if the phase goes on. */
export function lastIsKilled(how?: Arrive): Shape {
  return {
    name: `no members, kill 0${how === undefined ? '' : `, ${how.name}`}`,
    parties: 2,
    threads: (world) => {
      const [arrives] = phases(world, 2, 1, how) as Run[]
      return [
        [{ when: ({ isAsleep }) => isAsleep(1), run: arrives }],
        [arrives],
        [
          {
            when: ({ isDead, isFinished }) => isDead(0) || isFinished(0),
            run: (thread) => {
              if ((thread.cpu.load(world.lockAt) & 0x3ffffffe) === 0) arrives(thread)
            },
          },
        ],
      ]
    },
    kill: [0],
    reaper: (world) => (thread, dead) => {
      repairSync(world.lot(thread), dead)
    },
  }
}

// ── what tasks of one thread do ───────────────────────────────────────────────────────────────────────────────────

/** arriveAsync(), and turns of the event loop in which the bell may have rung. */
export function task(world: SyncWorld, number: number, parties: number): Operation[] {
  return [
    begins(world, number, parties),
    ...[0, 1].map((): Operation => ({
      when: ({ ghost, cpu }) =>
        ghost[RESULT + number] !== PENDING ||
        cpu.load(world.record({ index: 0 }, number) + WaitRecord.state) !== WAITING,
      run: (thread) => {
        carriesOn(world, thread, number, parties)
      },
    })),
    {
      when: ({ ghost }) => ghost[RESULT + number] !== PENDING,
      run: () => undefined,
    },
  ]
}

/** Begins, has a turn of the event loop or not, and ends the wait if it is still pending; then arrives anew, if it must. */
export function abandonsAndRetries(
  world: SyncWorld,
  number: number,
  parties: number,
  outcome: number,
): Operation[] {
  return [
    begins(world, number, parties),
    (thread) => {
      if (thread.choose(2) === 1) carriesOn(world, thread, number, parties)
    },
    (thread) => {
      if (resultOf(thread, number) !== PENDING) return
      const arrival = new Arrival(thread.ghost((ghost) => ghost[MINE + number]))
      const got = abandonArrive(
        world.lot(thread),
        world.lockAt,
        arrival,
        world.record(thread, number),
        outcome,
      )
      settles(thread, got, parties)
      thread.ghost((ghost) => (ghost[RESULT + number] = got))
    },
    (thread) => {
      if (resultOf(thread, number) === -ETIMEDOUT) begins(world, number, parties)(thread)
    },
    ...task(world, number, parties).slice(1),
  ] as Operation[]
}

function begins(world: SyncWorld, number: number, parties: number): (thread: ModelThread) => void {
  return (thread) => {
    thread.ghost((ghost) => ++ghost[ENTERED])
    const arrival = new Arrival(0)
    const got = beginArrive(world.lot(thread), world.lockAt, arrival, world.record(thread, number))
    thread.ghost((ghost) => (ghost[MINE + number] = arrival.mine))
    settlesTask(thread, number, got, parties)
  }
}

function carriesOn(world: SyncWorld, thread: ModelThread, number: number, parties: number): void {
  if (resultOf(thread, number) !== PENDING) return
  const arrival = new Arrival(thread.ghost((ghost) => ghost[MINE + number]))
  const got = onBellArrive(world.lot(thread), world.lockAt, arrival, world.record(thread, number))
  settlesTask(thread, number, got, parties)
}

function settlesTask(thread: ModelThread, number: number, got: number, parties: number): void {
  thread.ghost((ghost) => (ghost[RESULT + number] = got))
  if (got !== PENDING) settles(thread, got, parties)
}

function resultOf(thread: ModelThread, number: number): number {
  return thread.ghost((ghost) => ghost[RESULT + number])
}

// ── what the reaper does ──────────────────────────────────────────────────────────────────────────────────────────

function reaps(world: SyncWorld): ReaperOperation {
  return (thread, dead) => {
    const lot = world.lot(thread)
    repairSync(lot, dead)
    memberDied(lot, world.lockAt, world.lockAt + MEMBERS, dead)
  }
}
