/** The instructions of a Cpu, a lock in one thread, a round trip between two, and what an import costs. */

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { SharedMemory } from 'pageframe'
import { compileCpu, defaultAttachment } from 'pageframe/internals'
import { crew } from '../crew.mjs'
import { runSuite } from '../harness.mjs'
import { mutexUncontended } from '../locks.mjs'
import { native } from '../native.mjs'
import { PER_SAMPLE, timed } from '../timed.mjs'

const PAGE = 4096

// The Cpu of the memory that everything else here uses: a second memory in this thread would slow both down.
const { cpu } = defaultAttachment()
const pages = SharedMemory.default.alloc(2 * PAGE)
const { bytes } = pages
const words = pages.as(Int32Array)
const from = bytes.byteOffset
const to = from + PAGE
const at = from >>> 2

/** `contenders`: each does a thousand. */
function instruction(name, inC, contenders) {
  const timedContenders = Object.entries(contenders).map(([who, thousand]) => [who, timed(thousand)])
  return {
    name: `cpu-${name}`,
    unit: 'ns',
    contenders: () => ({ ...Object.fromEntries(timedContenders), native: native('instructions', inC) }),
  }
}

const instructions = [
  instruction('load', 'load', {
    ours() {
      let sum = 0
      for (let i = 0; i < PER_SAMPLE; i++) sum = (sum + cpu.load(at)) | 0
      return sum
    },
    Atomics() {
      let sum = 0
      for (let i = 0; i < PER_SAMPLE; i++) sum = (sum + Atomics.load(words, 0)) | 0
      return sum
    },
  }),
  instruction('store', 'store', {
    ours() {
      for (let i = 0; i < PER_SAMPLE; i++) cpu.store(at, i)
    },
    Atomics() {
      for (let i = 0; i < PER_SAMPLE; i++) Atomics.store(words, 0, i)
    },
  }),
  instruction('add', 'add', {
    ours() {
      let sum = 0
      for (let i = 0; i < PER_SAMPLE; i++) sum = (sum + cpu.add(at, 1)) | 0
      return sum
    },
    Atomics() {
      let sum = 0
      for (let i = 0; i < PER_SAMPLE; i++) sum = (sum + Atomics.add(words, 0, 1)) | 0
      return sum
    },
  }),
  instruction('compareExchange', 'compareExchange', {
    ours() {
      cpu.store(at, 0)
      for (let i = 0; i < PER_SAMPLE; i++) cpu.compareExchange(at, i, i + 1)
      return cpu.load(at)
    },
    Atomics() {
      Atomics.store(words, 0, 0)
      for (let i = 0; i < PER_SAMPLE; i++) Atomics.compareExchange(words, 0, i, i + 1)
      return Atomics.load(words, 0)
    },
  }),
  instruction('copy-4KiB', 'copy', {
    ours() {
      for (let i = 0; i < PER_SAMPLE; i++) cpu.copy(to, from, PAGE)
    },
    TypedArray() {
      for (let i = 0; i < PER_SAMPLE; i++) bytes.copyWithin(PAGE, 0, PAGE)
    },
  }),
  instruction('fill-4KiB', 'fill', {
    ours() {
      for (let i = 0; i < PER_SAMPLE; i++) cpu.fill(to, 0, PAGE)
    },
    TypedArray() {
      for (let i = 0; i < PER_SAMPLE; i++) bytes.fill(0, PAGE, 2 * PAGE)
    },
  }),
]

const spinRoundTrip = {
  name: 'spin-rtt',
  unit: 'ns',
  repeat: 3,
  goals: { native: { atMost: 1.5 } },
  async contenders() {
    // 64 words = 256 bytes apart: neighbouring lines are fetched in pairs.
    const data = { ping: 64, pong: 128, samples: 100, perSample: 500 }
    const newMemory = () => new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })
    return {
      ours: await crew('spin-cpu.mjs', { ...data, memory: newMemory(), module: compileCpu() }),
      native: native('spin-rtt'),
      Atomics: await crew('spin-atomics.mjs', { ...data, memory: newMemory() }),
    }
  },
}

const importing = {
  name: 'import',
  unit: 'ms',
  goals: { floor: { atMost: 1.3 } },
  contenders: () => ({ floor: startOf('bare.mjs'), ours: startOf('importing.mjs') }),
}

/** From `new Worker` to its first message. */
function startOf(file) {
  const SAMPLES = 8
  return {
    async measure() {
      const samples = []
      for (let i = 0; i < SAMPLES; i++) {
        const start = performance.now()
        const worker = new Worker(new URL(`../workers/${file}`, import.meta.url))
        await once(worker, 'message')
        samples.push((performance.now() - start) * 1e6)
        await worker.terminate()
      }
      return samples
    },
  }
}

await runSuite('cpu', [...instructions, mutexUncontended, spinRoundTrip, importing])
