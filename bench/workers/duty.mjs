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

/**
 * Waits until all threads have come here, so that none waits for another to start once the clock runs. Two spin; more
 * may be more than there are cores.
 */
export function meet() {
  rounds++
  const all = rounds * (workerData.count ?? 2)
  if (Atomics.add(arrived, 0, 1) + 1 === all) Atomics.notify(arrived, 0)
  for (let seen; (seen = Atomics.load(arrived, 0)) < all;) {
    if (workerData.count > 2) Atomics.wait(arrived, 0, seen, 1)
  }
}

/** For rounds that last a while, and no number of operations: a thread says when the time is over, all look now and then. */
export function endRound() {
  Atomics.store(arrived, 1, rounds)
}

export function isRoundOver() {
  return Atomics.load(arrived, 1) === rounds
}

/** The time in nanoseconds, from some moment on. Reading it takes about 50. */
export function now() {
  return performance.now() * 1e6
}
