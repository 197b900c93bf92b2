/** Full, empty, closed: what a caller waits for, and what ends the wait. */

import { expect, test } from 'vitest'
import { rejectionOf, thrownBy } from '../support.ts'
import { channel, record, small } from './channels.ts'

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
