/**
 * A consumer of an exchange: takes blocks, parses their records in place, adds up, and gives the blocks back.
 *
 * The same work in each transport; what differs is how a block comes into its hands, and what giving back means: releasing
 * the message, answering 'done', or transferring the buffer to where it came from.
 */

import { workerData, type MessagePort } from 'node:worker_threads'
import { Channel } from 'pageframe'
import { takeBlocks } from './exchange/by-channel.ts'
import { loadComlink, type ComlinkUrls, type RemoteConsumer } from './exchange/comlink.ts'
import { onDuty, type Transport } from './exchange/duty.ts'
import { sharedNow } from './exchange/envelope.ts'
import { Stint } from './exchange/stint.ts'
import type { Kind, Result } from './exchange/tally.ts'

export interface ConsumerData {
  transport: Transport
  kind: Kind
  /** To the producer; none for pageframe. */
  port: MessagePort | undefined
  /** Its modules, for comlink only. */
  comlink: ComlinkUrls | undefined
}

export interface ConsumerOrder {
  /** A handle; none for the others than pageframe. */
  channel: unknown
}

export interface ConsumerAnswer {
  endedMs: number
  /** One for each block. */
  latenciesMs: Float64Array
  result: Result
}

const data = workerData as ConsumerData
let round = newRound()
void listen(data).then(() => {
  onDuty(consume)
})

async function consume({ channel }: ConsumerOrder): Promise<ConsumerAnswer> {
  if (data.transport === 'pageframe') {
    takeBlocks(Channel.from(channel), take)
    round.end()
  }
  await round.over
  const { stint } = round
  round = newRound()
  return {
    endedMs: sharedNow(),
    latenciesMs: Float64Array.from(stint.latenciesMs),
    result: stint.account.result(),
  }
}

function newRound() {
  let end: () => void = () => undefined
  const over = new Promise<void>((resolve) => (end = resolve))
  return { stint: new Stint(data.kind), over, end }
}

function take(message: Uint8Array): void {
  round.stint.take(message)
}

async function listen({ transport, port, comlink }: ConsumerData): Promise<void> {
  if (port === undefined) return
  if (comlink !== undefined) {
    const { library, endpoint } = await loadComlink(comlink)
    const remote: RemoteConsumer = {
      take: (block) => {
        take(block)
        return library.transfer(block.buffer, [block.buffer])
      },
      end: () => {
        round.end()
      },
    }
    library.expose(remote, endpoint(port))
    return
  }
  port.on('message', (block: Uint8Array<ArrayBuffer> | null) => {
    if (block === null) {
      round.end()
      return
    }
    take(block)
    if (transport === 'transfer') port.postMessage(block.buffer, [block.buffer])
    else port.postMessage('done')
  })
}
