/** Locks, against those of pthreads: alone, wanted by several, more threads than cores. */

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Barrier, Condition, Mutex, RwLock, Semaphore, SharedMemory } from 'pageframe'
import { defaultAttachment, sumCounters } from 'pageframe/internals'
import { crew } from '../crew.mjs'
import { runSuite } from '../harness.mjs'
import { idleThread, mutexUncontended } from '../locks.mjs'
import { native } from '../native.mjs'
import { onNode24 } from '../node24.mjs'
import { mean } from '../stats.mjs'
import { PER_SAMPLE, timed } from '../timed.mjs'
import { turnsOf, waitPercentile } from '../workers/section.mjs'

/** As long as the fairness goal says. */
const CONTENDED_MS = 1000
const READ_MS = 100
const NS_PER_MS = 1e6
const EMPTY_RINGS = 3
const CALLED_OFF = 5

const mutexRobust = {
  name: 'mutex-robust',
  unit: 'ns',
  goals: { plain: { atMost: 1.15 } },
  async contenders() {
    const robust = new Mutex()
    const plain = new Mutex({ robust: false })
    const idle = await idleThread()
    return {
      ours: {
        ...timed(() => {
          for (let i = 0; i < PER_SAMPLE; i++) {
            robust.lock()
            robust.unlock()
          }
        }),
        end: () => idle.terminate(),
      },
      plain: timed(() => {
        for (let i = 0; i < PER_SAMPLE; i++) {
          plain.lock()
          plain.unlock()
        }
      }),
      native: native('mutex', 'robust'),
    }
  },
}

/** `sectionNs`: what a thread does while it has the lock. Between two sections it does nothing. */
function contended(name, { count, sectionNs, goals, limits, withFloor }) {
  return {
    name,
    unit: 'ns',
    goals,
    limits,
    value: mean,
    async contenders() {
      const turns = sectionNs === 0 ? 0 : turnsOf(sectionNs)
      const mutex = new Mutex()
      const region = SharedMemory.default.alloc(1024)
      const start = (spins) =>
        crew('contended.mjs', { mutex, region, turns, forMs: CONTENDED_MS, spins }, { count, combine })
      return {
        ...(withFloor ? { floor: await start(true) } : {}),
        ours: await start(false),
        native: native('contended', count, turns, CONTENDED_MS),
      }
    },
  }
}

/** Time a section, of all threads together; how uneven their shares were; what they waited. */
function combine(answers) {
  const counts = answers.map(({ count }) => count)
  const total = counts.reduce((sum, count) => sum + count, 0)
  const waits = answers.map((answer) => answer.waits)
  return {
    samples: [answers[0].ns / total],
    figures: {
      fairness: Math.max(...counts) / Math.max(1, Math.min(...counts)),
      'wait p99.9, ms': waitPercentile(waits, 0.999) / NS_PER_MS,
    },
  }
}

/** One of many: V8 cannot build the lock's address into the code, as it does where there is but one. */
const mutexOfMany = {
  name: 'mutex-of-16',
  unit: 'ns',
  async contenders() {
    const mutexes = Array.from({ length: 16 }, () => new Mutex())
    const idle = await idleThread()
    return {
      ours: {
        ...timed(() => {
          for (let i = 0; i < PER_SAMPLE; i++) {
            const mutex = mutexes[i & 15]
            mutex.lock()
            mutex.unlock()
          }
        }),
        end: () => idle.terminate(),
      },
      native: native('mutex', 'many'),
    }
  },
}

const semaphoreUncontended = {
  name: 'semaphore-uncontended',
  unit: 'ns',
  goals: { native: { atMost: 1.4 } },
  async contenders() {
    const semaphore = new Semaphore(0)
    const idle = await idleThread()
    return {
      ours: {
        ...timed(() => {
          for (let i = 0; i < PER_SAMPLE; i++) {
            semaphore.release()
            semaphore.acquire()
          }
        }),
        end: () => idle.terminate(),
      },
      multithreading: await onNode24('multithreading', 'multithreading.mjs', 'semaphore'),
      native: native('semaphore', 'pair'),
    }
  },
}

