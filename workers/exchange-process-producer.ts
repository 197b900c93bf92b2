/** The producer of an exchange between processes: reads blocks straight into windows on the segment. */

import type { Process } from 'pageframe/machine'
import { BlockReader } from './exchange/blocks.ts'
import { sendBlocks } from './exchange/by-channel.ts'
import { sharedNow } from './exchange/envelope.ts'
import { takeOrders, type ProcessData } from './exchange/orders.ts'
import { Segment } from './exchange/segment.ts'

export interface ProcessProducerData extends ProcessData {
  readonly files: readonly string[]
  readonly blockBytes: number
  readonly consumers: number
}

export interface ProcessProducerAnswer {
  readonly startedMs: number
  readonly messages: number
}

export default function main(self: Process, data: ProcessProducerData): number {
  const segment = new Segment(self, data.memory, data.capacityBytes)
  const rings = Array.from({ length: data.consumers }, (_, consumer) => segment.ring(consumer))

  const work = (round: number): ProcessProducerAnswer => {
    const reader = new BlockReader(data.files)
    const startedMs = sharedNow()
    const channels = rings.map((ring, consumer) => segment.channel(round, consumer, ring))
    const messages = sendBlocks(reader, channels, data.blockBytes, (bytes) => (segment.progress = bytes))
    for (const channel of channels) channel[Symbol.dispose]()
    return { startedMs, messages }
  }
  return takeOrders(data, work, () => segment.sighting())
}
