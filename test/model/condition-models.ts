/** A condition, its mutex, and threads that wait and notify: what the models of the condition share. */

import { conditionNotify, conditionWait } from '../../src/sync/condition.ts'
import { lock, markConsistent, OWNER_MASK, releaseDead, unlock } from '../../src/sync/mutex.ts'
import { repairSync } from '../../src/sync/repair.ts'
import type {
  Bounds,
  Model,
  ModelThread,
  Operation,
  ReaperOperation,
  Snapshot,
} from '../../src/testing/model.ts'
import { EOWNERDEAD, ETIMEDOUT } from '../../src/words/errno.ts'
import { syncWorld, type SyncWorld } from './sync-world.ts'
import * as verdicts from './verdicts.ts'

/** Ghost words. */
export const INSIDE = 0
/** What is waited for: only changed with the mutex held. */
export const THINGS = 1
/** Waits that answered 0, and what notify() said it notified. */
export const NOTIFIED = 2
export const TOLD = 3
/** How many have come to wait. */
export const CAME = 4
/** Who came last: its index, plus 1. */
export const LAST = 5
/** What task n's wait has come to; how many waits are over. */
export const RESULT = 8
export const THROUGH = 12

export interface Shape {
  name: string
  threads: (world: SyncWorld) => Model['threads']
  buckets?: number
  kill?: readonly number[]
  mayKill?: Model['mayKill']
  reaper?: (world: SyncWorld) => ReaperOperation
  handOff?: boolean
  bounds?: Bounds
  /** Whether each notification went to one wait that answers 0. Not with deaths. */
  isExact?: boolean
}

/** Explores the model, which must hold. */
export function holds(shape: Shape): void {
  verdicts.holds(modelOf(shape))
}

/** Explores the model, in which a bug was planted. */
export function finds(shape: Shape, what: RegExp): void {
  verdicts.finds(modelOf(shape), what)
}

function modelOf(shape: Shape): Model {
  const count = shape.threads(syncWorld(0, true, 2)).length
  const world = syncWorld(count, true, shape.buckets ?? 2)
  const { kill = [], handOff = false, bounds = {}, reaper = reaps, isExact = false, mayKill } = shape
  return {
    name: `condition, ${shape.name}`,
    ...world.base,
    handOff,
    kill,
    bounds,
    ...(mayKill !== undefined && { mayKill }),
    init: (cpu) => {
      for (let thread = 0; thread < count; thread++) world.giveRecords(cpu, thread)
    },
    threads: shape.threads(world),
    ...(kill.length === 0 ? {} : { reaper: [reaper(world)] }),
    invariant: ({ ghost, assert }) => {
      assert(ghost[INSIDE] <= 1, 'two hold the mutex')
    },
    final: (state) => {
      state.assert((state.cpu.load(world.lockAt) & OWNER_MASK) === 0, 'the mutex is free in the end')
      state.assert(world.isQuiet(state), 'nothing is left in the lot')
      if (isExact) {
        state.assert(state.ghost[NOTIFIED] === state.ghost[TOLD], 'a notification was lost, or made up')
      }
    },
  }
}

// ── what threads do ───────────────────────────────────────────────────────────────────────────────────────────────

export function enters(world: SyncWorld, thread: ModelThread, got: number): void {
  thread.ghost((ghost) => {
    if (got === EOWNERDEAD) ghost[INSIDE] = 0
    return ++ghost[INSIDE]
  })
  if (got === EOWNERDEAD) markConsistent(world.lot(thread), world.lockAt)
}

function leaves(thread: ModelThread): void {
  thread.ghost((ghost) => --ghost[INSIDE])
}

export function acquires(world: SyncWorld, thread: ModelThread): void {
  enters(world, thread, lock(world.lot(thread), world.lockAt, Infinity))
}

export function releases(world: SyncWorld, thread: ModelThread): void {
  leaves(thread)
  thread.assert(unlock(world.lot(thread), world.lockAt) === 0, 'unlock: not the owner')
}

type Wait = typeof conditionWait
type Notify = typeof conditionNotify

/** Waits once, with the mutex held before and after. Returns what the wait answered. */
function waits(world: SyncWorld, thread: ModelThread, deadline: number, wait: Wait): number {
  thread.ghost((ghost) => {
    ghost[INSIDE]--
    ghost[LAST] = thread.index + 1
    return ++ghost[CAME]
  })
  const got = wait(world.lot(thread), world.otherAt, world.lockAt, deadline)
  thread.ghost((ghost) => ++ghost[THROUGH])
  thread.assert(got === 0 || got === EOWNERDEAD || got === -ETIMEDOUT, `wait() answered ${got}`)
  if (got === 0) thread.ghost((ghost) => ++ghost[NOTIFIED])
  enters(world, thread, got)
  return got
}

/** As a consumer: waits until there is a thing, and takes it if there is (it may come too late). */
export function consumes(world: SyncWorld, deadline = Infinity, wait: Wait = conditionWait): Operation {
  return (thread) => {
    acquires(world, thread)
    let got = 0
    while (got >= 0 && thread.ghost((ghost) => ghost[THINGS]) === 0)
      got = waits(world, thread, deadline, wait)
    thread.ghost((ghost) => {
      if (ghost[THINGS] > 0) ghost[THINGS]--
      return 0
    })
    releases(world, thread)
  }
}

/** Waits once, whatever for. */
export function waitsOnce(world: SyncWorld, deadline = Infinity, wait: Wait = conditionWait): Operation {
  return (thread) => {
    acquires(world, thread)
    waits(world, thread, deadline, wait)
    releases(world, thread)
  }
}

/** As a producer: makes things and notifies, with the mutex held or after. */
export function produces(
  world: SyncWorld,
  things: number,
  count: number,
  isHeld: boolean,
  notify: Notify = conditionNotify,
): Operation {
  return (thread) => {
    acquires(world, thread)
    thread.ghost((ghost) => (ghost[THINGS] += things))
    if (isHeld) notifies(world, thread, count, notify)
    releases(world, thread)
    if (!isHeld) notifies(world, thread, count, notify)
  }
}

/** Starts when so many have come to wait: whoever has come has queued by the time that the mutex can be had. */
export function after(came: number, operation: Operation): Operation {
  const run = typeof operation === 'function' ? operation : operation.run
  return { when: (state) => state.ghost[CAME] >= came || state.isDead(0), run }
}

export function notifies(world: SyncWorld, thread: ModelThread, count: number, notify: Notify): number {
  const told = notify(world.lot(thread), world.otherAt, count)
  thread.ghost((ghost) => (ghost[TOLD] += told))
  return told
}

// ── what the reaper does ──────────────────────────────────────────────────────────────────────────────────────────

function reaps(world: SyncWorld): ReaperOperation {
  return (thread, dead) => {
    const lot = world.lot(thread)
    repairSync(lot, dead)
    releaseDead(lot, world.lockAt, dead)
  }
}

export function isDone(state: Snapshot, thread: number): boolean {
  return state.isDead(thread) || state.isFinished(thread)
}
