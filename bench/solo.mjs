/**
 * Contenders that share a thread of their own, with a V8 that knows nothing but them: a file in bench/workers/.
 *
 * It lives as long as the suite's rows need it and sleeps while others measure.
 */

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

/** `data` arrives there as workerData. */
export async function solo(file, data) {
  const worker = new Worker(new URL(`workers/${file}`, import.meta.url), { workerData: data })
  await answer(worker) // ready
  return {
    contender: (name) => ({
      async measure() {
        worker.postMessage(name)
        return answer(worker)
      },
    }),
    end: () => worker.terminate(),
  }
}

/** What the thread of solo() does: the contender that it is told, each time anew. */
export function answerWith(port, contenders) {
  port.on('message', async (name) => {
    port.postMessage(await contenders[name].measure())
  })
  port.postMessage('ready')
}

async function answer(worker) {
  const [message] = await once(worker, 'message') // rejects if the worker throws
  return message
}
