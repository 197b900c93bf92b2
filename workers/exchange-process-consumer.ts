/** A consumer of an exchange between processes: parses blocks where they lie, in its window on the segment. */

import { SharedMemory, type Handle } from 'pageframe'
import type { Process } from 'pageframe/machine'
import { takeBlocks } from './exchange/by-channel.ts'
import { sharedNow } from './exchange/envelope.ts'
import { takeOrders, type ProcessData } from './exchange/orders.ts'
import { Segment } from './exchange/segment.ts'
import { Stint } from './exchange/stint.ts'
import type { Kind, Result } from './exchange/tally.ts'

export interface ProcessConsumerData extends ProcessData {
  readonly kind: Kind
  /** Which one it is, from 0. */
  readonly consumer: number
}

export interface ProcessConsumerAnswer {
  readonly endedMs: number
  /** A Region of doubles, one for each block and one more; whoever has read it destroys it. */
  readonly latenciesMs: Handle
  readonly messages: number
  /** JSON has no bigint. */
  readonly result: Omit<Result, 'sum'> & { readonly sum: string }
}

export default function main(self: Process, data: ProcessConsumerData): number {
  const memory = SharedMemory.from(data.memory)
  const segment = new Segment(self, data.memory, data.capacityBytes)
  const ring = segment.ring(data.consumer)

  const work = (round: number): ProcessConsumerAnswer => {
    const stint = new Stint(data.kind)
    const channel = segment.channel(round, data.consumer, ring)
    takeBlocks(channel, (message) => {
      stint.take(message)
    })
    const endedMs = sharedNow()
    channel[Symbol.dispose]()
    const { account, latenciesMs } = stint
    const kept = memory.alloc(8 * (latenciesMs.length + 1)) // there is no region of nothing
    kept.as(Float64Array).set(latenciesMs)
    const result = account.result()
    return {
      endedMs,
      latenciesMs: kept,
      messages: latenciesMs.length,
      result: { ...result, sum: String(result.sum) },
    }
  }
  return takeOrders(data, work, () => segment.sighting())
}
