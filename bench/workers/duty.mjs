/** What every thread of a crew does: it says that it is ready, works when told to, and answers with its samples. */

import { parentPort, workerData } from 'node:worker_threads'

const arrived = new Int32Array(workerData.meeting)
let rounds = 0

/** `work` answers the samples of one round in nanoseconds an operation, or null if the other thread has them. */
export function eachRound(work) {
  parentPort.on('message', async () => {
    parentPort.postMessage(await work())
  })
  parentPort.postMessage('ready')
}

/** Spins until both threads have come here, so that neither waits for the other to start once the clock runs. */
export function meet() {
  rounds++
  Atomics.add(arrived, 0, 1)
  while (Atomics.load(arrived, 0) < 2 * rounds);
}

/** The time in nanoseconds, from some moment on. Reading it takes about 50. */
export function now() {
  return performance.now() * 1e6
}
