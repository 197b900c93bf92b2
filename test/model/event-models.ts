/** A latch or an event and threads that wait for it: what their models share. */

import type { Lot } from '../../src/sync/lot.ts'
import { repairSync } from '../../src/sync/repair.ts'
import { PENDING } from '../../src/sync/wait.ts'
import { WAITING, WaitRecord } from '../../src/sync/wait-record.ts'
import type {
  Bounds,
  Model,
  ModelThread,
  Operation,
  ReaperOperation,
  Snapshot,
} from '../../src/testing/model.ts'
import { ETIMEDOUT } from '../../src/words/errno.ts'
import { syncWorld, type SyncWorld } from './sync-world.ts'
import * as verdicts from './verdicts.ts'

/** Ghost words: how many have passed; what is promised; what task n's wait has come to; a flag for each thread. */
export const PASSED = 0
export const PROMISED = 1
const RESULT = 4
export const FLAGS = 12

export interface Shape {
  name: string
  /** The word at first. */
  word: number
  threads: (world: SyncWorld) => Model['threads']
  kill?: readonly number[]
  mayKill?: Model['mayKill']
  reaper?: (world: SyncWorld) => ReaperOperation
  final?: (state: Snapshot, world: SyncWorld) => void
  bounds?: Bounds
}

export interface Steps {
  begin: (lot: Lot, at: number, record: number) => number
  onBell: (lot: Lot, at: number, record: number) => number
  abandon: (lot: Lot, at: number, record: number, outcome: number) => void
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
  const sample = shape.threads(syncWorld(0, true))
  const count = sample.length
  const hasTasks = sample.some((thread) => 'tasks' in thread)
  const world = syncWorld(count, hasTasks)
  const { kill = [], bounds = {}, reaper = reaps } = shape
  return {
    name: shape.name,
    ...world.base,
    kill,
    bounds,
    init: (cpu) => {
      cpu.store(world.lockAt, shape.word)
      for (let thread = 0; thread < count && hasTasks; thread++) world.giveRecords(cpu, thread)
    },
    threads: shape.threads(world),
    ...(kill.length === 0 ? {} : { reaper: [reaper(world)] }),
    ...(shape.mayKill === undefined ? {} : { mayKill: shape.mayKill }),
    final: (state) => {
      state.assert(world.isQuiet(state), 'nothing is left in the lot')
      for (let thread = 0; thread < count && hasTasks; thread++) {
        state.assert(world.hasNoRecordLeft(state, thread), 'no task has left its record behind')
      }
      shape.final?.(state, world)
    },
  }
}

/** One that waited has passed, and may. */
function passes(thread: ModelThread): void {
  const isEarly = thread.ghost((ghost) => (++ghost[PASSED] > ghost[PROMISED] ? 1 : 0))
  thread.assert(isEarly === 0, 'it passes before it may')
}

/** Says that `count` more may pass, before they are let. */
export function promises(thread: ModelThread, count: number): void {
  thread.ghost((ghost) => (ghost[PROMISED] += count))
}

type Wait = (lot: Lot, at: number, deadline: number) => number

export function waits(world: SyncWorld, wait: Wait, deadline = Infinity): Operation {
  return (thread) => {
    if (wait(world.lot(thread), world.lockAt, deadline) !== -ETIMEDOUT) passes(thread)
    else thread.ghost((ghost) => (ghost[FLAGS + thread.index] = 1))
  }
}

/** An asynchronous wait, and turns of the event loop in which the bell may have rung. */
export function task(world: SyncWorld, number: number, steps: Steps): Operation[] {
  return [
    begins(world, number, steps),
    ...[0, 1].map((): Operation => ({
      when: (state) => state.ghost[RESULT + number] !== PENDING || !isWaiting(world, state, number),
      run: (thread) => {
        carriesOn(world, thread, number, steps)
      },
    })),
    { when: (state) => state.ghost[RESULT + number] !== PENDING, run: () => undefined },
  ]
}

/** Begins, has a turn of the event loop or not, and ends the wait if it is still pending. */
export function abandons(world: SyncWorld, number: number, steps: Steps, outcome: number): Operation[] {
  return [
    begins(world, number, steps),
    (thread) => {
      if (thread.choose(2) === 1) carriesOn(world, thread, number, steps)
    },
    (thread) => {
      if (resultOf(thread, number) !== PENDING) return
      steps.abandon(world.lot(thread), world.lockAt, world.record(thread, number), outcome)
    },
  ]
}

function begins(world: SyncWorld, number: number, steps: Steps): Operation {
  return (thread) => {
    settles(thread, number, steps.begin(world.lot(thread), world.lockAt, world.record(thread, number)))
  }
}

function carriesOn(world: SyncWorld, thread: ModelThread, number: number, steps: Steps): void {
  if (resultOf(thread, number) !== PENDING) return
  settles(thread, number, steps.onBell(world.lot(thread), world.lockAt, world.record(thread, number)))
}

function settles(thread: ModelThread, number: number, got: number): void {
  thread.ghost((ghost) => (ghost[RESULT + number] = got))
  if (got !== PENDING) passes(thread)
}

function resultOf(thread: ModelThread, number: number): number {
  return thread.ghost((ghost) => ghost[RESULT + number])
}

/** Whether task n of thread 0 is in the queue. */
export function isWaiting(world: SyncWorld, { cpu }: Snapshot, number: number): boolean {
  return cpu.load(world.record({ index: 0 }, number) + WaitRecord.state) === WAITING
}

function reaps(world: SyncWorld): ReaperOperation {
  return (thread, dead) => {
    repairSync(world.lot(thread), dead)
  }
}
