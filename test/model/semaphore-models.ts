/**
 * A semaphore and threads that take its permits: what the models of the semaphore share.
 *
 * Permits have no owner in memory, so the models keep accounts: one ghost word for each thread, changed in one with the
 * instruction that moves a permit. A permit is at any time in the word, in a record (HANDED), or on an account:
 *
 *   word ── take ──► account ── release ──► word          record (HANDED) ── its thread or the reaper goes on ──► account
 *                       └────── hand over ─────► record
 *
 * Who posts what it has not taken is in debt. What the dead had on its account is gone with it, unless the program knows
 * of it and gives it back (`restores`). What comes onto the reaper's account must leave it: it belongs to the living.
 */

import type { Lot } from '../../src/sync/lot.ts'
import { HANDED, UNUSED, WAITING, WaitRecord } from '../../src/sync/wait-record.ts'
import { repairSync } from '../../src/sync/repair.ts'
import { acquire, beginAcquire, onBellAcquire, release, SEM_VALUE_MAX } from '../../src/sync/semaphore.ts'
import { PENDING } from '../../src/sync/wait.ts'
import type { Cpu } from '../../src/host/cpu.ts'
import type {
  Bounds,
  Model,
  ModelThread,
  Operation,
  ReaperOperation,
  Snapshot,
} from '../../src/testing/model.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { ETIMEDOUT } from '../../src/words/errno.ts'
import { syncWorld, type SyncWorld } from './sync-world.ts'
import * as verdicts from './verdicts.ts'

/** Ghost words: what task n's wait has come to, and the account of thread n. The reaper's is behind the last. */
const RESULT = 0
const ACCOUNT = 8

export interface Shape {
  name: string
  permits: number
  threads: (world: SyncWorld) => Model['threads']
  kill?: readonly number[]
  /** Default: what ships, and nobody gives back what the dead had. */
  reaper?: (world: SyncWorld) => ReaperOperation[]
  handOff?: boolean
  bounds?: Bounds
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
  const count = shape.threads(syncWorld(0, true)).length
  const world = syncWorld(count, true)
  const { kill = [], handOff = false, bounds = {}, reaper = repairs } = shape
  const threads = shape.threads(world)
  return {
    name: `semaphore, ${shape.name}`,
    ...world.base,
    handOff,
    kill,
    bounds,
    ghostWords: ACCOUNT + count + 1,
    init: (cpu) => {
      cpu.store(world.lockAt, shape.permits)
      threads.forEach((thread, index) => {
        if ('tasks' in thread) world.giveRecords(cpu, index)
      })
    },
    threads,
    ...(kill.length === 0 ? {} : { reaper: reaper(world) }),
    invariant: ({ cpu, ghost, assert }) => {
      let sum = cpu.load(world.lockAt) & SEM_VALUE_MAX
      for (let thread = 0; thread < count; thread++) {
        sum += ghost[ACCOUNT + thread]
        if (cpu.load(thread * ThreadSlot.sizeof + ThreadSlot.record + WaitRecord.state) === HANDED) sum++
      }
      assert(sum + ghost[ACCOUNT + count] === shape.permits, 'a permit is nowhere, or in two places')
    },
    final: (state) => {
      state.assert(world.isQuiet(state), 'nothing is left in the lot')
      const isClean = threads.every((_, thread) => world.hasNoRecordLeft(state, thread))
      state.assert(isClean, 'no task has left its record behind')
      let sum = state.cpu.load(world.lockAt) & SEM_VALUE_MAX
      for (let thread = 0; thread < count; thread++) sum += state.ghost[ACCOUNT + thread]
      state.assert(sum === shape.permits, 'permits are conserved')
    },
  }
}

// ── accounts ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Puts `change` on the account of the thread, in one with the instruction before. Returns what is on it then. */
export function enters(thread: ModelThread, change: number): number {
  return thread.ghost((ghost) => (ghost[ACCOUNT + thread.index] += change))
}

/** A lot whose instructions keep the thread's account. Once in an operation. */
export function lotOf(world: SyncWorld, thread: ModelThread): Lot {
  const { cpu } = thread
  const isRecord = (at: number) =>
    at < world.bucketsAt && at % ThreadSlot.sizeof === ThreadSlot.record + WaitRecord.state
  let handed = 0
  const saw = (at: number, value: number) => {
    if (value === HANDED && isRecord(at)) handed = at
    return value
  }
  const counted: Pick<
    Cpu,
    'load' | 'store' | 'or' | 'exchange' | 'compareExchange' | 'plainLoad' | 'plainStore'
  > = {
    load: (at) => saw(at, cpu.load(at)),
    store: (at, value) => {
      cpu.store(at, value)
      if (at === handed && value === UNUSED) enters(thread, 1)
    },
    compareExchange: (at, expected, value) => {
      const seen = saw(at, cpu.compareExchange(at, expected, value))
      if (seen !== expected) return seen
      const gain = at === world.lockAt ? (seen & SEM_VALUE_MAX) - (value & SEM_VALUE_MAX) : 0
      if (gain !== 0) enters(thread, gain)
      if (value === HANDED && isRecord(at)) enters(thread, -1)
      return seen
    },
    or: (at, mask) => cpu.or(at, mask),
    exchange: (at, value) => cpu.exchange(at, value),
    plainLoad: (at) => cpu.plainLoad(at),
    plainStore: (at, value) => {
      cpu.plainStore(at, value)
    },
  }
  return Object.assign(world.lot(thread), { cpu: counted })
}

