/** What is given up, or spoilt, while others count on it: nobody waits for ever, nothing is lost, and every role is free. */

import { bytes, Channel, Semaphore, SharedMemory, text } from 'pageframe'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Actor, rejectionOf, thrownBy } from '../support.ts'
import { channel, record, small } from './channels.ts'

const problems = (): readonly string[] => SharedMemory.default.check().problems

// ── disposed while it is waited for ───────────────────────────────────────────────────────────────────────────────

test('promises that wait to receive are rejected when this thread gives the channel back', async () => {
  const raw = channel()
  const waits = [raw.receiveAsync(), raw.readAsync({ timeoutMs: 60_000 })]
  const [first, second] = waits.map(rejectionOf)

  raw[Symbol.dispose]()

  expect((await first).code).toBe('ECANCELED')
  expect((await second).code).toBe('ECANCELED')
  raw.send(record(1, 7)) // nobody is woken for it
  expect(raw.receive()).toEqual(record(1, 7))
  expect(problems()).toEqual([])
})

test('so are those that wait to send, and what they would have sent is not', async () => {
  const raw = channel(small)
  while (raw.trySend(record(500)));
  const { length } = raw
  const sent = rejectionOf(raw.sendAsync(record(500)))
  const lent = rejectionOf(raw.loanAsync(500))

  raw[Symbol.dispose]()

  expect((await sent).code).toBe('ECANCELED')
  expect((await lent).code).toBe('ECANCELED')
  while (raw.tryReceive() !== undefined);
  await sleep(10)
  expect([length > 0, raw.length]).toEqual([true, 0])
  expect(problems()).toEqual([])
})

test('another thread may take the role at once, and gets what is sent', async () => {
  const raw = channel({ of: text })
  const waiting = rejectionOf(raw.receiveAsync())
  raw[Symbol.dispose]()
  const [other] = await Actor.crew(1)

  const received = other.run(({ Channel }, handle) => Channel.from<string>(handle).receive(), raw)
  raw.send('x')

  expect(await received).toBe('x')
  expect((await waiting).code).toBe('ECANCELED')
})

// ── spoilt while it waits ─────────────────────────────────────────────────────────────────────────────────────────

interface Growing extends ArrayBuffer {
  resize(length: number): void
}
const resizable = (length: number, most: number): Growing =>
  new (ArrayBuffer as unknown as new (length: number, options: object) => Growing)(length, {
    maxByteLength: most,
  })

test.each([
  ['transferred away', (): [Uint8Array, () => void] => {
    const value = record(500)
    return [value, () => void structuredClone(value.buffer, { transfer: [value.buffer as ArrayBuffer] })]
  }],
  ['made longer', (): [Uint8Array, () => void] => {
    const buffer = resizable(500, 1000)
    return [new Uint8Array(buffer), () => { buffer.resize(1000) }]
  }],
  ['made shorter', (): [Uint8Array, () => void] => {
    const buffer = resizable(500, 1000)
    return [new Uint8Array(buffer), () => { buffer.resize(100) }]
  }],
])('bytes that are %s while they wait to be sent reject their promise, and nothing else', async (_how, make) => {
  const raw = channel(small)
  while (raw.trySend(record(500)));
  const { length } = raw
  const [value, spoil] = make()
  const spoilt = rejectionOf(raw.sendAsync(value))
  const next = raw.sendAsync(record(8, 9))

  spoil()
  raw.receive()

  expect((await spoilt).code).toBe('ERR_PAGEFRAME_INVALID_ARGUMENT')
  await next
  expect(raw.length).toBe(length)
  const semaphore = new Semaphore(0)
  const acquired = semaphore.acquireAsync({ timeoutMs: 5000 })
  semaphore.release()
  await acquired
}) // prettier-ignore

