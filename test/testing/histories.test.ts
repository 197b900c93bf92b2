/**
 * Linearizability of what ships: real workers use a structure in short rounds, write down what they call and get, and some
 * are terminated in the middle. Each round's history must be that of one thread alone.
 *
 *   PAGEFRAME_HISTORIES   rounds of each structure, 150 if not given
 */

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Channel, json, Latch, Mutex, Region, Semaphore } from 'pageframe'
import { HistoryLog, linearize, type LoggedCall, type SequentialModel } from 'pageframe/testing'
import { afterEach, expect, test } from 'vitest'
import { isReaped } from '../frames/slots.ts'
import { eventually, freshName } from '../support.ts'

const ROUNDS = Number(process.env.PAGEFRAME_HISTORIES ?? 150)
const THREADS = 3
const CALLS = 6
const KILL_EVERY = 12

type Model = SequentialModel<number, LoggedCall, number>

interface Structure {
  readonly model: Model
  readonly kills: boolean
  /** Puts it back to its first state. All is at rest. */
  readonly reset: (name: string, round: number) => void
}

/** State: the value. 1: write, 2: read, 3: compare with 0 and write; 2 and 3 return what was there. */
const register: Structure = {
  model: {
    initial: 0,
    step: (state, [method, value], result, isOpen) => {
      if (method === 1) return [value]
      if (!isOpen && result !== state) return []
      return [method === 3 && state === 0 ? value : state]
    },
  },
  kills: true,
  reset: (name) => {
    const lock = Mutex.open(name)
    const token = lock.lock({ timeoutMs: 10_000 })
    Region.open(`${name} words`, 64).as(Int32Array).fill(0)
    if (token.ownerDied) lock.markConsistent()
    token.unlock()
  },
}

/** State: the permits. 1: tryAcquire, 2: release. */
const semaphore: Structure = {
  model: {
    initial: 1,
    step: (state, [method], result, isOpen) => {
      if (method === 2) return [state + 1]
      if (state === 0) return isOpen || result === 0 ? [0] : []
      return isOpen || result === 1 ? [state - 1] : []
    },
  },
  kills: true,
  reset: (name) => {
    const permits = Semaphore.open(name, 1)
    while (permits.tryAcquire());
    permits.release()
  },
}

/** What is in the channel, as digits of base 16, the oldest first; a new one for each round. 1: trySend, 2: tryReceive. */
const channel: Structure = {
  model: {
    initial: 0,
    step: (state, [method, value], result) => {
      if (method === 1) return result === 1 ? [state * 16 + value] : []
      if (state === 0) return result === 0 ? [0] : []
      const digits = state.toString(16)
      return result === Number.parseInt(digits[0], 16) ? [Number.parseInt(`0${digits.slice(1)}`, 16)] : []
    },
  },
  kills: false,
  reset: (name, round) => {
    Channel.open(`${name} ${round}`, { of: json(), from: 'one', to: 'one' }).destroy()
  },
}

/** State: how many are still to count down. 1: countDown, 2: tryWait. */
const latch: Structure = {
  model: {
    initial: 4,
    step: (state, [method], result, isOpen) => {
      if (method === 1) return [Math.max(0, state - 1)]
      return isOpen || result === (state === 0 ? 1 : 0) ? [state] : []
    },
  },
  kills: true,
  reset: (name, round) => {
    Latch.open(`${name} ${round}`, 4).destroy()
  },
}

const structures = { register, semaphore, channel, latch }
/** Words that the test and its workers speak by (history.mjs). */
const [ROUND, DONE, COME, VICTIM, HANGS] = [0, 1, 2, 3, 4]
const running = new Set<Worker>()

afterEach(async () => {
  await Promise.all([...running].map((worker) => worker.terminate()))
})

test.each(Object.keys(structures) as (keyof typeof structures)[])(
  'what workers see of a %s is what one thread would',
  { timeout: 120_000 },
  async (structure) => {
    const { model, kills, reset } = structures[structure]
    const name = freshName()
    const control = new Int32Array(new SharedArrayBuffer(4 * 5))
    const log = new HistoryLog(THREADS * CALLS)
    const failed: Error[] = []
    const start = async (thread: number): Promise<Worker> => {
      const worker = new Worker(new URL('../fixtures/history.mjs', import.meta.url), {
        workerData: {
          structure,
          name,
          thread,
          calls: CALLS,
          control,
          words: log.words,
          begun: control[ROUND],
          threads: THREADS,
        },
      })
      running.add(worker)
      worker.on('error', (error) => failed.push(error))
      worker.on('exit', () => running.delete(worker))
      await once(worker, 'online')
      return worker
    }
    const workers = await Promise.all(Array.from({ length: THREADS }, (_, thread) => start(thread)))
    let open = 0
    let overlaps = 0

    for (let round = 1; round <= ROUNDS; round++) {
      const victim = kills && round % KILL_EVERY === 0 ? round % THREADS : -1
      Atomics.store(control, DONE, 0)
      Atomics.store(control, COME, 0)
      Atomics.store(control, HANGS, 0)
      Atomics.store(control, VICTIM, victim + 1)
      Atomics.store(control, ROUND, round)
      Atomics.notify(control, ROUND)
      if (victim >= 0) {
        const { threadId } = workers[victim]
        await eventually(() => Atomics.load(control, HANGS) === 1 || failed.length > 0, 'the victim')
        await workers[victim].terminate()
        await eventually(() => isReaped(threadId), 'the reaper')
      }
      const least = victim >= 0 ? THREADS - 1 : THREADS
      await eventually(() => Atomics.load(control, DONE) >= least || failed.length > 0, `round ${round}`)
      expect(failed).toEqual([])

      const history = log.calls()
      const { ok, message } = linearize(history, model)

      expect(ok, message).toBe(true)
      open += history.filter(({ end }) => end === undefined).length
      overlaps += history.filter(({ begin }, i) => i > 0 && begin < (history[i - 1].end ?? Infinity)).length
      log.clear()
      reset(name, round)
      if (victim >= 0) workers[victim] = await start(victim)
    }

    Atomics.store(control, ROUND, -1)
    Atomics.notify(control, ROUND)
    console.log(
      `${structure}: ${ROUNDS} histories, ${overlaps} calls that overlap, ${open} that never returned`,
    )
  },
)
