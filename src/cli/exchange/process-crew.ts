/**
 * A crew of processes: a machine, one producer and its consumers, each a process of it with an address space of its own.
 *
 *   producer                       segment, in frames of the machine's memory              consumer 1
 *   0x7f31... ┌──────────┐        ┌──────────┬────────┬────────┐        ┌──────────┐ 0x7f9c...
 *             │ window   │ ─────► │ progress │ ring 1 │ ring 2 │ ◄───── │ window   │
 *             └──────────┘        └──────────┴────────┴────────┘        └──────────┘
 *
 * What a block goes through is what it goes through between plain workers (crew.ts): the channels' records lie in the
 * windows. This thread is process 1 and maps the segment too, to see how far they are.
 */

import { url as consumerUrl } from 'virtual:worker-file/exchange-process-consumer'
import { url as producerUrl } from 'virtual:worker-file/exchange-process-producer'
import { Channel } from '../../channel/channel.ts'
import { cpuMs } from '../../host/process.ts'
import { maps } from '../../inspect/maps.ts'
import { O_CREAT, O_EXCL, O_RDWR } from '../../ipc/constants.ts'
import { Machine } from '../../machine/machine.ts'
import { attachmentById, MOST_BYTES } from '../../memory/inventory.ts'
import { Region } from '../../memory/region.ts'
import { MAP_SHARED, PROT_READ } from '../../space/constants.ts'
import { alignUp } from '../../words/bits.ts'
import { KiB, MiB } from '../../words/constants.ts'
import { showBytes } from '../../words/usage.ts'
import type {
  ProcessConsumerAnswer,
  ProcessConsumerData,
} from '../../../workers/exchange-process-consumer.ts'
import type {
  ProcessProducerAnswer,
  ProcessProducerData,
} from '../../../workers/exchange-process-producer.ts'
import type { ProcessData } from '../../../workers/exchange/orders.ts'
import {
  channelName,
  RINGS_AT,
  SEGMENT,
  sightingOf,
  type Sighting,
} from '../../../workers/exchange/segment.ts'
import { CommandError } from '../errors.ts'
import { ascending, capacityFor, type Competitor, type CompetitorOptions, type Round } from './competitor.ts'
import { copiedBytes } from './copied.ts'
import { ProcessHand } from './process-hand.ts'
import { merge } from './result.ts'

/** What the machine's memory holds besides the segment: its kernel, page tables; and for each process, orders and answers. */
const KERNEL_BYTES = 16 * MiB
const KERNEL_SHARE = 1 / 64
const PROCESS_BYTES = 256 * KiB

/** A producer that has failed is heard of in that time. */
const CAUSE_MS = 500

/** A process, as the report shows it. */
export interface ProcessFacts extends Sighting {
  readonly name: string
  /** /proc/PID/maps. */
  readonly maps: string
}

/** Of what a process gets, all that its hand does not see to. */
type Duty<T extends ProcessData> = Omit<T, 'memory' | 'orders' | 'answers'>

export class ProcessCrew implements Competitor {
  readonly transport = 'process'
  readonly #options: CompetitorOptions
  readonly #capacityBytes: number
  #booting: Promise<Machine> | undefined
  #machine: Machine | undefined
  #address = 0
  #producer: ProcessHand | undefined
  #consumers: readonly ProcessHand[] = []
  #rounds = 0

  constructor(options: CompetitorOptions) {
    this.#options = options
    this.#capacityBytes = capacityFor(options.blockBytes)
  }

