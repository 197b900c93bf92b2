import { Channel, json } from 'pageframe'
import { expect, test } from 'vitest'
import { Actor, eventually, freshName, rejectionOf } from '../support.ts'
import { ends } from './channels.ts'

test('two threads that block: every record arrives, in order', async () => {
  const name = freshName()
  Channel.open(name, { capacity: 4096, ...ends })
  const [sender, receiver] = await Actor.crew(2)
  const count = 50_000

  const sent = sender.run(
    ({ Channel }, name, count) => {
      const channel = Channel.open(name, { capacity: 4096, from: 'one', to: 'one' })
      for (let i = 0; i < count; i++) channel.send(new Uint8Array(i % 200).fill(i))
      channel.close()
    },
    name,
    count,
  )
  const wrong = await receiver.run(({ Channel }, name) => {
    const channel = Channel.open(name, { capacity: 4096, from: 'one', to: 'one' })
    let i = 0
    let wrong = 0
    for (const bytes of channel) {
      if (bytes.length !== i % 200 || bytes.some((byte) => byte !== (i & 0xff))) wrong++
      i++
    }
    return [i, wrong]
  }, name)
  await sent

  expect(wrong).toEqual([count, 0])
})

test('batches in place at both ends: the same', async () => {
  const channel = new Channel({ capacity: '64KiB', ...ends })
  const [sender, receiver] = await Actor.crew(2)
  const count = 64 * 2000

  const sent = sender.run(
    ({ Channel }, handle, count) => {
      const channel = Channel.from(handle)
      for (let i = 0; i < count; i += 64) {
        channel.batch(() => {
          for (let k = 0; k < 64; k++) {
            const loan = channel.loan(16)
            loan.bytes.fill(i + k)
            loan.commit()
          }
        })
      }
      channel.close()
    },
    channel,
    count,
  )
  const result = await receiver.run(({ Channel }, handle) => {
    const channel = Channel.from(handle)
    let i = 0
    let wrong = 0
    const step = () => {
      const message = channel.read()
      if (message === undefined) return false
      if (message.bytes.length !== 16 || message.bytes.some((byte) => byte !== (i & 0xff))) wrong++
      message[Symbol.dispose]()
      i++
      return true
    }
    const batch = () => {
      for (let k = 0; k < 10; k++) if (!step()) return false
      return true
    }
    while (channel.batch(batch));
    return [i, wrong]
  }, channel)
  await sent

  expect(result).toEqual([count, 0])
})

test('a main thread that does not block talks with a worker that does', async () => {
  const asked = new Channel({ of: json<number>(), capacity: 4096, ...ends })
  const answered = new Channel({ of: json<number>(), capacity: 4096, ...ends })
  const worker = await Actor.start()
  const done = worker.run(
    ({ revive }, message) => {
      const { asked, answered } = revive(message)
      for (const question of asked) answered.send(question * 2)
      answered.close()
    },
    { asked, answered },
  )

  const asking = (async () => {
    for (let i = 0; i < 2000; i++) await asked.sendAsync(i)
    asked.close()
  })()
  const answers: number[] = []
  for await (const answer of answered) answers.push(answer)
  await Promise.all([asking, done])

  expect(answers).toEqual(Array.from({ length: 2000 }, (_, i) => 2 * i))
})

test('a second producer and a second consumer are told who is there; a role that is given back can be taken', async () => {
  const channel = new Channel(ends)
  const other = await Actor.start()
  channel.send(new Uint8Array(1))
  channel.receive()

  const take = ({ Channel }: { Channel: typeof import('pageframe').Channel }, handle: unknown) => {
    const channel = Channel.from(handle)
    channel.trySend(new Uint8Array(2))
    return channel.tryReceive()?.length
  }
  const refused = await rejectionOf(other.run(take, channel))
  channel[Symbol.dispose]()
  const length = await other.run(take, channel)

  expect(refused.code).toBe('EBUSY')
  expect(refused.message).toMatch(/thread \d+.* sends already/)
  expect(length).toBe(2)
})

test('a close wakes both sides, whoever closes', async () => {
  const [full, empty] = [new Channel({ capacity: 4096, ...ends }), new Channel(ends)]
  const [sender, receiver] = await Actor.crew(2)
  const sending = sender.run(({ Channel, tell }, handle) => {
    const channel = Channel.from(handle)
    tell('sending')
    for (;;) channel.send(new Uint8Array(500))
  }, full)
  const receiving = receiver.run(({ Channel, tell }, handle) => {
    tell('receiving')
    return [Channel.from(handle).receive()]
  }, empty)
  await Promise.all([sender.told('sending'), receiver.told('receiving')])
  await eventually(() => full.length === 8, 'a full channel')

  full.close()
  empty.close()

  expect((await rejectionOf(sending)).code).toBe('EPIPE')
  expect(await receiving).toEqual([undefined])
})

test('records from one size to the next are never torn, in 8 KiB of ring', async () => {
  const channel = new Channel({ capacity: 8192, ...ends })
  const sender = await Actor.start()
  const sent = sender.run(({ Channel }, handle) => {
    const channel = Channel.from(handle)
    for (let i = 0; i < 5000; i++) {
      const loan = channel.loan(4000)
      const length = (i * 7919) % 4001
      loan.bytes.subarray(0, length).fill(i)
      loan.commit(length)
    }
    channel.close()
  }, channel)

  let i = 0
  let wrong = 0
  for await (const bytes of channel) {
    if (bytes.length !== (i * 7919) % 4001 || bytes.some((byte) => byte !== (i & 0xff))) wrong++
    i++
  }
  await sent

  expect([i, wrong]).toEqual([5000, 0])
})
