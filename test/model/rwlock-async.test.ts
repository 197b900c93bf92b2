/** Asynchronous readers and writers beside blocking ones, in one queue. */

import { describe, test } from 'vitest'
import {
  abandonRead,
  abandonWrite,
  beginRead,
  beginWrite,
  onBellRead,
  onBellWrite,
  readUnlock,
  writeUnlock,
} from '../../src/sync/rwlock.ts'
import { PREFER_WRITERS } from '../../src/sync/rwlock-word.ts'
import { ABORTED, TIMED_OUT, WAITING } from '../../src/sync/wait-record.ts'
import { PENDING } from '../../src/sync/wait.ts'
import { holds, READING, reads, task, writes, WRITING, type AsyncLock } from './rwlock-models.ts'

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
  test('a task that reads and one that writes, and a thread that does both, 1 preemption', () => {
    holds({
      name: `${say}, tasks r w, r w`,
      how,
      threads: (world) => [
        { tasks: [task(world, 1, reading, PENDING, WAITING), task(world, 2, writing, PENDING, WAITING)] },
        [reads(world), writes(world)],
      ],
      bounds: { preemptions: 1 },
    })
  })

  test('tasks that give up, and a blocking reader and writer, 1 preemption', () => {
    holds({
      name: `${say}, tasks give up, r, w`,
      how,
      threads: (world) => [
        { tasks: [task(world, 1, writing, PENDING, WAITING, ABORTED)] },
        [reads(world)],
        [writes(world)],
      ],
      bounds: { preemptions: 1 },
    })
    holds({
      name: `${say}, tasks time out, r, w`,
      how,
      threads: (world) => [
        { tasks: [task(world, 1, reading, PENDING, WAITING, TIMED_OUT)] },
        [reads(world)],
        [writes(world)],
      ],
      bounds: { preemptions: 1 },
    })
  })

  test('the thread of a task is killed anywhere, 1 preemption', () => {
    holds({
      name: `${say}, task w killed, r`,
      how,
      threads: (world) => [{ tasks: [task(world, 1, writing, PENDING, WAITING)] }, [reads(world)]],
      kill: [0],
      bounds: { preemptions: 1 },
    })
  })
})
