/**
 * Blocks through channels: what pageframe's producers and consumers do, be they workers or processes.
 *
 *   disk ──read──► loan in the channel of the consumer with the fewest blocks ──commit──► read in place, taken ──► its room
 */

import type { Channel } from 'pageframe'
import type { BlockReader } from './blocks.ts'
import { ENVELOPE_BYTES, seal } from './envelope.ts'

/** Sends all blocks, then closes the channels. Returns how many; `reached` hears how many bytes of the input are sent. */
export function sendBlocks(
  reader: BlockReader,
  channels: readonly Channel[],
  blockBytes: number,
  reached: (bytes: number) => void,
): number {
  for (let messages = 0; ; messages++) {
    const channel = channels.reduce((least, each) => (each.length < least.length ? each : least))
    const loan = channel.loan(ENVELOPE_BYTES + blockBytes) // blocks while the ring is full
    const length = reader.read(loan.bytes, ENVELOPE_BYTES)
    if (length === 0) {
      loan[Symbol.dispose]()
      for (const each of channels) each.close()
      return messages
    }
    seal(loan.bytes, reader.position)
    loan.commit(ENVELOPE_BYTES + length)
    reached(reader.reached)
  }
}

/** Takes each block where it lies, until the channel is closed and drained. */
export function takeBlocks(channel: Channel, take: (message: Uint8Array) => void): void {
  for (let message = channel.read(); message !== undefined; message = channel.read()) {
    take(message.bytes)
    message[Symbol.dispose]()
  }
}
