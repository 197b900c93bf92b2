/**
 * Orders: how a process of the exchange takes them, by a channel in the machine's memory; one answer to each by another.
 *
 *   main ── { round } or 'look' ──► orders  ──► process
 *   main ◄── { answer } or { error } ── answers ◄── process      the first answer, without an order: it is ready
 *
 * Both are written in place, like the blocks: so the counters of copied bytes count what becomes of the blocks alone.
 */

import { Channel, type Handle } from 'pageframe'
import { READY } from './duty.ts'
import type { Sighting } from './segment.ts'

/** What every process of the exchange gets. */
export interface ProcessData {
  readonly memory: Handle
  readonly orders: Handle
  readonly answers: Handle
  /** Of each consumer's ring. */
  readonly capacityBytes: number
}

/** `look`: says where the segment lies, instead of a round. */
export type Order = { readonly round: number } | 'look'

export type Answer = { readonly answer: unknown } | { readonly error: string }

/** Of a channel: room to write to. */
type Lending = Pick<Channel, 'loan'>

const encoder = new TextEncoder()

/** Writes a value to a channel of JSON. */
export function tell(channel: Lending, value: unknown): void {
  const text = encoder.encode(JSON.stringify(value))
  const loan = channel.loan(text.length)
  loan.bytes.set(text)
  loan.commit()
}

/** Works until there are no more orders: the exit status is 0, or 1 when an order's work threw. */
export function takeOrders(
  data: ProcessData,
  work: (round: number) => unknown,
  look: () => Sighting,
): number {
  const orders = Channel.from<Order>(data.orders)
  const answers = Channel.from<never>(data.answers)
  tell(answers, { answer: READY })
  for (let message = orders.read(); message !== undefined; message = orders.read()) {
    const order = message.value
    message[Symbol.dispose]()
    try {
      tell(answers, { answer: order === 'look' ? look() : work(order.round) })
    } catch (error) {
      tell(answers, { error: error instanceof Error ? error.message : String(error) })
      return 1
    }
  }
  return 0
}
