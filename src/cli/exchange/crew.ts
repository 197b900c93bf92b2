/**
 * A crew: one producer and its consumers, tied together by one transport. It lives for all rounds, so that what V8 has learnt
 * stays, and sleeps while the other crews have theirs.
 *
 * For pageframe a round has new channels: the producer's close() is what tells the consumers that they are through.
 */

import { url as consumerUrl } from 'virtual:worker-file/exchange-consumer'
import { url as producerUrl } from 'virtual:worker-file/exchange-producer'
import { Channel } from '../../channel/channel.ts'
import { cpuMs } from '../../host/process.ts'
import { MessageChannel, type MessagePort } from '../../host/workers.ts'
import type { ComlinkUrls } from '../../../workers/exchange/comlink.ts'
import type { ConsumerAnswer, ConsumerData, ConsumerOrder } from '../../../workers/exchange-consumer.ts'
import type { Transport } from '../../../workers/exchange/duty.ts'
import type { ProducerAnswer, ProducerData, ProducerOrder } from '../../../workers/exchange-producer.ts'
import type { Result } from '../../../workers/exchange/tally.ts'
import { copiedBytes } from './copied.ts'
import { Hand } from './hand.ts'
import type { Input } from './input.ts'
import { merge } from './result.ts'

const BLOCKS_IN_CHANNEL = 4

/** What a record has besides its block: the envelope, and the ring's own header. */
const OVERHEAD_BYTES = 16 + 8

export interface CrewOptions {
  readonly transport: Transport
  readonly input: Input
  readonly consumers: number
  readonly blockBytes: number
  readonly comlink: ComlinkUrls | undefined
}

/** One round as it was. */
export interface Round {
  readonly seconds: number
  readonly messages: number
  /** Ascending. */
  readonly latenciesMs: Float64Array
  readonly copiedBytes: number
  readonly cpuMs: number
  readonly result: Result
}

/** The size of each channel: a power of two, four blocks or more. */
export function capacityFor(blockBytes: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(4096, BLOCKS_IN_CHANNEL * blockBytes)))
}

/** Blocks that may be with one consumer, in every transport: as many as the channel has room for, wherever its lap ends. */
export function windowFor(blockBytes: number): number {
  return Math.floor(capacityFor(blockBytes) / (blockBytes + OVERHEAD_BYTES))
}

export class Crew {
  readonly transport: Transport
  readonly #options: CrewOptions
  readonly #progress = new Float64Array(new SharedArrayBuffer(8))
  readonly #producer: Hand
  readonly #consumers: readonly Hand[]

  constructor(options: CrewOptions) {
    const { transport, input, blockBytes } = options
    this.transport = transport
    this.#options = options
    const comlink = transport === 'comlink' ? options.comlink : undefined

    const producerPorts: MessagePort[] = []
    this.#consumers = Array.from({ length: options.consumers }, (_, index) => {
      const port = transport === 'pageframe' ? undefined : newLine(producerPorts)
      const data: ConsumerData = { transport, kind: input.kind, port, comlink }
      return new Hand(
        `${transport} consumer ${index + 1}`,
        consumerUrl,
        data,
        port === undefined ? [] : [port],
      )
    })
    const data: ProducerData = {
      transport,
      files: input.files,
      blockBytes,
      window: windowFor(blockBytes),
      ports: producerPorts,
      comlink,
      progress: this.#progress,
    }
    this.#producer = new Hand(`${transport} producer`, producerUrl, data, producerPorts)
  }

  get #hands(): Hand[] {
    return [this.#producer, ...this.#consumers]
  }

  async ready(): Promise<void> {
    await Promise.all(this.#hands.map((hand) => hand.ready))
  }

  /** How much of the input is sent in this round, from 0 to 1. */
  get fraction(): number {
    return this.#progress[0] / this.#options.input.lengthBytes
  }

  async round(): Promise<Round> {
    this.#progress[0] = 0
    const channels = this.#newChannels()
    const copiedBefore = copiedBytes()
    const cpuBefore = cpuMs()

    const consumed = this.#consumers.map((hand, index) => {
      const order: ConsumerOrder = { channel: channels[index] }
      return hand.ask<ConsumerAnswer>(order)
    })
    const order: ProducerOrder = { channels }
    const [produced, ...answers] = await Promise.all([this.#producer.ask<ProducerAnswer>(order), ...consumed])

    const cpu = cpuMs() - cpuBefore
    const copied = copiedBytes() - copiedBefore + produced.clonedBytes
    for (const channel of channels) channel.destroy()
    const endedMs = Math.max(...answers.map((answer) => answer.endedMs))
    return {
      seconds: (endedMs - produced.startedMs) / 1000,
      messages: produced.messages,
      latenciesMs: Float64Array.from(answers.flatMap((answer) => [...answer.latenciesMs])).sort(),
      copiedBytes: copied,
      cpuMs: cpu,
      result: merge(answers.map((answer) => answer.result)),
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.#hands.map((hand) => hand.end()))
  }

  #newChannels(): Channel[] {
    const { transport, consumers, blockBytes } = this.#options
    if (transport !== 'pageframe') return []
    const capacity = capacityFor(blockBytes)
    return Array.from({ length: consumers }, () => new Channel({ capacity, from: 'one', to: 'one' }))
  }
}

/** The consumer's end of a new line; the producer's joins the others. */
function newLine(producerPorts: MessagePort[]): MessagePort {
  const { port1, port2 } = new MessageChannel()
  producerPorts.push(port1)
  return port2
}
