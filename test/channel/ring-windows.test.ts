/** Channels whose records lie in windows of a machine's processes: between address spaces, and over deaths. */

import { Channel, type Message } from 'pageframe'
import { Machine, MAP_SHARED, O_CREAT, O_RDWR, PROT_READ, PROT_WRITE, type Child } from 'pageframe/machine'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually, LIMIT_MS, rejectionOf, thrownBy } from '../support.ts'
import { ends, record } from './channels.ts'

const PAGE = 4096
const RING_BYTES = 16_384
const SEGMENT = '/ring'
const NAME = 'in a window'

let machine: Machine
/** Of the segment: a page of words, and the ring behind it. */
let at: number
let ring: Uint8Array<SharedArrayBuffer>

beforeEach(async () => {
  machine = await Machine.boot({ memory: '16MiB' })
  const { self } = machine
  const fd = self.shmOpen(SEGMENT, O_CREAT | O_RDWR, 0o600, { contiguous: true })
  self.ftruncate(fd, PAGE + RING_BYTES)
  at = self.mmap(null, PAGE + RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd)
  ring = self.window(at + PAGE, RING_BYTES).bytes
})

afterEach(async () => {
  await machine[Symbol.asyncDispose]()
})

const open = (): Channel => Channel.open(NAME, { memory: machine.memory, ring, ...ends })

function start(role: 'producer' | 'batch' | 'holder'): Promise<Child> {
  const args = { role, memory: machine.memory, name: NAME, segment: SEGMENT, ringBytes: RING_BYTES }
  return machine.spawn(new URL('../fixtures/ring-process.mjs', import.meta.url), { args })
}

/** Until the process has said that it is as far as it goes; then it is killed. */
async function killOnceThere(child: Child): Promise<void> {
  await eventually(() => machine.self.load32(at) === 1, 'a process that is through')
  child.kill('SIGKILL')
  expect(await child.waitAsync({ timeoutMs: LIMIT_MS })).toEqual({ code: null, signal: 'SIGKILL' })
}

function isSound(): void {
  expect(machine.check().problems).toEqual([])
}

test('a window is a ring, and its process needs no mapping any more', () => {
  const { self } = machine
  const channel = open()

  self.munmap(at, PAGE + RING_BYTES)
  channel.send(record(1000, 7))

  expect(ring.subarray(8, 1008).every((byte) => byte === 7)).toBe(true)
  expect(channel.receive()).toEqual(record(1000, 7))
  isSound()
})

test('a window in another memory than the channel is refused', () => {
  const error = thrownBy(() => new Channel({ ring, ...ends }))

  expect(error.code).toBe('ERR_PAGEFRAME_RING_BUFFER')
  isSound()
})

test('a process dies in a batch: what it had committed in its window is received', async () => {
  const channel = open()
  await killOnceThere(await start('batch'))

  const received = Array.from({ length: 5 }, () => channel.tryReceive())

  expect(received).toEqual([0, 1, 2, 3, 4].map((fill) => record(100, fill)))
  expect((await rejectionOf(channel.receiveAsync())).code).toBe('EOWNERDEAD')
  isSound()
})

test('a process dies with a record of its window in hand: it is delivered again, and says so', async () => {
  const channel = open()
  for (let i = 0; i < 4; i++) channel.send(record(100, i))
  await killOnceThere(await start('holder'))

  const seen: [number, boolean][] = []
  for (let message = channel.tryRead(); message !== undefined; message = channel.tryRead()) {
    seen.push([message.bytes[0], message.redelivered])
    message[Symbol.dispose]()
  }

  expect(seen).toEqual([
    [1, true],
    [2, false],
    [3, false],
  ])
  isSound()
})

test(
  'producers that are killed one after the other lose nothing, and what they held comes back',
  { timeout: 60_000 },
  async () => {
    const { self, memory } = machine
    const channel = open()
    let next = 0
    let usedBytes = 0

    for (let round = 0; round < 10; round++) {
      const child = await start('producer')
      const wanted = next + 500
      while (next < wanted) next = check(await take(channel), next)
      child.kill(round % 2 === 0 ? 'SIGKILL' : 'SIGTERM')
      const { signal } = await child.waitAsync({ timeoutMs: LIMIT_MS })
      expect(signal).toBe(round % 2 === 0 ? 'SIGKILL' : 'SIGTERM')
      for (let message = tryReadRest(channel); message !== undefined; message = tryReadRest(channel)) {
        next = check(message, next)
      }
      expect([next, next - 1]).toContain(self.load32(at)) // it counts behind the commit
      self.store32(at, next)
      if (round === 1) ({ usedBytes } = memory)
    }

    expect(memory.usedBytes).toBeLessThanOrEqual(usedBytes + 40 * PAGE) // this thread's magazine
    isSound()
  },
)

/** Until the new producer has come, the channel says that the last one died. */
async function take(channel: Channel): Promise<Message<Uint8Array>> {
  for (;;) {
    const message = await channel.readAsync().catch((error: unknown) => {
      expect((error as { code?: string }).code).toBe('EOWNERDEAD')
    })
    if (message !== undefined) return message
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

function tryReadRest(channel: Channel): Message<Uint8Array> | undefined {
  try {
    return channel.tryRead()
  } catch (error) {
    expect((error as { code?: string }).code).toBe('EOWNERDEAD')
    return undefined
  }
}

/** Every word of a record is its number. Returns the next one. */
function check(message: Message<Uint8Array>, wanted: number): number {
  const words = new Int32Array(ring.buffer, message.byteOffset, 16)
  expect(words.every((word) => word === wanted)).toBe(true)
  message[Symbol.dispose]()
  return wanted + 1
}
