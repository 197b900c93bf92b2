/** Channels whose records lie in bytes that somebody gave: in a Region, between threads, refused, outlived. */

import { Channel, Region, SharedMemory, text } from 'pageframe'
import { expect, test } from 'vitest'
import { Actor, eventually, freshName, thrownBy } from '../support.ts'
import { channel, ends, record } from './channels.ts'

type SharedBytes = Uint8Array<SharedArrayBuffer>

const region = (size: number, memory = SharedMemory.default): Region => memory.alloc(size)

function isSound(memory = SharedMemory.default): void {
  expect(memory.check().problems).toEqual([])
}

test('records lie in the bytes that were given, and their length is the capacity', () => {
  const { bytes } = region(8192)
  const inBytes = channel({ ring: bytes })

  const loan = inBytes.loan(4000)
  loan.bytes.fill(7)
  const { byteOffset } = loan
  loan.commit()

  expect(byteOffset).toBe(bytes.byteOffset + 8)
  expect(bytes.subarray(8, 4008).every((byte) => byte === 7)).toBe(true)
  expect(thrownBy(() => inBytes.loan(4096)).message).toContain('this channel has 8 KiB')
  expect(inBytes.receive()).toEqual(record(4000, 7))
  isSound()
})

test('a part of a region will do, and what lies around it stays as it was', () => {
  const whole = region(16_384)
  whole.bytes.fill(0xaa)
  const inPart = channel({ ring: whole.bytes.subarray(4096, 8192) })

  for (let i = 0; i < 100; i++) {
    inPart.send(record(1000, i))
    expect(inPart.receive()).toEqual(record(1000, i))
  }

  expect(whole.bytes.subarray(0, 4096).every((byte) => byte === 0xaa)).toBe(true)
  expect(whole.bytes.subarray(8192).every((byte) => byte === 0xaa)).toBe(true)
  isSound()
})

test('when memory is out, the error names what the channel itself takes, not the bytes that were given', () => {
  const memory = new SharedMemory({ size: '16MiB' })
  const given = region(2 ** 20, memory)
  for (let size = 4 * 2 ** 20; size >= 4096; size /= 2) {
    while (fits(size, memory));
  }

  const error = thrownBy(() => new Channel({ memory, ring: given.bytes, ...ends }))

  expect(error).toMatchObject({ code: 'ENOMEM' })
  expect(error.message).toContain('Channel: 512 bytes do not fit')
})

test('it takes no room of its own, and destroy() leaves the bytes to who gave them', () => {
  const memory = new SharedMemory({ size: '16MiB' })
  const given = region(4 * 2 ** 20, memory)
  new Channel({ memory, ...ends, capacity: 4096 }).destroy() // the slab of channels stays
  const before = memory.usedBytes

  const inBytes = new Channel({ memory, ring: given.bytes, ...ends })
  inBytes.send(record(3, 9))

  expect(memory.usedBytes).toBe(before)
  inBytes.destroy()
  expect(memory.usedBytes).toBe(before)
  expect([...given.bytes.subarray(8, 11)]).toEqual([9, 9, 9])
  given.destroy()
  isSound(memory)
})

test('two threads meet in a ring by its name, each with its own view of the bytes', async () => {
  const name = freshName()
  const shared = Region.open(`${name} ring`, '64KiB')
  const mine = Channel.open(name, { of: text, ring: shared.bytes, ...ends })
  const worker = await Actor.start()

  const sent = await worker.run(({ Channel, Region, text }, name) => {
    const { bytes } = Region.open(`${name} ring`)
    const theirs = Channel.open(name, { of: text, ring: bytes, from: 'one', to: 'one' })
    for (let i = 0; i < 1000; i++) theirs.send(`record ${i}`)
    return theirs.loan(1).byteOffset - bytes.byteOffset
  }, name)
  const received = Array.from({ length: 1000 }, () => mine.receive())

  expect(sent).toBeGreaterThan(0)
  expect(sent).toBeLessThan(65_536)
  expect(received).toEqual(Array.from({ length: 1000 }, (_, i) => `record ${i}`))
  isSound()
})

