/**
 * Bugs of waiting that the explorer must find, each beside its repair, which must hold. Others are planted where their
 * models are:
 *
 *   owner in a separate word, wake only if the dead owned it, live owner reaped     mutex-bugs.test.ts
 *   missing recheck, WAITERS forgotten, time-out decided by load and store          mutex-bugs.test.ts, explorer/bugs.test.ts
 *   permits lost or made                                                            semaphore-bugs.test.ts
 *   lost wake-up on hand-off, sync and async wait on one word                       here
 */

import { describe, test } from 'vitest'
import type { Lot } from '../../src/sync/lot.ts'
import { unlock, unlockFast, WAITERS } from '../../src/sync/mutex.ts'
import type { Model, ModelThread, Operation } from '../../src/testing/model.ts'
import { ASLEEP, AWAKE, RUNG } from '../../src/threads/slot.ts'
import * as mutex from './mutex-models.ts'
import { finds, holds } from './verdicts.ts'

describe('a lock that is handed to a waiter', () => {
  const shape = { threads: 3, sections: 1, handOff: true, bounds: { preemptions: 2 } }

  test('and says that others wait: nobody sleeps for ever', () => {
    mutex.holds({ ...shape, section: mutex.with_(unlock) })
  })

  test('planted: the word forgets those who wait behind the heir, whose unlock wakes nobody', () => {
    mutex.finds(
      { ...shape, section: mutex.with_(handsOn({ keepsWaiters: false, rings: true })) },
      /waits for ever/,
    )
  })

  test('planted: the heir is not rung', () => {
    mutex.finds(
      { ...shape, section: mutex.with_(handsOn({ keepsWaiters: true, rings: false })) },
      /waits for ever/,
    )
  })

  test('the same, with neither forgotten, holds', () => {
    mutex.holds({ ...shape, section: mutex.with_(handsOn({ keepsWaiters: true, rings: true })) })
  })
})

/** unlock(), as it hands a lock on to a waiter that has starved; without what else it does. */
function handsOn({ keepsWaiters, rings }: { keepsWaiters: boolean; rings: boolean }) {
  return (lot: Lot, at: number): number => {
    const { cpu, thread } = lot
    if (unlockFast(cpu, at, thread.tid)) return 0
    const woken: number[] = []
    const bucket = lot.lockBucket(0, at)
    const heir = lot.handLocked(bucket, 0, at)
    const more = heir === 0 ? lot.wakeLocked(bucket, 0, at, 1, woken) : lot.firstLocked(bucket, 0, at) !== 0
    const keeps = more && (heir === 0 || keepsWaiters)
    cpu.store(at, (heir === 0 ? 0 : lot.ownerOf(heir)) | (keeps ? WAITERS : 0))
    lot.unlockBucket(bucket)
    if (heir !== 0 && rings) woken.push(heir)
    lot.ring(woken)
    return 0
  }
}

/**
 * A thread that waits for one thing asynchronously and for another asleep. Each waker changes its word, then exchanges the
 * doorbell; the event loop has a turn for the task when its bell has rung.
 *
 *   word   0       1      2       3
 *         ┌───────┬──────┬───────┬──────┐
 *         │ async │ sync │ park  │ bell │
 *         └───────┴──────┴───────┴──────┘
 */
describe('a thread that waits asleep and asynchronously', () => {
  const [ASYNC, SYNC, PARK, BELL] = [0, 1, 2, 3]

  test('hears of both when each wait has a doorbell of its own', () => {
    holds(doorbells('two doorbells', BELL))
  })

  test('planted: with one doorbell for both, the blocked wait swallows the ring of the other', () => {
    finds(doorbells('one doorbell', PARK), /waits for ever: start of operation 1/)
  })

  function doorbells(name: string, bell: number): Model {
    const announces: Operation = ({ cpu }) => {
      cpu.exchange(bell, ASLEEP)
      if (cpu.load(ASYNC) === 1) cpu.exchange(bell, RUNG)
    }
    const goesOn: Operation = {
      when: ({ cpu }) => cpu.load(bell) === RUNG,
      run: (thread) => {
        thread.assert(thread.cpu.load(ASYNC) === 1, 'rung for a reason')
      },
    }
    const blocks: Operation = (thread) => {
      const { cpu } = thread
      for (;;) {
        cpu.exchange(PARK, ASLEEP)
        const isThere = cpu.load(SYNC) === 1
        if (!isThere) thread.sleep(PARK, ASLEEP, Infinity)
        cpu.store(PARK, AWAKE)
        if (isThere) return
      }
    }
    const gives =
      (word: number, rung: number): Operation =>
      (thread: ModelThread) => {
        thread.cpu.store(word, 1)
        if (thread.cpu.exchange(rung, RUNG) === ASLEEP) thread.ring(rung)
      }
    return {
      name,
      words: 4,
      threads: [{ tasks: [[announces, goesOn], [blocks]] }, [gives(ASYNC, bell)], [gives(SYNC, PARK)]],
      label: (at) => ['async', 'sync', 'park', 'bell'][at],
    }
  }
})
