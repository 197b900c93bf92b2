/** A lock and threads that take it: what the models of the mutex share. */

import type { Lot } from '../../src/sync/lot.ts'
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
import { INSIDE, NOTICES, SECTIONS, syncWorld, type SyncWorld } from './sync-world.ts'
import * as verdicts from './verdicts.ts'

/** A search without bounds may take this many states. */
export const FULL: Bounds = { states: 60_000_000 }

export interface Shape {
  threads: number
  sections: number
  /** Of the first thread, if it has another number. */
  first?: number
  /** More waiters than so many are a crowd. */
  crowd?: number
  kill?: readonly number[]
  bounds?: Bounds
  handOff?: boolean
  section?: (world: SyncWorld) => Operation
  reaper?: (world: SyncWorld) => ReaperOperation
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
  const world = syncWorld(shape.threads, false, 1, shape.crowd)
  const { kill = [], handOff = false, bounds = {}, section: make = section, reaper = reaps } = shape
  const killed = kill.length === 0 ? '' : `, kill ${kill.join(' ')}`
  return {
    name: `mutex ${shape.threads}x${shape.sections}${shape.crowd === undefined ? '' : ', crowd'}${killed}${handOff ? ', hand-off' : ''}`,
    ...world.base,
    handOff,
    kill,
    bounds,
    threads: Array.from({ length: shape.threads }, (_, thread) =>
      Array.from({ length: thread === 0 ? (shape.first ?? shape.sections) : shape.sections }, () =>
        make(world),
      ),
    ),
    ...(kill.length === 0 ? {} : { reaper: [reaper(world)] }),
    invariant: exclusion,
    final: (state) => {
      atRest(world, state)
    },
  }
}

export function exclusion({ ghost, assert }: Snapshot): void {
  assert(ghost[INSIDE] <= 1, 'two hold the lock')
}

export function atRest(world: SyncWorld, state: Snapshot): void {
  state.assert((state.cpu.load(world.lockAt) & OWNER_MASK) === 0, 'the lock is free in the end')
  state.assert(world.isQuiet(state), 'nothing is left in the lot')
}

export function enter(world: SyncWorld, thread: ModelThread, got: number): void {
  thread.ghost((ghost) => {
    // The dead was inside, and will not come out.
    if (got === EOWNERDEAD) {
      ghost[INSIDE] = 0
      ghost[NOTICES]++
    }
    return ++ghost[INSIDE]
  })
  if (got === EOWNERDEAD) markConsistent(world.lot(thread), world.lockAt)
}

export function leave(world: SyncWorld, thread: ModelThread): void {
  thread.cpu.load(world.scratch) // inside: where the others come in
  thread.ghost((ghost) => {
    ghost[SECTIONS]++
    return --ghost[INSIDE]
  })
}

export function section(world: SyncWorld): Operation {
  return with_()(world)
}

/** The functions of a lock, as they ship or with a bug planted. */
type Lock = (lot: Lot, at: number, deadline: number) => number
type Unlock = (lot: Lot, at: number) => number

/** A section under the lock. */
export function with_(release: Unlock = unlock, acquire: Lock = lock): (world: SyncWorld) => Operation {
  return (world) => (thread) => {
    const lot = world.lot(thread)
    const got = acquire(lot, world.lockAt, Infinity)
    if (got === -ETIMEDOUT) return
    enter(world, thread, got)
    leave(world, thread)
    thread.assert(release(lot, world.lockAt) === 0, 'unlock: not the owner')
  }
}

export function timedSection(world: SyncWorld): Operation {
  return (thread) => {
    const lot = world.lot(thread)
    const got = lock(lot, world.lockAt, 1)
    if (got === -ETIMEDOUT) return
    enter(world, thread, got)
    leave(world, thread)
    thread.assert(unlock(lot, world.lockAt) === 0, 'unlock: not the owner')
  }
}

/** What the reaper does: the lot's steps, and those of the kind that the lock is of. */
export function repair(world: SyncWorld, thread: ModelThread, dead: number): void {
  const lot = world.lot(thread)
  repairSync(lot, dead)
  releaseDead(lot, world.lockAt, dead)
}

export function reaps(world: SyncWorld): ReaperOperation {
  return (thread, dead) => {
    repair(world, thread, dead)
  }
}
