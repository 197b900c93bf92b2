/**
 * The producer of an exchange: reads blocks of whole lines and hands each to the consumer with the fewest in its hands.
 *
 *   pageframe   disk ──read──► loan in the consumer's channel ──commit──► consumer          the block is never moved
 *   clone       disk ──read──► one buffer ──postMessage copies──► consumer ──► 'done'
 *   transfer    disk ──read──► a buffer ──postMessage moves──► consumer ──moves it back──► the next block
 *   comlink     as transfer, as calls of the consumer's take(block)
 *
 * At most `window` blocks are with one consumer. A channel sees to that itself, since it has room for as many; in the other
 * transports the consumer's answer to each block is what makes room for the next.
 */

import { workerData, type MessagePort } from 'node:worker_threads'
import { Channel } from 'pageframe'
import { BlockReader } from './exchange/blocks.ts'
import { sendBlocks } from './exchange/by-channel.ts'
import { posted } from './exchange/cloned.ts'
import { loadComlink, type ComlinkUrls, type LoadedComlink, type RemoteConsumer } from './exchange/comlink.ts'
import { onDuty, type Transport } from './exchange/duty.ts'
import { ENVELOPE_BYTES, seal, sharedNow } from './exchange/envelope.ts'

export interface ProducerData {
  transport: Transport
  files: readonly string[]
  blockBytes: number
  /** Blocks with one consumer. */
  window: number
  /** One to each consumer; none for pageframe. */
  ports: readonly MessagePort[]
  /** Its modules, for comlink only. */
  comlink: ComlinkUrls | undefined
  /** One number: how much of the input is sent. For those who watch. */
  progress: Float64Array
}

export interface ProducerOrder {
  /** Handles, one for each consumer; none for the others than pageframe. */
  channels: readonly unknown[]
}

export interface ProducerAnswer {
  startedMs: number
  messages: number
  /** By the clone transport (cloned.ts). */
  clonedBytes: number
}

const data = workerData as ProducerData
const messageBytes = ENVELOPE_BYTES + data.blockBytes

/** A consumer, as a transport without channels sees it. */
interface Lane {
  taken: number
  /** Sends a block; calls back when the consumer is through, with a buffer for the next one. Returns how many bytes that copies. */
  send(buffer: ArrayBuffer, lengthBytes: number): number
  /** Buffers that no block is in. */
  readonly free: ArrayBuffer[]
  end(): void
}

let answered: (lane: Lane, buffer: ArrayBuffer | undefined) => void = () => undefined

void lanesOf(data).then((lanes) => {
  onDuty((order: ProducerOrder) => produce(order, lanes))
})

async function produce({ channels }: ProducerOrder, lanes: readonly Lane[]): Promise<ProducerAnswer> {
  const reader = new BlockReader(data.files)
  const startedMs = sharedNow()
  if (data.transport !== 'pageframe') return { startedMs, ...(await sendThroughLanes(reader, lanes)) }
  const messages = sendBlocks(
    reader,
    channels.map((handle) => Channel.from(handle)),
    data.blockBytes,
    (bytes) => (data.progress[0] = bytes),
  )
  return { startedMs, messages, clonedBytes: 0 }
}

function sendThroughLanes(
  reader: BlockReader,
  lanes: readonly Lane[],
): Promise<Omit<ProducerAnswer, 'startedMs'>> {
  return new Promise((resolve) => {
    let messages = 0
    let clonedBytes = 0
    let isThrough = false
    answered = (lane, buffer) => {
      lane.taken--
      if (buffer !== undefined) lane.free.push(buffer)
      fill()
    }
    fill()

    /** Sends as much as the windows allow. */
    function fill(): void {
      while (!isThrough) {
        const lane = lanes.reduce((least, each) => (each.taken < least.taken ? each : least))
        const buffer = lane.free.at(-1)
        if (buffer === undefined || lane.taken === data.window) return
        const bytes = new Uint8Array(buffer)
        const length = reader.read(bytes, ENVELOPE_BYTES)
        if (length === 0) {
          isThrough = true
          for (const each of lanes) each.end()
          break
        }
        seal(bytes, reader.position)
        lane.taken++
        messages++
        clonedBytes += lane.send(buffer, ENVELOPE_BYTES + length)
        data.progress[0] = reader.reached
      }
      if (lanes.every((lane) => lane.taken === 0)) resolve({ messages, clonedBytes })
    }
  })
}

async function lanesOf({ transport, ports, comlink, window }: ProducerData): Promise<Lane[]> {
  if (transport === 'clone') return ports.map(cloneLane)
  if (transport === 'transfer') return ports.map((port) => transferLane(port, window))
  if (comlink === undefined) return []
  const loaded = await loadComlink(comlink)
  return ports.map((port) => comlinkLane(loaded, port, window))
}

/** One buffer for all blocks: postMessage has copied it when it returns. */
function cloneLane(port: MessagePort): Lane {
  const lane: Lane = {
    taken: 0,
    free: [new ArrayBuffer(messageBytes)],
    send: (buffer, lengthBytes) => {
      const { message, copiedBytes } = posted(buffer, lengthBytes)
      port.postMessage(message)
      return copiedBytes
    },
    end: () => {
      port.postMessage(null)
    },
  }
  port.on('message', () => {
    answered(lane, undefined)
  })
  return lane
}

/** As many buffers as the window has: they go and come back, for ever. */
function transferLane(port: MessagePort, window: number): Lane {
  const lane: Lane = {
    taken: 0,
    free: Array.from({ length: window }, () => new ArrayBuffer(messageBytes)),
    send: (buffer, lengthBytes) => {
      lane.free.pop()
      port.postMessage(new Uint8Array(buffer, 0, lengthBytes), [buffer])
      return 0
    },
    end: () => {
      port.postMessage(null)
    },
  }
  port.on('message', (buffer: ArrayBuffer) => {
    answered(lane, buffer)
  })
  return lane
}

function comlinkLane({ library, endpoint }: LoadedComlink, port: MessagePort, window: number): Lane {
  const consumer = library.wrap<RemoteConsumer>(endpoint(port))
  const lane: Lane = {
    taken: 0,
    free: Array.from({ length: window }, () => new ArrayBuffer(messageBytes)),
    send: (buffer, lengthBytes) => {
      lane.free.pop()
      const block = new Uint8Array(buffer, 0, lengthBytes)
      void consumer.take(library.transfer(block, [buffer])).then((back) => {
        answered(lane, back)
      })
      return 0
    },
    end: () => void consumer.end(),
  }
  return lane
}