  async ready(): Promise<void> {
    const { input, consumers, blockBytes } = this.#options
    const segmentBytes = RINGS_AT + consumers * this.#capacityBytes
    this.#booting = Machine.boot({ memory: this.#memoryBytes(segmentBytes) })
    const machine = await this.#booting
    this.#machine = machine
    this.#address = makeSegment(machine, segmentBytes)

    const common = { capacityBytes: this.#capacityBytes }
    const producing: Duty<ProcessProducerData> = {
      ...common,
      files: input.files,
      blockBytes,
      consumers,
    }
    const starting = [
      ProcessHand.start(machine, 'producer', producerUrl, producing),
      ...Array.from({ length: consumers }, (_, consumer) => {
        const consuming: Duty<ProcessConsumerData> = { ...common, kind: input.kind, consumer }
        return ProcessHand.start(machine, `consumer ${consumer + 1}`, consumerUrl, consuming)
      }),
    ]
    ;[this.#producer, ...this.#consumers] = await Promise.all(starting)
  }

  get fraction(): number {
    const { self } = this.#running
    return self.loadF64(this.#address) / this.#options.input.lengthBytes
  }

  async round(): Promise<Round> {
    const { memory } = this.#running
    const attachment = attachmentById(memory.memory)
    const order = { round: ++this.#rounds }
    const copiedBefore = copiedBytes(attachment)
    const cpuBefore = cpuMs()

    const consumed = this.#consumers.map((hand) => hand.ask<ProcessConsumerAnswer>(order))
    const producing = this.#hands[0].ask<ProcessProducerAnswer>(order)
    const all = Promise.all([producing, ...consumed])
    const [produced, ...answers] = await all.catch((error: unknown) => blame(producing, error))

    const cpu = cpuMs() - cpuBefore
    const copied = copiedBytes(attachment) - copiedBefore
    answers.forEach((_, consumer) => {
      Channel.open(channelName(order.round, consumer), { memory, from: 'one', to: 'one' }).destroy()
    })
    const endedMs = Math.max(...answers.map((answer) => answer.endedMs))
    return {
      seconds: (endedMs - produced.startedMs) / 1000,
      messages: produced.messages,
      latenciesMs: ascending(answers.map(takeLatencies)),
      copiedBytes: copied,
      cpuMs: cpu,
      result: merge(answers.map(({ result }) => ({ ...result, sum: BigInt(result.sum) }))),
    }
  }

  /** All processes of the machine, this one first. */
  async look(): Promise<ProcessFacts[]> {
    const { self } = this.#running
    const facts = [{ name: 'this one', ...sightingOf(self, this.#address), maps: String(maps(self)) }]
    for (const hand of this.#hands) {
      const sighting = await hand.ask<Sighting>('look')
      facts.push({ name: hand.name, ...sighting, maps: String(maps(hand.child)) })
    }
    return facts
  }

  async end(): Promise<void> {
    for (const hand of this.#hands) hand.end()
    const machine = await this.#booting?.catch(() => undefined)
    await machine?.[Symbol.asyncDispose]()
  }

  #memoryBytes(segmentBytes: number): number {
    const { input, consumers, blockBytes } = this.#options
    // A double for each block, of which few are less than half full; and what regions are rounded up by.
    const latencyBytes = 8 * Math.ceil((2 * input.lengthBytes) / blockBytes)
    const processes = (consumers + 1) * PROCESS_BYTES
    const bytes = (segmentBytes + 2 * latencyBytes + processes + KERNEL_BYTES) * (1 + KERNEL_SHARE)
    if (bytes <= MOST_BYTES) return alignUp(Math.ceil(bytes), MiB)
    throw new CommandError(
      `${consumers} consumers with ${showBytes(this.#capacityBytes)} each do not fit into a machine, which has 4 GiB: fewer, or a smaller --block`,
    )
  }

  get #hands(): ProcessHand[] {
    return this.#producer === undefined ? [] : [this.#producer, ...this.#consumers]
  }

  get #running(): Machine {
    if (this.#machine === undefined) throw new Error('ready() comes first')
    return this.#machine
  }
}

/** Makes the segment that the others open by name, and maps it here, for looking. */
function makeSegment({ self }: Machine, lengthBytes: number): number {
  const fd = self.shmOpen(SEGMENT, O_CREAT | O_EXCL | O_RDWR, 0o600, { contiguous: true })
  self.ftruncate(fd, lengthBytes)
  const address = self.mmap(null, lengthBytes, PROT_READ, MAP_SHARED, fd, 0)
  self.close(fd)
  return address
}

/** Consumers fail when their producer does, and may be heard first: then it is the producer's failure that says why. */
async function blame(producing: Promise<unknown>, error: unknown): Promise<never> {
  const ended = new Promise((resolve) => setTimeout(resolve, CAUSE_MS))
  await Promise.race([producing.then(() => ended), ended]) // rejects with the producer's own, if there is one
  throw error
}

function takeLatencies({ latenciesMs, messages }: ProcessConsumerAnswer): Float64Array {
  const kept = Region.from(latenciesMs)
  const latencies = Float64Array.from(kept.as(Float64Array).subarray(0, messages))
  kept.destroy()
  return latencies
}