const semaphorePingPong = {
  name: 'semaphore-pingpong',
  unit: 'ns',
  repeat: 3,
  goals: { native: { atLeast: 1 } },
  async contenders() {
    const [ping, pong] = [new Semaphore(0), new Semaphore(0)]
    return {
      ours: await crew('semaphore-pingpong.mjs', { ping, pong, samples: 100, perSample: 200 }),
      native: native('semaphore', 'pingpong', 10_000),
    }
  },
}

const conditionPingPong = {
  name: 'condition-pingpong',
  unit: 'us',
  repeat: 3,
  goals: { native: { atMost: 1 } },
  contenders: async () => ({
    ours: await crew('condition-pingpong.mjs', {
      mutex: new Mutex(),
      ping: new Condition(),
      pong: new Condition(),
      region: SharedMemory.default.alloc(128),
      samples: 50,
      perSample: 100,
    }),
    native: native('condition', 'pingpong', 5000),
  }),
}

const BROADCAST_PHASES = 3000
const WAITERS = 8

const conditionBroadcast = {
  name: 'condition-broadcast-8',
  unit: 'us',
  goals: { native: { atMost: 1.3 } },
  contenders: async () => ({
    floor: await crew(
      'broadcast-floor.mjs',
      { buffer: new SharedArrayBuffer(4096), phases: BROADCAST_PHASES },
      { count: WAITERS + 1 },
    ),
    ours: await crew(
      'condition-broadcast.mjs',
      {
        mutex: new Mutex(),
        ping: new Condition(),
        pong: new Condition(),
        region: SharedMemory.default.alloc(128),
        phases: BROADCAST_PHASES,
      },
      { count: WAITERS + 1 },
    ),
    native: native('condition', 'broadcast', WAITERS, BROADCAST_PHASES),
  }),
}

const rwlockRead = {
  name: 'rwlock-read',
  unit: 'ns',
  goals: { native: { atMost: 1.3 } },
  contenders: async () => ({ ours: await lockers('read', 1), native: native('rwlock', 'read', 1, READ_MS) }),
}

const rwlockReadTwo = {
  name: 'rwlock-read-2',
  unit: 'ns',
  goals: { 'one reader': { atLeast: 1.8 } },
  contenders: async () => ({
    ours: await lockers('read', 2),
    'one reader': await lockers('read', 1),
    native: native('rwlock', 'read', 2, READ_MS),
  }),
}

/** What reading without a word that all readers write costs a writer. */
const rwlockWrite = {
  name: 'rwlock-write',
  unit: 'ns',
  contenders: async () => ({
    ours: await lockers('write', 1),
    native: native('rwlock', 'write', 1, READ_MS),
  }),
}

/** Time a pair, of all of them together: readers read at the same time. */
function lockers(side, count) {
  const combine = (answers) => answers.flatMap((samples) => samples.map((ns) => ns / count))
  return crew('rwlock.mjs', { lock: new RwLock(), forMs: READ_MS, side }, { count, combine })
}

const barrierTwo = {
  name: 'barrier-2',
  unit: 'ns',
  repeat: 3,
  goals: { native: { atMost: 1.5 } },
  contenders: async () => ({
    ours: await crew('barrier.mjs', { barrier: new Barrier(2), samples: 100, perSample: 500 }),
    pthread_barrier: native('barrier', 'pthread', 5000),
    native: native('barrier', 'spin', 50_000),
  }),
}

