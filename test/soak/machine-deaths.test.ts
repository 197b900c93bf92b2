/**
 * Death at every instruction: a process does a piece of work that takes several hundred instructions on shared memory, stops
 * for ever before one of them, and is terminated there: in a fault, in a system call, with a lock held, inside the kernel.
 * Whatever it was at, its machine is in order afterwards, and the memory as full as before.
 *
 *   PAGEFRAME_SOAK_DEATHS   how many deaths of each piece of work, 12 if not given: spread over it, others each time
 *
 * Several die at a time, on one name, so that the locks of one dead are what others wait for.
 */

import { Worker } from 'node:worker_threads'
import { Machine } from 'pageframe/machine'
import { afterAll, describe, expect, test } from 'vitest'
import { eventually, LIMIT_MS, pause } from '../support.ts'

const DEATHS = Number(process.env.PAGEFRAME_SOAK_DEATHS ?? 12)
const ENTRY = new URL('../fixtures/dying-process.mjs', import.meta.url)
const AT_A_TIME = 4
const NAME = '/dying'
/** Slabs keep a page for each kind of small thing that was ever needed. */
const SLACK_BYTES = 16 * 4096

const { WORKS, DONE } = (await import(ENTRY.href)) as {
  readonly WORKS: readonly string[]
  readonly DONE: number
}

interface Stage {
  readonly machine: Machine
  readonly workers: Worker[]
}

const stages: Stage[] = []
afterAll(async () => {
  for (const { machine } of stages) await machine[Symbol.asyncDispose]()
})

async function boot(layout: 'lp64' | 'ilp32'): Promise<Stage> {
  const workers: Worker[] = []
  const machine = await Machine.boot({
    memory: '32MiB',
    layout,
    worker: (entry) => {
      const worker = new Worker(entry)
      // Where one has died in the middle, another's work may fail: that is no concern of this test.
      worker.on('error', () => undefined)
      workers.push(worker)
      return worker
    },
  })
  const stage = { machine, workers }
  stages.push(stage)
  return stage
}

/** Ends a process at that instruction. How many its work takes, if it got that far. */
async function die({ machine, workers }: Stage, work: string, stopAt: number): Promise<number> {
  const words = new Int32Array(new SharedArrayBuffer(8))
  const spawning = machine.spawn(ENTRY, { args: { work, name: NAME, stopAt, words } })
  const worker = workers[workers.length - 1]
  let hasEnded = false
  worker.once('exit', () => (hasEnded = true))
  const child = await spawning
  await eventually(() => words[0] !== 0 || hasEnded, `${work} to come to instruction ${stopAt}`)
  await worker.terminate()
  await child.waitAsync({ timeoutMs: LIMIT_MS })
  return words[0] === DONE ? words[1] : 0
}

/** The names are gone, and what this thread has retired: how full the memory is. */
async function settled({ machine }: Stage): Promise<number> {
  const { self, memory } = machine
  try {
    self.shmUnlink(NAME)
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOENT' })
  }
  await pause(20)
  self.kernel.attachment.frames.drainRetired()
  return memory.usedBytes
}

describe.each(['lp64', 'ilp32'] as const)('%s', (layout) => {
  test.each(WORKS)(
    '%s',
    async (work) => {
      const stage = await boot(layout)
      const instructions = await die(stage, work, -1)
      const before = await settled(stage)
      const stride = Math.max(1, instructions / DEATHS)
      const offset = Math.random() * stride

      for (let first = 0; first < DEATHS; first += AT_A_TIME) {
        const points = Array.from(
          { length: AT_A_TIME },
          (_, i) => 1 + Math.floor(offset + (first + i) * stride),
        )
        await Promise.all(points.map((stopAt) => die(stage, work, stopAt)))
        expect(stage.machine.check().problems, `${work}, dead at ${points.join(', ')}`).toEqual([])
        await settled(stage)
      }

      expect(instructions).toBeGreaterThan(300)
      expect(await settled(stage)).toBeLessThanOrEqual(before + SLACK_BYTES)
    },
    30_000 + 2_000 * DEATHS,
  )
})
