/**
 * Contenders on threads of their own: a file in bench/workers/, run by two workers, roles 0 and 1.
 *
 * They live as long as their row, so that what V8 has learnt stays, and sleep while the others have their round. The main
 * thread sleeps too while they work: two cores suffice.
 */

import { once } from 'node:events'
import { MessageChannel, Worker } from 'node:worker_threads'

/** `data` arrives in both threads as workerData, with `role`, a `port` to the other, and the words that meet() needs. */
export async function crew(file, data) {
  const { port1, port2 } = new MessageChannel()
  const meeting = new SharedArrayBuffer(4)
  const start = (role, port) =>
    new Worker(new URL(`workers/${file}`, import.meta.url), {
      workerData: { ...data, role, port, meeting },
      transferList: [port],
    })
  const workers = [start(0, port1), start(1, port2)]
  await Promise.all(workers.map(answer)) // ready
  return {
    /** One round: all start, all answer; the samples are those of the one who has any. */
    async measure() {
      const answers = workers.map(answer)
      workers.forEach((worker) => worker.postMessage('go'))
      return (await Promise.all(answers)).find((samples) => samples !== null)
    },
    async end() {
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  }
}

async function answer(worker) {
  const [message] = await once(worker, 'message') // rejects if the worker throws
  return message
}
