/**
 * A scenario process: the entry of a Worker of the machine. It gets its orders over a BroadcastChannel, does one at a time,
 * and answers with the outcome.
 *
 *   driver                                   agent
 *          ◄───────────── { hello }
 *   { id, call, args } ─────────────►
 *          ◄───────────── { id, begun }
 *                                            CALLS[call](self, args)
 *          ◄───────────── { id, outcome }
 */

import { BroadcastChannel } from 'node:worker_threads'
import { CALLS } from './calls.mjs'
import { VIEWS } from './views.mjs'

export default async function main(self, { wire: name }) {
  const wire = new BroadcastChannel(name)
  const orders = []
  let hasOrder
  wire.onmessage = ({ data }) => {
    orders.push(data)
    hasOrder?.()
  }
  wire.postMessage({ hello: true })
  for (;;) {
    if (orders.length === 0) await new Promise((resolve) => (hasOrder = resolve))
    const { id, call, args } = orders.shift()
    wire.postMessage({ id, begun: true })
    wire.postMessage({ id, outcome: await perform(self, call, args) })
  }
}

export async function perform(self, call, args) {
  const before = performance.now()
  const outcome = await outcomeOf(self, call, args)
  return { ...outcome, ms: Math.round(performance.now() - before) }
}

async function resultOf(self, call, args) {
  if (Object.hasOwn(CALLS, call)) return CALLS[call][1](self, args)
  return VIEWS[call][1](await import('pageframe/inspect'), self, args)
}

async function outcomeOf(self, call, args) {
  try {
    const result = await resultOf(self, call, args)
    return typeof result === 'object' ? result : { ret: BigInt(result ?? 0) }
  } catch (error) {
    const { signal, code, errno, address } = error ?? {}
    if (typeof signal === 'string' && typeof address === 'number') {
      return { signal, code: code.replace(/^[A-Z]+_/, ''), addr: BigInt(Math.floor(address)) }
    }
    if (typeof code === 'string' && typeof errno === 'number') return { errno: code }
    // exit() must end the process, whatever it throws to do so.
    if (call === 'exit') throw error
    return { broke: String(error?.stack ?? error) }
  }
}
