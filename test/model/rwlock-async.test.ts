/** Asynchronous readers and writers beside blocking ones, in one queue. */

import { describe, test } from 'vitest'
import {
  abandonRead,
  abandonWrite,
  beginRead,
  beginWrite,
  onBellRead,
  onBellWrite,
  readLock,
  readUnlock,
  writeUnlock,
} from '../../src/sync/rwlock.ts'
import { PREFER_WRITERS } from '../../src/sync/rwlock-word.ts'
import { ABORTED, TIMED_OUT, WAITING, WaitRecord, WOKEN } from '../../src/sync/wait-record.ts'
import { PENDING } from '../../src/sync/wait.ts'
import { Lot } from '../../src/sync/lot.ts'
import type { GatedOperation, ModelThread, Operation } from '../../src/testing/model.ts'
import type { SyncWorld } from './sync-world.ts'
import { finds, holds, READING, reads, task, writes, WRITING, type AsyncLock } from './rwlock-models.ts'

const reading: AsyncLock = {
  begin: beginRead,
  onBell: onBellRead,
  abandon: abandonRead,
  unlock: readUnlock,
  as: READING,
}
const writing: AsyncLock = {
  begin: beginWrite,
  onBell: onBellWrite,
  abandon: abandonWrite,
  unlock: writeUnlock,
  as: WRITING,
}

describe.each([
  { say: 'prefer readers', how: 0 },
  { say: 'prefer writers', how: PREFER_WRITERS },
])('$say', ({ say, how }) => {
  test('a task that reads and one that writes, and a thread that does both, 2 preemptions', () => {
    holds({
      name: `${say}, tasks r w, r w`,
      how,
      threads: (world) => [
        { tasks: [task(world, 1, reading, PENDING, WAITING), task(world, 2, writing, PENDING, WAITING)] },
        [reads(world), writes(world)],
      ],
      handOff: true,
      bounds: { preemptions: 2, timeouts: 2 },
    })
  })

  test('tasks that give up, and a blocking reader and writer, 2 preemptions, or 1 and any number of time-outs', () => {
    const givesUp = {
      name: `${say}, tasks give up, r, w`,
      how,
      threads: (world: SyncWorld) => [
        { tasks: [task(world, 1, writing, PENDING, WAITING, ABORTED)] },
        [reads(world)],
        [writes(world)],
      ],
    }
    holds({ ...givesUp, bounds: { preemptions: 1 } })
    holds({ ...givesUp, bounds: { preemptions: 2, timeouts: 6 } })
    holds({
      name: `${say}, tasks time out, r, w`,
      how,
      threads: (world) => [
        { tasks: [task(world, 1, reading, PENDING, WAITING, TIMED_OUT)] },
        [reads(world)],
        [writes(world)],
      ],
      bounds: { preemptions: 2 },
    })
  })

  test('the thread of a task is killed anywhere, 2 preemptions', () => {
    holds({
      name: `${say}, task w killed, r`,
      how,
      threads: (world) => [{ tasks: [task(world, 1, writing, PENDING, WAITING)] }, [reads(world)]],
      kill: [0],
      handOff: true,
      bounds: { preemptions: 2, timeouts: 2 },
    })
  })

  test('two tasks that write, in threads of their own, and a blocking writer, one killed anywhere, 1 preemption', () => {
    holds({
      name: `${say}, tasks w, w, and w`,
      how,
      threads: (world) => [
        { tasks: [task(world, 1, writing, PENDING, WAITING)] },
        { tasks: [task(world, 2, writing, PENDING, WAITING, undefined, 1)] },
        [writes(world)],
      ],
      kill: [0],
      handOff: true,
      bounds: { preemptions: 1, timeouts: 1 },
    })
  })
})