function accountOf(thread: ModelThread): number {
  return enters(thread, 0)
}

// ── what threads do ───────────────────────────────────────────────────────────────────────────────────────────────

/** Takes a permit and keeps it. */
export function take(world: SyncWorld, deadline = Infinity): Operation {
  return (thread) => {
    const got = acquire(lotOf(world, thread), world.lockAt, deadline)
    thread.assert(accountOf(thread) === (got === -ETIMEDOUT ? 0 : 1), 'acquire() says what it did')
  }
}

export function post(world: SyncWorld, count: number): Operation {
  return (thread) => {
    thread.assert(release(lotOf(world, thread), world.lockAt, count) === 0, 'release')
  }
}

function givesBack(world: SyncWorld, thread: ModelThread): void {
  thread.assert(release(lotOf(world, thread), world.lockAt, 1) === 0, 'release')
}

/** Sections under a permit, in operations of their own. */
export function sections(world: SyncWorld, count: number, deadline = Infinity): Operation[] {
  const leave: Operation = (thread) => {
    if (accountOf(thread) > 0) givesBack(world, thread)
  }
  return Array.from({ length: count }, () => [take(world, deadline), leave]).flat()
}

// ── what tasks of one thread do ───────────────────────────────────────────────────────────────────────────────────

/** acquireAsync(), turns of the event loop in which the bell may have rung, and in the end the permit given back. */
export function task(world: SyncWorld, number: number): Operation[] {
  return [
    begins(world, number),
    ...[0, 1, 2].map((): Operation => ({
      when: (state) => state.ghost[RESULT + number] !== PENDING || hasRung(world, state, number),
      run: (thread) => {
        carriesOn(world, thread, number)
      },
    })),
    {
      when: (state) => state.ghost[RESULT + number] !== PENDING,
      run: (thread) => {
        givesBack(world, thread)
      },
    },
  ]
}

type Abandon = (lot: Lot, at: number, record: number) => void

/** Begins, has a turn of the event loop or not, and ends the wait if it is still pending; else gives the permit back. */
export function abandons(world: SyncWorld, number: number, abandon: Abandon): Operation[] {
  return [
    begins(world, number),
    (thread) => {
      if (thread.choose(2) === 1) carriesOn(world, thread, number)
    },
    (thread) => {
      if (isPending(thread, number)) abandon(lotOf(world, thread), world.lockAt, world.record(thread, number))
      else givesBack(world, thread)
    },
  ]
}

function begins(world: SyncWorld, number: number): Operation {
  return (thread) => {
    settle(thread, number, beginAcquire(lotOf(world, thread), world.lockAt, world.record(thread, number)))
  }
}

function carriesOn(world: SyncWorld, thread: ModelThread, number: number): void {
  if (!isPending(thread, number)) return
  settle(thread, number, onBellAcquire(lotOf(world, thread), world.lockAt, world.record(thread, number)))
}

function settle(thread: ModelThread, number: number, got: number): void {
  thread.ghost((ghost) => (ghost[RESULT + number] = got))
}

function isPending(thread: ModelThread, number: number): boolean {
  return thread.ghost((ghost) => ghost[RESULT + number]) === PENDING
}

function hasRung(world: SyncWorld, state: Snapshot, number: number): boolean {
  return state.cpu.load(world.record({ index: 0 }, number) + WaitRecord.state) !== WAITING
}

// ── what the reaper does ──────────────────────────────────────────────────────────────────────────────────────────

/** What ships: what the dead had taken is gone. */
export function repairs(world: SyncWorld): ReaperOperation[] {
  return [
    (thread, dead) => {
      repairSync(lotOf(world, thread), dead)
    },
  ]
}

/** The same, in a program that knows how many permits the dead had taken, and gives them back. */
export function restores(world: SyncWorld): ReaperOperation[] {
  return [
    ...repairs(world),
    (thread, dead) => {
      const taken = thread.ghost((ghost) => {
        const account = ACCOUNT + (dead & 0xff)
        const had = ghost[account]
        ghost[account] = 0
        ghost[ACCOUNT + thread.index] += had
        return had
      })
      if (taken > 0) release(lotOf(world, thread), world.lockAt, taken)
    },
  ]
}
