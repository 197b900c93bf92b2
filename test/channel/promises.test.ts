/** By promise, and as streams. */

import { text } from 'pageframe'
import { expect, test } from 'vitest'
import { rejectionOf, thrownBy } from '../support.ts'
import { channel, record, small } from './channels.ts'

test('promises are settled in the order of the calls, large and small', async () => {
  const raw = channel(small)
  const lengths = [2000, 2000, 1500, 8, 900, 8, 2000, 8]

  const sent = lengths.map((length, i) => raw.sendAsync(record(length, i)))
  const received: (Uint8Array | undefined)[] = []
  while (received.length < lengths.length) received.push(await raw.receiveAsync())
  await Promise.all(sent)

  expect(received.map((each) => [each?.length, each?.[0]])).toEqual(lengths.map((length, i) => [length, i]))
})

test('an aborted wait rejects with its reason, and the next one has its turn', async () => {
  const raw = channel()
  const controller = new AbortController()
  const reason = new Error('no longer wanted')
  const first = raw.receiveAsync({ signal: controller.signal })
  const second = raw.receiveAsync()

  controller.abort(reason)
  raw.send(record(1, 5))

  await expect(first).rejects.toBe(reason)
  expect(await second).toEqual(record(1, 5))
})

test('a call that would block while a promise waits for the same is refused', async () => {
  const raw = channel()
  const waiting = raw.receiveAsync()

  const error = thrownBy(() => raw.receive())
  raw.send(record(1))

  expect(error.code).toBe('EDEADLK')
  expect(raw.tryReceive()).toBeUndefined()
  expect(await waiting).toEqual(record(1))
})

test('a message that is held keeps the promises behind it waiting, until it is disposed', async () => {
  const raw = channel()
  const [reading, receiving] = [raw.readAsync(), raw.receiveAsync()]
  raw.send(record(1, 1))
  raw.send(record(1, 2))

  const message = await reading

  expect(message?.bytes).toEqual(record(1, 1))
  message?.[Symbol.dispose]()
  expect(await receiving).toEqual(record(1, 2))
})

test('a loan by promise is alone until it is committed', async () => {
  const raw = channel(small)
  while (raw.trySend(record(2000)));
  const [lending, sending] = [raw.loanAsync(100), raw.sendAsync(record(100, 2))]
  for (let i = 0; i < 2; i++) raw.receive()

  const loan = await lending
  loan.bytes.fill(1)
  loan.commit()
  await sending

  expect([raw.receive(), raw.receive()]).toEqual([record(100, 1), record(100, 2)])
})

test('streams: what is written comes out, and the end is the end', async () => {
  const words = channel({ of: text })
  const writer = words.toWritable().getWriter()
  const written = ['one', 'two', 'three'].map((word) => writer.write(word))
  const closed = writer.close()

  const out: string[] = []
  for await (const word of words.toReadable()) out.push(word)

  await Promise.all([...written, closed])
  expect(out).toEqual(['one', 'two', 'three'])
})

test('a value that cannot be sent ends a writable stream, and the channel with it: who reads does not wait for ever', async () => {
  const words = channel({ of: text, capacity: 4096 })
  const writer = words.toWritable().getWriter()
  const broken = rejectionOf(writer.closed)
  const written = writer.write('one')
  const refused = rejectionOf(writer.write('x'.repeat(5000)))

  const out: string[] = []
  for await (const word of words) out.push(word)

  await written
  expect([(await refused).code, (await broken).code]).toEqual(['EMSGSIZE', 'EMSGSIZE'])
  expect(out).toEqual(['one'])
})

test('a readable stream that is cancelled leaves the rest to others', async () => {
  const words = channel({ of: text })
  for (const word of ['one', 'two', 'three']) words.send(word)
  const reader = words.toReadable().getReader()

  const first = await reader.read()
  await reader.cancel()

  expect(first.value).toBe('one')
  expect([words.receive(), words.receive()]).toEqual(['two', 'three'])
})
