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
import { defaultAttachment } from '../../memory/inventory.ts'
import type { ComlinkUrls } from '../../../workers/exchange/comlink.ts'
import type { ConsumerAnswer, ConsumerData, ConsumerOrder } from '../../../workers/exchange-consumer.ts'
import type { Transport } from '../../../workers/exchange/duty.ts'
import type { ProducerAnswer, ProducerData, ProducerOrder } from '../../../workers/exchange-producer.ts'
import {
  ascending,
  capacityFor,
  windowFor,
  type Competitor,
  type CompetitorOptions,
  type Round,
} from './competitor.ts'
import { copiedBytes } from './copied.ts'
import { Hand } from './hand.ts'
import { merge } from './result.ts'

export interface CrewOptions extends CompetitorOptions {
  readonly transport: Exclude<Transport, 'process'>
  readonly comlink: ComlinkUrls | undefined
}

export class Crew implements Competitor {
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

  get fraction(): number {
    return this.#progress[0] / this.#options.input.lengthBytes
  }

  async round(): Promise<Round> {
    this.#progress[0] = 0
    const channels = this.#newChannels()
    const copiedBefore = copiedBytes(defaultAttachment())
    const cpuBefore = cpuMs()

    const consumed = this.#consumers.map((hand, index) => {
      const order: ConsumerOrder = { channel: channels[index] }
      return hand.ask<ConsumerAnswer>(order)
    })
    const order: ProducerOrder = { channels }
    const [produced, ...answers] = await Promise.all([this.#producer.ask<ProducerAnswer>(order), ...consumed])

    const cpu = cpuMs() - cpuBefore
    const copied = copiedBytes(defaultAttachment()) - copiedBefore + produced.clonedBytes
    for (const channel of channels) channel.destroy()
    const endedMs = Math.max(...answers.map((answer) => answer.endedMs))
    return {
      seconds: (endedMs - produced.startedMs) / 1000,
      messages: produced.messages,
      latenciesMs: ascending(answers.map((answer) => answer.latenciesMs)),
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
