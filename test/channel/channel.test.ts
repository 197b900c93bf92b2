import { inspect } from 'node:util'
import { Channel, json, SharedMemory, text, type ChannelOptions } from 'pageframe'
import { expect, test } from 'vitest'
import { freshName, rejectionOf, thrownBy } from '../support.ts'

const ends = { from: 'one', to: 'one' } as const
const small = { ...ends, capacity: 4096 } as const

/** A channel whose only user is the test. */
function channel<T = Uint8Array>(options: ChannelOptions<T> = {}): Channel<T> {
  return new Channel<T>({ ...ends, ...options })
}

const record = (length: number, fill = 0): Uint8Array => new Uint8Array(length).fill(fill)

// ── getting one ───────────────────────────────────────────────────────────────────────────────────────────────────

test('a channel with many threads at an end is refused, and the text says what to pass', () => {
  const error = thrownBy(() => new Channel())

  expect(error.code).toBe('ENOTSUP')
  expect(error.message).toContain("{ from: 'one', to: 'one' }")
})

test('open() finds the channel of that name, and from() the one of a handle', () => {
  const name = freshName()

  const first = Channel.open(name, { of: text, ...ends })

  expect(Channel.open(name, { of: text, ...ends })).toBe(first)
  expect(Channel.from(structuredClone(first))).toBe(first)
})

test('a channel that carries something else, or has another capacity, is refused with both', () => {
  const name = freshName()
  Channel.open(name, { of: json(), ...ends })

  const type = thrownBy(() => Channel.open(name, { of: text, ...ends }))
  const capacity = thrownBy(() => Channel.open(name, { of: json(), ...small }))

  expect(type.code).toBe('EEXIST')
  expect(type.message).toMatch(/exists and carries json \(opened by thread \d+\); this thread asked for text/)
  expect(capacity.message).toMatch(/exists and has 1 MiB .* asked for 4 KiB/)
})

test('a memory that is too small says so, and nothing stays taken', () => {
  const memory = new SharedMemory({ size: '4MiB' })
  const free = memory.usedBytes

  const error = thrownBy(() => channel({ memory, capacity: '64MiB' }))

  expect(error.code).toBe('ENOMEM')
  expect(error.message).toContain('64 MiB do not fit')
  expect(memory.usedBytes).toBeLessThanOrEqual(free + 16_384) // the slab of channels stays
})

test('destroy() ends it for everybody who has it', () => {
  const gone = channel()

  gone.destroy()

  expect(thrownBy(() => gone.trySend(record(1))).code).toBe('ESTALE')
  expect(thrownBy(() => Channel.from(structuredClone(gone))).code).toBe('ESTALE')
})

// ── values ────────────────────────────────────────────────────────────────────────────────────────────────────────

test('values come out as they went in, in order', () => {
  const jobs = channel({ of: json<{ id: number; name: string }>() })
  const sent = [1, 2, 3].map((id) => ({ id, name: `jöb ${id} 🚀` }))

  for (const job of sent) jobs.send(job)
  jobs.close()

  expect([...jobs]).toEqual(sent)
})

test('a received value is a copy: it stays when its room is used again', () => {
  const raw = channel(small)
  raw.send(record(1000, 1))
  const kept = raw.receive()

  for (let lap = 0; lap < 10; lap++) {
    raw.send(record(1000, 2))
    raw.receive()
  }

  expect(kept).toEqual(record(1000, 1))
})

test('records of every length survive many laps, padding and all', () => {
  const raw = channel(small)
  const lengths = Array.from({ length: 3000 }, (_, i) => (i * 37) % 2041)

  const wrong = lengths.filter((length, i) => {
    raw.send(record(length, i))
    const got = raw.receive()
    return got?.length !== length || got.some((byte) => byte !== (i & 0xff))
  })

  expect(wrong).toEqual([])
})

test('an empty record is a record', () => {
  const raw = channel()

  raw.send(record(0))

  expect(raw.length).toBe(1)
  expect(raw.receive()).toEqual(record(0))
})

test('a record that can never fit names the capacity to choose', () => {
  const error = thrownBy(() => {
    channel().send(record(8_294_400))
  })

  expect(error.code).toBe('EMSGSIZE')
  expect(error.message).toContain('needs a capacity of at least 16 MiB; this channel has 1 MiB')
})