describe('a writer that waits asynchronously, prefer writers', () => {
  test('has its turn before readers that come later, if time stands still: in full', () => {
    holds({
      name: 'the task writes before the second read',
      how: PREFER_WRITERS,
      threads: (world) => [
        { tasks: [noted(task(world, 1, writing, PENDING, WAITING))] },
        readsTwiceApart(world),
      ],
      bounds: { timeouts: 0 },
    })
  })

  test('planted: one that is woken and leaves the queue is found to lose to such a reader', () => {
    finds(
      {
        name: 'woken, not called',
        how: PREFER_WRITERS,
        threads: (world) => [
          { tasks: [noted(task(world, 1, writing, PENDING, WAITING))] },
          readsTwiceApart(world, (thread) => new WakesAll(thread, world.lot(thread).geometry)),
        ],
        bounds: { timeouts: 0 },
      },
      /came later/,
    )
  })

  test('keeps nobody out for longer than a call lasts: not another thread, in full; not its own, 3 preemptions', () => {
    holds({
      name: 'the task never comes round, a reader of another thread',
      how: PREFER_WRITERS,
      threads: (world) => [{ tasks: [[beginsToWrite(world)]] }, [readsLate(world), readsLate(world)]],
      leavesWaits: true,
      bounds: { timeouts: 4 },
    })
    holds({
      name: 'the task never comes round, a reader of its own thread',
      how: PREFER_WRITERS,
      threads: (world) => [{ tasks: [[beginsToWrite(world), readsLate(world)]] }, [readsLate(world)]],
      leavesWaits: true,
      bounds: { preemptions: 3, timeouts: 4 },
    })
  })
})

/** Ghost words, besides those of the model: the task waits, and has not written yet; */
const WAITS = 4
/** the second read began after that. */
const CAME_LATER = 5

/** A task that writes, and says from when on it waits, and that it does not any more. */
function noted([begins, ...others]: Operation[]): Operation[] {
  const [first] = [begins as (thread: ModelThread) => void]
  return [
    (thread) => {
      first(thread)
      thread.ghost((ghost) => (ghost[WAITS] = ghost[2] === PENDING ? 1 : 0))
    },
    ...others.map((each): Operation => {
      const { when = () => true, run } = each as GatedOperation
      return {
        when,
        run: (thread) => {
          run(thread)
          thread.ghost((ghost) => (ghost[WAITS] = ghost[2] === PENDING ? 1 : 0))
        },
      }
    }),
  ]
}

/** Reads, and then once more. The second time is behind a task that waits since before it began. */
function readsTwiceApart(world: SyncWorld, lotOf = (thread: ModelThread) => world.lot(thread)): Operation[] {
  return [
    (thread) => {
      readLock(lotOf(thread), world.lockAt, Infinity)
      thread.cpu.load(world.scratch)
      readUnlock(lotOf(thread), world.lockAt)
      thread.ghost((ghost) => (ghost[CAME_LATER] = ghost[WAITS]))
    },
    (thread) => {
      readLock(lotOf(thread), world.lockAt, Infinity)
      const isFirst = thread.ghost((ghost) => ghost[CAME_LATER] & ghost[WAITS])
      thread.assert(isFirst === 0, 'it came later, and reads before the task has written')
      readUnlock(lotOf(thread), world.lockAt)
    },
  ]
}

/** Begins, and has no turn of the event loop any more. */
function beginsToWrite(world: SyncWorld): Operation {
  return (thread) => {
    const got = beginWrite(world.lot(thread), world.lockAt, world.record(thread, 1))
    if (got !== PENDING) writeUnlock(world.lot(thread), world.lockAt)
  }
}

/** Reads, when enough time has passed for any call. */
function readsLate(world: SyncWorld): Operation {
  return (thread) => {
    const lot = world.lot(late(thread))
    thread.assert(readLock(lot, world.lockAt, Infinity) === 0, 'not to be had')
    thread.assert(readUnlock(lot, world.lockAt) === 0, 'readUnlock')
  }
}

function late(thread: ModelThread): ModelThread {
  return new Proxy(thread, {
    get: (target, name) => {
      if (name === 'isStarving') return () => true
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
    },
  })
}

/** A called writer leaves the queue, as one that is woken does. */
class WakesAll extends Lot {
  override callLocked(record: number, at: number): void {
    if (at === 0) super.callLocked(record, 0)
    else this.endLocked(this.bucketOf(0, this.cpu.plainLoad(record + WaitRecord.key1)), record, WOKEN)
  }
}
