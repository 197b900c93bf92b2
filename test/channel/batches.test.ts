/** Batches: many records, published at once. */

import { SharedMemory } from 'pageframe'
import { expect, test } from 'vitest'
import { channel, record, small } from './channels.ts'

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

test('a thread that waits for room which it gave back in its own batch gets it', () => {
  for (const isTrying of [false, true]) {
    const raw = channel({ ...small, capacity: 4096 })
    raw.send(record(1060))
    raw.receive()
    raw.send(record(1000))

    raw.batch(() => {
      raw.receive()
      if (isTrying) expect(raw.trySend(record(2040))).toBe(true)
      else raw.send(record(2040), { timeoutMs: 5000 })
    })

    expect(raw.receive()).toEqual(record(2040))
  }
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

test('a batch that is not over when it returns is refused, and what it sent is there', () => {
  const raw = channel()
  const isLater = async (): Promise<void> => {
    raw.send(record(1, 1))
    await Promise.resolve()
    raw.send(record(1, 2))
  }

  expect(() => raw.batch(isLater)).toThrow(
    expect.objectContaining({
      code: 'ERR_PAGEFRAME_INVALID_ARGUMENT',
      message: expect.stringMatching(
        /^Channel\.batch\(\): work must be over when it returns, and it returned a promise; await before or after it$/,
      ) as string,
    }),
  )
  expect(raw.tryReceive()).toEqual(record(1, 1))
})
