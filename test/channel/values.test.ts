/** Values: what is sent comes out, whatever its length and wherever the lap ends. */

import { runInNewContext } from 'node:vm'
import { Channel, json, SharedMemory } from 'pageframe'
import { expect, test } from 'vitest'
import { freshName, thrownBy } from '../support.ts'
import { channel, ends, record, small } from './channels.ts'

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

test('bytes of another context are bytes', () => {
  const raw = channel()
  const foreign = runInNewContext('new Uint8Array([1, 2, 3])') as Uint8Array
  expect(foreign instanceof Uint8Array).toBe(false)

  raw.send(foreign)

  expect(raw.receive()).toEqual(new Uint8Array([1, 2, 3]))
})
