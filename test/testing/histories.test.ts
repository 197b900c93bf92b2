/**
 * Linearizability of what ships: real workers use a structure in short rounds, write down what they call and get, and some
 * are terminated in the middle. Each round's history must be that of one thread alone. What is wrong on purpose must be
 * refused, or the rest proves nothing.
 *
 *   PAGEFRAME_HISTORIES   rounds of each structure, 100 if not given
 */

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { HistoryLog, linearize } from 'pageframe/testing'
import { afterEach, expect, test } from 'vitest'
import { isReaped } from '../frames/slots.ts'
import { eventually, freshName } from '../support.ts'
import { structures, type Structure } from './history-structures.ts'

const ROUNDS = Number(process.env.PAGEFRAME_HISTORIES ?? 100)
/** Within so many something wrong must be refused; most are in the first three. */
const ROUNDS_OF_WRONG = 1000
const THREADS = 3
const CALLS = 6
const KILL_EVERY = 12

/** Words that the test and its workers speak by (history.mjs). */
const [ROUND, DONE, COME, VICTIM, HANGS] = [0, 1, 2, 3, 4]
const running = new Set<Worker>()

afterEach(async () => {
  await Promise.all([...running].map((worker) => worker.terminate()))
})

type Name = keyof typeof structures

test.each(Object.keys(structures) as Name[])(
  'what workers see of a %s is what one thread would',
  { timeout: 120_000 },
  async (structure) => {
    expect(await refusal(structure, false)).toBe('')
  },
)

test.each(['register', 'rwlock', 'spin', 'seqlock', 'futex', 'event', 'queue'] as const)(
  'what workers see of a wrong %s is refused',
  { timeout: 120_000 },
  async (structure) => {
    expect(await refusal(structure, true)).toMatch('no order of these calls explains what they returned')
  },
)

/** Has workers use a structure, and returns why a round of theirs could not come from one thread; '' if all could. */
async function refusal(structure: Name, isWrong: boolean): Promise<string> {
  const { model, kills, reset }: Structure = structures[structure]
  const name = freshName()
  const control = new Int32Array(new SharedArrayBuffer(4 * 5))
  const log = new HistoryLog(THREADS * CALLS)
  const failed: Error[] = []
  const start = async (thread: number): Promise<Worker> => {
    const worker = new Worker(new URL('../fixtures/history.mjs', import.meta.url), {
      workerData: {
        structure,
        isWrong,
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

  for (let round = 1; round <= (isWrong ? ROUNDS_OF_WRONG : ROUNDS); round++) {
    const victim = kills && !isWrong && round % KILL_EVERY === 0 ? round % THREADS : -1
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
    const { message } = linearize(history, model)
    if (message !== '') return message
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
  return ''
}
