/** How long a machine and its processes take to start, and what share of a memory the kernel keeps. */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { overhead } from 'pageframe/inspect'
import { overhead as fixedShare } from 'pageframe/internals'
import { Machine, MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from 'pageframe/machine'
import { runSuite } from '../harness.mjs'

const GIB = 2 ** 30
const PAGE = 4096
const SAMPLES = 5
const PERCENT = 100

/** After a spawn a machine has a spare worker ready, if 200 ms pass without another one; and that takes as long as a worker. */
const SPARE_MS = 450

/** Limits, even those that a worker has anyway, are for a new worker only. */
const NO_SPARE = { resourceLimits: { stackSizeMb: 4 } }

const boot = {
  name: 'boot',
  unit: 'ms',
  limit: 100,
  contenders: () => ({ ours: inFreshProcess('first'), 'a second one': inFreshProcess('second') }),
}

/** Machine.boot() in a process that has done nothing yet; or the second one, when the supervisor is there. */
function inFreshProcess(which) {
  const file = fileURLToPath(new URL('../workers/boot.mjs', import.meta.url))
  return {
    async measure() {
      const samples = []
      for (let i = 0; i < SAMPLES; i++) {
        const child = fork(file, [which])
        const message = once(child, 'message')
        const [code, signal] = await once(child, 'exit')
        if (code !== 0) throw new Error(`a process that boots a machine ended with ${signal ?? code}`)
        const [ns] = await message
        samples.push(ns)
      }
      return samples
    },
  }
}

const spawn = {
  name: 'spawn',
  unit: 'ms',
  goals: { floor: { atMost: 1.5 } },
  async contenders() {
    const machine = await Machine.boot({ memory: '64MiB' })
    const ours = (options) =>
      firstLines(async (reached) => {
        const child = await machine.spawn(entry('first-line.mjs'), { args: reached, ...options })
        await child.waitAsync()
      })
    return {
      floor: firstLines(async (reached) => {
        const worker = new Worker(entry('first-line-bare.mjs'), { workerData: reached })
        await once(worker, 'exit')
      }),
      ours: { ...ours(), end: () => machine[Symbol.asyncDispose]() },
      'without a spare': ours(NO_SPARE),
    }
  },
}

const entry = (file) => new URL(`../workers/${file}`, import.meta.url)

/**
 * From the call to the first line of what it starts, which writes the time into the words that it is given. Before each the
 * machine has time for its spare: no sample meets one that is being started, and those of ours meet one that is ready.
 */
function firstLines(start) {
  return {
    async measure() {
      const samples = []
      for (let i = 0; i < SAMPLES; i++) {
        await sleep(SPARE_MS)
        const reached = new BigInt64Array(new SharedArrayBuffer(8))
        const began = process.hrtime.bigint() // the same clock in all threads
        await start(reached)
        samples.push(Number(reached[0] - began))
      }
      return samples
    },
  }
}

const memoryOverhead = {
  name: 'memory-overhead',
  unit: '%',
  limit: 1.5,
  contenders() {
    let share
    return {
      floor: { measure: () => [fixedShare(GIB) * PERCENT] },
      // The same each time: it is counted, not timed.
      ours: { measure: async () => [(share ??= (await shareInUse()) * PERCENT)] },
    }
  },
}

/** Of 1 GiB, of which a process has touched nine tenths. */
async function shareInUse() {
  const machine = await Machine.boot({ memory: GIB })
  try {
    const length = Math.floor((GIB * 0.9) / PAGE) * PAGE
    const at = machine.self.mmap(null, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)
    for (let page = 0; page < length; page += PAGE) machine.self.store8(at + page, 1)
    return overhead(machine).share
  } finally {
    await machine[Symbol.asyncDispose]()
  }
}

await runSuite('start', [boot, spawn, memoryOverhead])
