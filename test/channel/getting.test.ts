/** How a channel is had: made, opened, found by its handle, refused, destroyed. */

import { Channel, json, SharedMemory, text } from 'pageframe'
import { expect, test } from 'vitest'
import { freshName, thrownBy } from '../support.ts'
import { channel, ends, record, small } from './channels.ts'

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