test('check() finds every record of a ring that is in use, padding and all', () => {
  const raw = channel(small)
  for (let i = 0; i < 40; i++) {
    raw.send(record((i * 37) % 1000, i))
    raw.send(record((i * 53) % 1000, i))
    raw.receive()
    if (i < 38) raw.receive()
  }

  expect(raw.length).toBe(2)
  expect(SharedMemory.default.check().problems.filter((problem) => problem.includes('Channel'))).toEqual([])
})

test('the largest record fits, wherever the lap ends', () => {
  const raw = channel(small)

  for (let i = 0; i < 7; i++) {
    raw.send(record(2040, i))
    expect(raw.receive()).toEqual(record(2040, i))
    raw.send(record(16))
    raw.receive()
  }

  expect(thrownBy(() => raw.trySend(record(2041))).code).toBe('EMSGSIZE')
})

test('a value that the codec cannot read is thrown, and does not block the next one', () => {
  const name = freshName()
  const jobs = Channel.open(name, { of: json<number>(), ...ends })
  const loan = jobs.loan(3)
  loan.bytes.set([1, 2, 3])
  loan.commit()
  jobs.send(7)

  expect(() => jobs.receive()).toThrow(SyntaxError)
  expect(jobs.receive()).toBe(7)
})

// ── in place ──────────────────────────────────────────────────────────────────────────────────────────────────────

test('a loan is sent as long as it was committed, and a message shows it in place', () => {
  const raw = channel()

  const loan = raw.loan(64)
  loan.bytes.fill(9)
  loan.commit(10)
  const message = raw.read()

  expect(message?.bytes).toEqual(record(10, 9))
  expect(message?.bytes.buffer).toBeInstanceOf(SharedArrayBuffer)
  expect(message?.redelivered).toBe(false)
  message?.[Symbol.dispose]()
  expect(raw.length).toBe(0)
})

test('a loan that is disposed was never there', () => {
  const raw = channel()

  {
    using loan = raw.loan(64)
    loan.bytes.fill(1)
  }
  raw.send(record(3, 2))

  expect(raw.length).toBe(1)
  expect(raw.receive()).toEqual(record(3, 2))
})

test('a record counts until its message is disposed', () => {
  const raw = channel()
  raw.send(record(1))

  const message = raw.read()

  expect(raw.length).toBe(1)
  message?.[Symbol.dispose]()
  expect(raw.length).toBe(0)
})

test('one loan and one message at a time: the error says what to let go of', () => {
  const raw = channel()
  const loan = raw.loan(8)

  const second = thrownBy(() => raw.loan(8))
  loan.commit()
  const message = raw.read()
  const another = thrownBy(() => raw.read())

  expect(second).toMatchObject({ name: 'TypeError', code: 'ERR_PAGEFRAME_IN_USE' })
  expect(second.message).toContain('commit() or dispose it first')
  expect(another).toMatchObject({ code: 'ERR_PAGEFRAME_IN_USE' })
  message?.[Symbol.dispose]()
  expect(thrownBy(() => message?.bytes)).toMatchObject({ code: 'ERR_PAGEFRAME_RELEASED' })
  expect(thrownBy(() => loan.bytes)).toMatchObject({ code: 'ERR_PAGEFRAME_RELEASED' })
})

test('records of one size are seen through the same views lap after lap', () => {
  const raw = channel(small)
  const views = new Set<Uint8Array>()

  for (let i = 0; i < 1000; i++) {
    const loan = raw.loan(120)
    views.add(loan.bytes)
    loan.commit()
    raw.read()?.[Symbol.dispose]()
  }

  expect(views.size).toBe(32)
})

// ── full, empty, closed ───────────────────────────────────────────────────────────────────────────────────────────

test('the try forms answer at once', () => {
  const raw = channel(small)
  expect(raw.tryReceive()).toBeUndefined()
  expect(raw.tryRead()).toBeUndefined()

  while (raw.trySend(record(500)));

  expect(raw.tryLoan(500)).toBeNull()
  expect(raw.length).toBe(8)
})

test('a wait that runs out says who is at the other end', async () => {
  const raw = channel(small)
  while (raw.trySend(record(500)));
  const empty = channel()

  const full = thrownBy(() => {
    raw.send(record(500), { timeoutMs: 10 })
  })
  const nothing = thrownBy(() => empty.receive({ timeoutMs: 10 }))

  expect(full.code).toBe('ETIMEDOUT')
  expect(full.message).toContain('no room for 500 bytes in 10 ms; its consumer is nobody')
  expect(nothing.message).toContain('nothing to receive in 10 ms; its producer is nobody')
  expect((await rejectionOf(raw.sendAsync(record(500), { timeoutMs: 10 }))).code).toBe('ETIMEDOUT')
  expect((await rejectionOf(empty.receiveAsync({ timeoutMs: 10 }))).code).toBe('ETIMEDOUT')
})

