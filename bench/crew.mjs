/**
 * Contenders on threads of their own: a file in bench/workers/, run by two workers, roles 0 and 1, or by more.
 *
 * They live as long as their row, so that what V8 has learnt stays, and sleep while the others have their round. The main
 * thread sleeps too while they work: two cores suffice.
 */

import { once } from 'node:events'
import { MessageChannel, Worker } from 'node:worker_threads'

/**
 * `data` arrives in all threads as workerData, with `role`, `count`, the words that meet() needs, and for two a `port` to
 * the other. `combine` makes the round's measurement of what the threads answer: that of the one who has any, if absent.
 */
export async function crew(file, data, { count = 2, combine = theOnly } = {}) {
  const { port1, port2 } = new MessageChannel()
  const ports = count === 2 ? [port1, port2] : []
  const meeting = new SharedArrayBuffer(8)
  const start = (role) =>
    new Worker(new URL(`workers/${file}`, import.meta.url), {
      workerData: { ...data, role, count, port: ports[role], meeting },
      transferList: ports.slice(role, role + 1),
    })
  const workers = Array.from({ length: count }, (_, role) => start(role))
  await Promise.all(workers.map(answer)) // ready
  return {
    /** One round: all start, all answer. */
    async measure() {
      const answers = workers.map(answer)
      workers.forEach((worker) => worker.postMessage('go'))
      return combine(await Promise.all(answers))
    },
    async end() {
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  }
}

function theOnly(answers) {
  return answers.find((samples) => samples !== null)
}

async function answer(worker) {
  const [message] = await once(worker, 'message') // rejects if the worker throws
  return message
}
