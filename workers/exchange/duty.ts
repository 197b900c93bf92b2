/**
 * Duty: how a worker of the exchange takes orders from the main thread: one order a round, one answer to each.
 *
 * What an order's work throws ends the worker; the main thread hears of it as the worker's `error`.
 */

import { parentPort } from 'node:worker_threads'

/** The ways from producer to consumer. */
export type Transport = 'pageframe' | 'process' | 'clone' | 'transfer' | 'comlink'

/** The first answer, to no order: whoever works in an exchange, worker or process, can be given some. */
export const READY = 'ready'

/** Says that the worker is ready, then does `work` for each order. The worker lives until it is terminated. */
export function onDuty(work: (order: never) => unknown): void {
  const port = parentPort
  if (port === null) throw new Error('this file is for a Worker')
  port.on('message', (order: unknown) => {
    // A rejection is nobody's to handle, and so ends the worker with that error.
    void (async () => {
      port.postMessage(await work(order as never))
    })()
  })
  port.postMessage(READY)
}