const mutexAsyncMain = {
  name: 'mutex-async-main',
  unit: 'ns',
  goals: { 'lock server': { atLeast: 10 } },
  async contenders() {
    const mutex = new Mutex()
    const server = new Worker(new URL('../workers/lock-server.mjs', import.meta.url))
    await once(server, 'message')
    server.unref()
    return {
      floor: awaited(() => Promise.resolve(), 1000),
      ours: awaited(async () => {
        const held = await mutex.lockAsync()
        held.unlock()
      }, 1000),
      'lock server': {
        ...awaited(async () => {
          const granted = new Promise((resolve) => server.once('message', resolve))
          server.postMessage({ wants: 1 })
          await granted
          server.postMessage({})
        }, 100),
        end: () => server.terminate(),
      },
    }
  },
}

function awaited(once, perSample) {
  const ROUND_MS = 60
  return {
    async measure() {
      const samples = []
      const end = performance.now() + ROUND_MS
      for (let start = performance.now(); start < end;) {
        for (let i = 0; i < perSample; i++) await once()
        const now = performance.now()
        samples.push(((now - start) * NS_PER_MS) / perSample)
        start = now
      }
      return samples
    },
  }
}

const HELD_LOCKS = 10_000
const OWNER_WORD = 4 // behind the object's header
const OWNER_MASK = 0x3fffffff

const reaper = {
  name: 'reaper-10000',
  unit: 'ms',
  limit: 10,
  contenders: () => ({ ours: { measure: async () => [await releaseTime()] } }),
}

/** From the first lock of a dead thread that is free to the last, in nanoseconds. */
async function releaseTime() {
  const { cpu } = defaultAttachment()
  const locks = Array.from({ length: HELD_LOCKS }, () => new Mutex())
  const worker = new Worker(new URL('../workers/holder.mjs', import.meta.url), { workerData: locks })
  await once(worker, 'message')
  const isHeld = ({ at }) => (cpu.load(at + OWNER_WORD) & OWNER_MASK) !== 0
  const ended = once(worker, 'exit')
  void worker.terminate()
  while (locks.every(isHeld)) await soon()
  const first = performance.now()
  while (locks.some(isHeld)) await soon()
  const last = performance.now()
  await ended
  for (const lock of locks) lock.destroy()
  return (last - first) * NS_PER_MS
}

const soon = () => new Promise((resolve) => setImmediate(resolve))

/** Last: what all rows above did. */
const notifyWithoutWaiter = {
  name: 'notify-without-waiter',
  unit: 'count',
  limit: 0,
  contenders() {
    const { buffer, map } = defaultAttachment()
    return {
      ours: {
        measure() {
          const counters = sumCounters(buffer, map.slotsAt, map.frames.slotCount)
          // A thread that says that it sleeps and is rung before it does is a waiter too.
          return {
            samples: [Math.max(0, counters[EMPTY_RINGS] - counters[CALLED_OFF])],
            figures: { 'rung on the way to sleep': counters[CALLED_OFF] },
          }
        },
      },
    }
  },
}

await runSuite('sync', [
  mutexUncontended,
  mutexRobust,
  mutexOfMany,
  contended('mutex-contended-2-empty', {
    count: 2,
    sectionNs: 0,
    goals: { native: { atMost: 1.8 } },
    limits: { fairness: 1.3 },
    withFloor: true,
  }),
  contended('mutex-contended-2-100ns', {
    count: 2,
    sectionNs: 100,
    goals: { native: { atMost: 1.8 } },
    limits: { fairness: 1.3 },
    withFloor: true,
  }),
  contended('mutex-oversubscribed-8', {
    count: 8,
    sectionNs: 100,
    goals: { native: { atMost: 1.5 } },
    limits: { 'wait p99.9, ms': 5 },
    withFloor: false,
  }),
  semaphoreUncontended,
  semaphorePingPong,
  conditionPingPong,
  conditionBroadcast,
  rwlockRead,
  rwlockReadTwo,
  rwlockWrite,
  barrierTwo,
  mutexAsyncMain,
  reaper,
  notifyWithoutWaiter,
])
