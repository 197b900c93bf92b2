import { Channel, SharedMemory } from 'pageframe'
import { expect, test } from 'vitest'
import { Actor, eventually, rejectionOf } from '../support.ts'
import { ends } from './channels.ts'

const record = (fill: number): Uint8Array => new Uint8Array(100).fill(fill)

test('a producer dies: what it had sent is received, a waiting receive is told, and the next producer carries on', async () => {
  const channel = new Channel(ends)
  const producer = await Actor.start()
  await producer.run(({ Channel }, handle) => {
    const channel = Channel.from(handle)
    channel.send(new Uint8Array(100).fill(1))
    channel.send(new Uint8Array(100).fill(2))
    channel.loan(50).bytes.fill(9) // never committed: never sent
  }, channel)
  const received = [channel.receive(), channel.receive()]
  const waiting = rejectionOf(channel.receiveAsync())

  await producer.end()
  const error = await waiting
  channel.send(record(3))

  expect(received).toEqual([record(1), record(2)])
  expect(error.code).toBe('EOWNERDEAD')
  expect(channel.receive()).toEqual(record(3))
})

test('a producer dies in a batch: what it had committed is received', async () => {
  const channel = new Channel(ends)
  const producer = await Actor.start()
  producer.begin(({ Channel, tell }, handle) => {
    const channel = Channel.from(handle)
    channel.batch(() => {
      for (let i = 0; i < 5; i++) channel.send(new Uint8Array(100).fill(i))
      tell('committed')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })
  }, channel)
  await producer.told('committed')
  expect(channel.tryReceive()).toBeUndefined()

  await producer.end()
  const received: (Uint8Array | undefined)[] = []
  for (let i = 0; i < 5; i++) received.push(await channel.receiveAsync())

  expect(received).toEqual([0, 1, 2, 3, 4].map(record))
  expect((await rejectionOf(channel.receiveAsync())).code).toBe('EOWNERDEAD')
})

test('a consumer dies: the record that it held is delivered again and says so, the others are not', async () => {
  const channel = new Channel(ends)
  const consumer = await Actor.start()
  for (let i = 0; i < 4; i++) channel.send(record(i))
  await consumer.run(({ Channel }, handle) => {
    const channel = Channel.from(handle)
    channel.receive()
    channel.read() // held
  }, channel)

  await consumer.end()
  await eventually(() => thrownCode(() => channel.tryRead()?.[Symbol.dispose]()) !== 'EBUSY', 'a free role')

  expect(channel.length).toBe(2)
})

test('redelivered: the record itself, first', async () => {
  const channel = new Channel(ends)
  const [first, second] = await Actor.crew(2)
  for (let i = 0; i < 3; i++) channel.send(record(i))
  await first.run(({ Channel }, handle) => {
    const channel = Channel.from(handle)
    channel.receive()
    channel.read()
  }, channel)

  await first.end()
  await eventually(
    () => thrownCode(() => channel.tryLoan(1)?.[Symbol.dispose]()) === 'EPIPE',
    'a death that is noticed',
  )
  const seen = await second.run(({ Channel }, handle) => {
    const channel = Channel.from(handle)
    const seen: [number, boolean][] = []
    for (let message = channel.tryRead(); message !== undefined; message = channel.tryRead()) {
      seen.push([message.bytes[0], message.redelivered])
      message[Symbol.dispose]()
    }
    return seen
  }, channel)

  expect(seen).toEqual([
    [1, true],
    [2, false],
  ])
  channel.send(record(3))
  expect(await second.run(({ Channel }, handle) => Channel.from(handle).receive()?.[0], channel)).toBe(3)
})

test('a consumer dies: a producer that waits for room is told', async () => {
  const channel = new Channel({ capacity: 4096, ...ends })
  const [producer, consumer] = await Actor.crew(2)
  await consumer.run(({ Channel }, handle) => void Channel.from(handle).tryReceive(), channel)
  const sending = rejectionOf(
    producer.run(({ Channel }, handle) => {
      const channel = Channel.from(handle)
      for (;;) channel.send(new Uint8Array(500))
    }, channel),
  )
  await eventually(() => channel.length === 8, 'a full channel')

  await consumer.end()

  const error = await sending
  expect(error.code).toBe('EPIPE')
  expect(error.message).toContain('its consumer died')
})

test('producers that are killed one after the other lose nothing that they had committed', async () => {
  const channel = new Channel({ capacity: 4096, ...ends })
  const received: number[] = []
  for (let round = 0; round < 8; round++) {
    const producer = await Actor.start()
    producer.begin(
      ({ Channel, tell }, handle, from) => {
        const channel = Channel.from(handle)
        for (let i = from; ; i++) {
          const loan = channel.loan(4)
          new DataView(loan.bytes.buffer, loan.bytes.byteOffset).setInt32(0, i)
          loan.commit()
          if (i === from + 20) tell('under way')
        }
      },
      channel,
      received.length,
    )
    await producer.told('under way') // until then the channel still says that its last producer died
    const wanted = received.length + 50
    while (received.length < wanted) receiveInto(received, await channel.receiveAsync())
    await producer.end()
    for (;;) {
      const rest = await channel.receiveAsync().catch((error: unknown) => error as Error & { code?: string })
      if (rest instanceof Error) {
        expect(rest.code).toBe('EOWNERDEAD')
        break
      }
      receiveInto(received, rest)
    }
  }

  expect(received).toEqual(received.map((_, i) => i))
  expect(SharedMemory.default.check().problems.filter((problem) => problem.includes('Channel'))).toEqual([])
}, 60_000)

function receiveInto(received: number[], bytes: Uint8Array | undefined): void {
  if (bytes !== undefined) received.push(new DataView(bytes.buffer, bytes.byteOffset).getInt32(0))
}

function thrownCode(call: () => unknown): string | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    return (error as { code?: string }).code
  }
}
