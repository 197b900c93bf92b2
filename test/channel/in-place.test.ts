/** Records in place: loans and messages. */

import assert from 'node:assert'
import { inspect } from 'node:util'
import { Channel, Region } from 'pageframe'
import { expect, test } from 'vitest'
import { thrownBy } from '../support.ts'
import { channel, record, small } from './channels.ts'

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

test('a message that is held is as long as it was when it was read, whatever becomes of what lies before it', () => {
  const ring = new Region({ size: '4KiB' }).bytes
  const words = new Int32Array(ring.buffer, 0, ring.buffer.byteLength / 4)
  using channel = new Channel({ ring, from: 'one', to: 'one' })
  channel.send(new Uint8Array(16))
  const message = channel.read()
  assert(message !== undefined)
  const lengthAt = message.byteOffset / 4 - 2
  expect(words[lengthAt]).toBe(16)

  words[lengthAt] = -1

  expect(message.bytes).toHaveLength(16)
  expect(inspect(message)).toContain('length: 16')
  message[Symbol.dispose]()
  channel.send(new Uint8Array(8))
  expect(channel.receive()).toHaveLength(8)
})