test('a codec that aborts its own wait while it reads has its value, once', async () => {
  const controller = new AbortController()
  const aborting = {
    ...bytes,
    read(view: Uint8Array): Uint8Array {
      controller.abort(new Error('too late'))
      return bytes.read(view)
    },
  }
  const raw = channel({ of: aborting })
  const waiting = raw.receiveAsync({ signal: controller.signal })
  await sleep(5)

  raw.send(record(3, 1))

  expect(await waiting).toEqual(record(3, 1))
  const [one, two] = [raw.receiveAsync(), raw.receiveAsync()]
  raw.send(record(1, 1))
  raw.send(record(1, 2))
  expect([await one, await two]).toEqual([record(1, 1), record(1, 2)])
})

// ── refused before anything has changed ───────────────────────────────────────────────────────────────────────────

test('a thread that does not know the type receives nothing, and takes nothing away', async () => {
  const mine = { ...bytes, $type: 'mine' }
  const raw = new Channel({ from: 'one', to: 'one', of: mine })
  raw.send(record(3))
  raw.send(record(4))
  const [other] = await Actor.crew(1)

  const codes = await other.run(async ({ Channel }, handle) => {
    const raw = Channel.from(handle)
    const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code
    const codes: unknown[] = []
    for (const call of [() => raw.receive(), () => raw.tryReceive(), () => raw.receiveAsync()]) {
      try {
        await call()
      } catch (error) {
        codes.push(codeOf(error))
      }
    }
    return codes
  }, raw)

  expect(codes).toEqual(['ERR_PAGEFRAME_TYPE', 'ERR_PAGEFRAME_TYPE', 'ERR_PAGEFRAME_TYPE'])
  expect(raw.length).toBe(2)
  expect([raw.receive(), raw.receive()]).toEqual([record(3), record(4)])
})

test('a call that is refused for its arguments leaves both roles to others', async () => {
  const raw = channel(small)
  const bad = 'x' as unknown as number
  const noSignal = { signal: 5 as unknown as AbortSignal }
  const aborted = { signal: AbortSignal.abort(new Error('before')) }

  for (const call of [() => raw.loan(bad), () => raw.tryLoan(NaN), () => raw.loan(4096), () => raw.tryLoan(4096)]) {
    thrownBy(call)
  } // prettier-ignore
  thrownBy(() => {
    raw.send(record(4096))
  })
  for (const wait of [noSignal, aborted, { ref: 'x' as unknown as boolean }]) {
    for (const call of [raw.sendAsync(record(1), wait), raw.loanAsync(1, wait)]) await rejectionOf(call)
    for (const call of [raw.receiveAsync(wait), raw.readAsync(wait)]) await rejectionOf(call)
  }

  const [other] = await Actor.crew(1)
  const received = await other.run(({ Channel }, handle) => {
    const raw = Channel.from(handle)
    raw.send(new Uint8Array([5]))
    return raw.receive()
  }, raw)
  expect(received).toEqual(record(1, 5))
})

test('options that are refused name the call', async () => {
  const raw = channel<string>({ of: text })

  const { message } = await rejectionOf(raw.receiveAsync({ signal: 5 as unknown as AbortSignal }))

  expect(message).toBe('Channel.receiveAsync(): signal must be an AbortSignal, not 5')
})

// ── closed while a loan is out ────────────────────────────────────────────────────────────────────────────────────

test('a loan cannot be committed after a close: who receives may have been told that nothing comes any more', () => {
  const raw = channel(small)
  const loan = raw.loan(8)
  raw.close()
  expect(raw.receive()).toBeUndefined()

  const { code, message } = thrownBy(() => {
    loan.commit()
  })

  expect([code, message]).toEqual(['EPIPE', expect.stringContaining('it is closed')])
  expect([raw.length, raw.receive()]).toEqual([0, undefined])
  expect(thrownBy(() => { loan.commit() }).code).toBe('ERR_PAGEFRAME_RELEASED') // prettier-ignore
  expect(problems()).toEqual([])
})