test('a view that came in a message is known as the same memory', async () => {
  const memory = new SharedMemory({ size: '64MiB' }) // V8 cannot clone a view of 4 GiB or more
  const shared = region(4096, memory)
  const worker = await Actor.start()
  const view = new Uint8Array(shared.bytes.buffer, shared.bytes.byteOffset, 4096)

  const isSameObject = await worker.run(
    ({ Channel, Region, SharedMemory }, handles, view) => {
      const memory = SharedMemory.from(handles.memory)
      Channel.open('ring', { memory, ring: view, from: 'one', to: 'one' }).send(new Uint8Array([5]))
      return view.buffer === Region.from(handles.shared).bytes.buffer
    },
    { memory, shared },
    view,
  )

  expect(isSameObject).toBe(false)
  expect(Channel.open('ring', { memory, ring: shared.bytes, ...ends }).receive()).toEqual(record(1, 5))
})

// ── refused ───────────────────────────────────────────────────────────────────────────────────────────────────────

test('bytes of another buffer are refused, and nothing is made', () => {
  const other = new SharedMemory({ size: '4MiB' })
  const name = freshName()

  for (const ring of [
    new Uint8Array(new SharedArrayBuffer(4096)),
    other.alloc(4096).bytes,
    new Uint8Array(
      new SharedArrayBuffer(SharedMemory.default.byteLength > 2 ** 28 ? 2 ** 28 : 4096),
      0,
      4096,
    ),
  ]) {
    const error = thrownBy(() => Channel.open(name, { ring, ...ends }))
    expect(error.code).toBe('ERR_PAGEFRAME_RING_BUFFER')
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toContain("bytes of memory 'default'")
  }
  expect(Channel.open(name, { ...ends, capacity: 4096 }).length).toBe(0) // the name was free still
  isSound()
})

test("the memory's own bytes are refused", () => {
  const { buffer } = region(4096).bytes

  const error = thrownBy(() => channel({ ring: new Uint8Array(buffer, 0, 4096) }))

  expect(error.code).toBe('ERR_PAGEFRAME_RING_BUFFER')
  expect(error.message).toMatch(/begins at byte 0 of memory 'default', whose first \d+ are its own/)
})

test.each([0, 1, 2048, 4095, 6144, 12_288])(
  'a ring of %d bytes is refused: its length is wrong',
  (length) => {
    const { bytes } = region(16_384)

    const error = thrownBy(() => channel({ ring: bytes.subarray(0, length) }))

    expect(error.code).toBe('ERR_PAGEFRAME_RING_LENGTH')
    expect(error).toBeInstanceOf(RangeError)
    expect(error.message).toContain(`not ${length}`)
  },
)

test.each([8, 64, 2048, 4095])('a ring that begins %d bytes into a frame is refused', (offset) => {
  const { bytes } = region(16_384)

  const error = thrownBy(() => channel({ ring: bytes.subarray(offset, offset + 4096) }))

  expect(error.code).toBe('ERR_PAGEFRAME_RING_ALIGNMENT')
  expect(error).toBeInstanceOf(RangeError)
})

test('a capacity that says otherwise is refused, one that agrees is not', () => {
  const { bytes } = region(8192)

  expect(thrownBy(() => channel({ ring: bytes, capacity: '16KiB' })).code).toBe('ERR_PAGEFRAME_RING_LENGTH')
  expect(channel({ ring: bytes, capacity: 8000 }).length).toBe(0)
})

test('what is no Uint8Array of shared bytes is refused', () => {
  const shared = region(4096)
  const lying = Object.create(shared.bytes, {
    byteOffset: { value: 0 },
    byteLength: { value: 4096 },
  }) as unknown

  for (const ring of [null, 4096, 'bytes', {}, lying, new Uint8Array(4096), shared.as(Int32Array)]) {
    expect(thrownBy(() => channel({ ring: ring as SharedBytes })).code).toBe('ERR_PAGEFRAME_INVALID_ARGUMENT')
  }
})