test('close(): what was sent is received, then undefined; sending fails', async () => {
  const raw = channel()
  raw.send(record(1))

  raw.close()

  expect(thrownBy(() => raw.trySend(record(1)))).toMatchObject({
    code: 'EPIPE',
    errno: -32,
    syscall: 'trySend',
  })
  expect(raw.closed).toBe(true)
  expect(raw.receive()).toEqual(record(1))
  expect(raw.receive()).toBeUndefined()
  expect(raw.read()).toBeUndefined()
  expect(await raw.receiveAsync()).toBeUndefined()
  expect(await raw.readAsync()).toBeUndefined()
})

test('a batch is published at its end', () => {
  const raw = channel()

  const result = raw.batch(() => {
    raw.send(record(1, 1))
    raw.send(record(1, 2))
    expect(raw.tryReceive()).toBeUndefined()
    return 'done'
  })

  expect(result).toBe('done')
  expect([raw.receive(), raw.receive()]).toEqual([record(1, 1), record(1, 2)])
})

test('a thread that waits for what it sent in its own batch gets it', () => {
  const raw = channel()

  const received = raw.batch(() => {
    raw.send(record(1, 1))
    return raw.receive()
  })

  expect(received).toEqual(record(1, 1))
})

test('check() is clean in the middle of a batch, on both sides', () => {
  const raw = channel(small)
  const problems = () =>
    SharedMemory.default.check().problems.filter((problem) => problem.includes('Channel'))

  const found = raw.batch(() => {
    for (let lap = 0; lap < 5; lap++) {
      for (let i = 0; i < 3; i++) raw.send(record(400, i))
      for (let i = 0; i < 3; i++) raw.receive()
      raw.send(record(100))
      raw.receive()
    }
    raw.send(record(700))
    return problems()
  })

  expect(found).toEqual([])
  expect(problems()).toEqual([])
})

test('console.log() of a loan and of a message says where it lies and how long it is', () => {
  const raw = channel(small)

  const loan = raw.loan(24)
  expect(inspect(loan)).toBe(`Loan { byteOffset: ${loan.byteOffset}, length: 24 }`)
  loan.commit(8)
  expect(inspect(loan)).toBe('Loan (over)')

  const message = raw.read()
  expect(inspect(message)).toBe(`Message { byteOffset: ${message?.byteOffset}, length: 8 }`)
  message?.[Symbol.dispose]()
  expect(inspect(message)).toBe('Message (over)')
})

test('a loan that began a new lap and was given back wastes room, and loses nothing', () => {
  const raw = channel(small)
  raw.send(record(1500, 1))
  raw.receive()
  raw.send(record(1500, 2))
  raw.receive()

  raw.loan(1800)[Symbol.dispose]()
  raw.send(record(10, 3))

  expect(raw.receive()).toEqual(record(10, 3))
  expect(raw.length).toBe(0)
})

// ── by promise ────────────────────────────────────────────────────────────────────────────────────────────────────

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

test('a readable stream that is cancelled leaves the rest to others', async () => {
  const words = channel({ of: text })
  for (const word of ['one', 'two', 'three']) words.send(word)
  const reader = words.toReadable().getReader()

  const first = await reader.read()
  await reader.cancel()

  expect(first.value).toBe('one')
  expect([words.receive(), words.receive()]).toEqual(['two', 'three'])
})

test('a loan and a message know where they begin in the memory, as their bytes do', () => {
  const ring = channel()
  const loan = ring.loan(8)
  expect(loan.byteOffset).toBe(loan.bytes.byteOffset)
  new Int32Array(loan.bytes.buffer)[loan.byteOffset / 4] = 42
  loan.commit()
  expect(thrownBy(() => loan.byteOffset).code).toBe('ERR_PAGEFRAME_RELEASED')

  const message = ring.read()

  expect(message?.byteOffset).toBe(message?.bytes.byteOffset)
  expect(message?.bytes[0]).toBe(42)
  message?.[Symbol.dispose]()
  expect(thrownBy(() => message?.byteOffset).code).toBe('ERR_PAGEFRAME_RELEASED')
})
