import { once } from 'node:events'
import { MessageChannel, Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { postToThread } from '../../src/host/workers.ts'
import { within } from '../support.ts'

test('who listens to a port hears it close when its other end was posted to a thread that is gone', async () => {
  const gone = new Worker('', { eval: true })
  const { threadId } = gone
  await once(gone, 'exit')
  const { port1, port2 } = new MessageChannel()
  const closed = once(port1, 'close')
  port1.on('message', () => undefined)

  postToThread(threadId, 'for nobody', [port2])

  await expect(within(closed, 'the close of a port')).resolves.toBeDefined()
})