test('open() of a channel whose records lie elsewhere is refused with both places', () => {
  const [elsewhere, inRing, inOwn] = [region(8192), freshName(), freshName()]
  const { bytes } = region(8192)
  const first = Channel.open(inRing, { ring: bytes, ...ends })
  Channel.open(inOwn, { ...ends, capacity: 8192 })

  expect(Channel.open(inRing, { ring: bytes, ...ends })).toBe(first)
  expect(Channel.open(inRing, ends)).toBe(first)
  expect(thrownBy(() => Channel.open(inRing, { ring: elsewhere.bytes, ...ends }))).toMatchObject({
    code: 'EEXIST',
    message: expect.stringMatching(
      /has its records in a ring at byte \d+ .* asked for a ring at byte \d+/,
    ) as string,
  })
  expect(thrownBy(() => Channel.open(inRing, { ring: bytes.subarray(0, 4096), ...ends }))).toMatchObject({
    code: 'EEXIST',
    message: expect.stringContaining('has 8 KiB') as string,
  })
  expect(thrownBy(() => Channel.open(inOwn, { ring: bytes, ...ends }))).toMatchObject({
    code: 'EEXIST',
    message: expect.stringContaining('has its records in room of its own') as string,
  })
})

// ── death ─────────────────────────────────────────────────────────────────────────────────────────────────────────

test('a producer dies in a batch: what it had committed to the ring is received, and the bytes stay', async () => {
  const shared = region(65_536)
  const inBytes = channel({ ring: shared.bytes })
  const producer = await Actor.start()
  producer.begin(({ Channel, tell }, handle) => {
    const channel = Channel.from(handle)
    channel.batch(() => {
      for (let i = 0; i < 5; i++) channel.send(new Uint8Array(100).fill(i))
      tell('committed')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })
  }, inBytes)
  await producer.told('committed')

  await producer.end()
  const received: (Uint8Array | undefined)[] = []
  for (let i = 0; i < 5; i++) received.push(await inBytes.receiveAsync())

  expect(received).toEqual([0, 1, 2, 3, 4].map((fill) => record(100, fill)))
  expect(shared.bytes[8 + 4 * 112]).toBe(4)
  isSound()
})

test('a ring that its giver wrote over neither holds up the reaper of its producer nor fails the check', async () => {
  const shared = region(4096)
  const inBytes = channel({ ring: shared.bytes })
  const producer = await Actor.start()
  producer.begin(({ Channel, tell }, handle) => {
    Channel.from(handle).batch(() => {
      for (let i = 0; i < 8; i++) Channel.from(handle).send(new Uint8Array(100))
      tell('committed')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })
  }, inBytes)
  await producer.told('committed')

  for (const fill of [0xfe, 0x7f]) {
    shared.bytes.fill(fill)
    isSound()
  }
  await producer.end()
  inBytes.close()

  await eventually(() => joinsAsProducer(inBytes), 'a producer that was reaped')
  inBytes.destroy()
  isSound()
})

test('a thread dies with a channel that only it knew: the bytes of the ring are whole, and good for the next', async () => {
  const name = freshName()
  const shared = Region.open(name, '4KiB')
  const maker = await Actor.start()
  await maker.run(({ Channel, Region }, name) => {
    new Channel({ ring: Region.open(name).bytes, from: 'one', to: 'one' }).send(new Uint8Array(10))
  }, name)

  await maker.end()
  const next = channel({ ring: shared.bytes })
  next.send(record(2, 3))

  expect(next.receive()).toEqual(record(2, 3))
  isSound()
})

/** Takes so much of the memory, if it is there. */
function fits(size: number, memory: SharedMemory): boolean {
  try {
    return region(size, memory).byteLength === size
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOMEM' })
    return false
  }
}

/** EPIPE is for a producer; EBUSY says that there is another still. */
function joinsAsProducer(inBytes: Channel): boolean {
  return thrownBy(() => inBytes.trySend(record(1))).code === 'EPIPE'
}
