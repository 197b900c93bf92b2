/** Arguments, values and moments that a channel must refuse with nothing changed. */

import { Channel, json, SharedMemory } from 'pageframe'
import { expect, test } from 'vitest'
import { rejectionOf, thrownBy } from '../support.ts'

const small = { from: 'one', to: 'one', capacity: 4096 } as const

function isSound(): void {
  expect(SharedMemory.default.check().problems).toEqual([])
}

// ── lengths ───────────────────────────────────────────────────────────────────────────────────────────────────────

test.each([2041, 4096, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 8, 2 ** 32 - 7, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1])(
  'a loan of %d bytes is refused, also after others have been given',
  (length) => {
    const raw = new Channel(small)
    raw.loan(8).commit()

    expect(thrownBy(() => raw.loan(length)).code).toBe('EMSGSIZE')
    expect(thrownBy(() => raw.tryLoan(length)).code).toBe('EMSGSIZE')
    expect(raw.length).toBe(1)
    isSound()
  },
)

test('lengths that are no numbers are refused without being asked what they are worth', () => {
  const raw = new Channel(small)
  const hostile = {
    valueOf: (): number => {
      throw new Error('asked')
    },
  }

  for (const length of [1n, Symbol('x'), hostile, '8', null, -1, 1.5, NaN] as unknown as number[]) {
    const { code } = thrownBy(() => raw.loan(length))
    expect(thrownBy(() => raw.tryLoan(length)).code).toBe(code)
    expect(code).toMatch(/^ERR_PAGEFRAME_/)
  }
})

// ── values ────────────────────────────────────────────────────────────────────────────────────────────────────────

test('what is no Uint8Array is refused: its elements are not bytes', () => {
  const raw = new Channel(small)
  const gone = new Uint8Array(4)
  structuredClone(gone.buffer, { transfer: [gone.buffer] })

  for (const value of [new Float64Array([1.5]), new DataView(new ArrayBuffer(8)), [1], 'x', gone]) {
    expect(thrownBy(() => { raw.send(value as Uint8Array) }).code).toBe('ERR_PAGEFRAME_INVALID_ARGUMENT') // prettier-ignore
  }
  expect(raw.length).toBe(0)
})

test('what JSON cannot say is refused in our words, and what a toJSON() throws is the user’s', () => {
  const channel = new Channel<unknown>({ ...small, of: json() })
  const circle: { self?: unknown } = {}
  circle.self = circle

  expect(thrownBy(() => { channel.send(circle) }).code).toBe('ERR_PAGEFRAME_INVALID_ARGUMENT') // prettier-ignore
  expect(thrownBy(() => { channel.send(1n) }).code).toBe('ERR_PAGEFRAME_INVALID_ARGUMENT') // prettier-ignore
  expect(thrownBy(() => { channel.send({ toJSON: () => { throw new Error('mine') } }) }).message).toBe('mine') // prettier-ignore
})

test('a toJSON() that uses the channel finds it as it was before the send', () => {
  const channel = new Channel<unknown>({ ...small, of: json() })

  channel.send({
    toJSON: () => {
      channel.send('first')
      return 'second'
    },
  })
  expect([channel.receive(), channel.receive()]).toEqual(['first', 'second'])

  const lending = {
    toJSON: () => {
      channel.loan(8)
      return 'never'
    },
  }
  expect(thrownBy(() => { channel.send(lending) }).code).toBe('ERR_PAGEFRAME_IN_USE') // prettier-ignore
})

test('options of waits that are none are refused, also where nothing has to be waited for', async () => {
  const raw = new Channel(small)
  raw.send(new Uint8Array(1))

  for (const wait of [100, null, { timeoutMs: NaN }, { timeoutMs: -1 }, { timeoutMs: '1' }] as object[]) {
    for (const call of [
      () => { raw.send(new Uint8Array(1), wait) },
      () => raw.loan(1, wait),
      () => raw.receive(wait),
      () => raw.read(wait),
    ]) expect(thrownBy(call).code).toMatch(/^ERR_PAGEFRAME_/) // prettier-ignore
    for (const pending of [raw.sendAsync(new Uint8Array(1), wait), raw.receiveAsync(wait)]) {
      expect((await rejectionOf(pending)).code).toMatch(/^ERR_PAGEFRAME_/)
    }
  }
  expect(raw.length).toBe(1)
})

test('batch() wants a function', () => {
  const raw = new Channel(small)

  expect(
    thrownBy(() => {
      raw.batch(5 as unknown as () => void)
    }).code,
  ).toBe('ERR_PAGEFRAME_INVALID_ARGUMENT')
})

// ── after destroy() ───────────────────────────────────────────────────────────────────────────────────────────────

test('a channel that is destroyed while its value is being made gets nothing', () => {
  const channel = new Channel<unknown>({ ...small, of: json() })
  const deadly = {
    toJSON: () => {
      channel.destroy()
      return 'x'
    },
  }

  expect(thrownBy(() => { channel.send(deadly) }).code).toBe('ESTALE') // prettier-ignore
  isSound()
})

test('a loan and a message of a destroyed channel are ESTALE, and touch nothing of what took its place', () => {
  const old = new Channel(small)
  old.send(new Uint8Array(8))
  const message = old.read()
  const loan = old.loan(8)
  old.destroy()
  const heir = new Channel(small)
  heir.send(new Uint8Array([1, 2, 3]))

  expect(thrownBy(() => loan.bytes).code).toBe('ESTALE')
  expect(thrownBy(() => loan.byteOffset).code).toBe('ERR_PAGEFRAME_RELEASED') // it is over since it was refused
  loan[Symbol.dispose]()
  message?.[Symbol.dispose]()

  expect(heir.length).toBe(1)
  expect(heir.receive()).toEqual(new Uint8Array([1, 2, 3]))
  isSound()
})

test('commit() of a loan of a destroyed channel is ESTALE', () => {
  const old = new Channel(small)
  const loan = old.loan(8)
  old.destroy()
  const heir = new Channel(small)

  expect(thrownBy(() => { loan.commit() }).code).toBe('ESTALE') // prettier-ignore
  expect(heir.length).toBe(0)
  isSound()
})

test('a batch that destroys its channel publishes nothing into the next one', () => {
  const old = new Channel(small)
  old.batch(() => {
    old.send(new Uint8Array(8))
    old.destroy()
    new Channel(small).send(new Uint8Array(1))
  })

  isSound()
})

test('every call on a destroyed channel is ESTALE', async () => {
  const raw = new Channel(small)
  raw.send(new Uint8Array(1))
  raw.destroy()

  const calls = [
    () => {
      raw.send(new Uint8Array(1))
    },
    () => raw.trySend(new Uint8Array(1)),
    () => raw.loan(1),
    () => raw.tryLoan(1),
    () => raw.receive(),
    () => raw.tryReceive(),
    () => raw.read(),
    () => raw.tryRead(),
    () => {
      raw.close()
    },
    () => raw.closed,
    () => raw.length,
  ]
  expect(calls.map((call) => thrownBy(call).code)).toEqual(calls.map(() => 'ESTALE'))
  for (const pending of [
    raw.sendAsync(new Uint8Array(1)),
    raw.loanAsync(1),
    raw.receiveAsync(),
    raw.readAsync(),
  ]) {
    expect((await rejectionOf(pending)).code).toBe('ESTALE')
  }
})

test('whoever waits for a record by promise when the channel is destroyed is told, and gets none of the next one', async () => {
  const old = new Channel(small)
  const waiting = rejectionOf(old.receiveAsync({ timeoutMs: 5000 }))
  await new Promise((resolve) => setTimeout(resolve, 10))

  old.destroy()
  const heir = new Channel(small)
  heir.send(new Uint8Array([7]))

  expect((await waiting).code).toBe('ESTALE')
  expect(heir.receive()).toEqual(new Uint8Array([7]))
})

test('a getter is asked once what the channel carries, by new and by open', () => {
  let asked = 0
  const options = {
    ...small,
    get of() {
      asked++
      return json<number>()
    },
  }
  const made = new Channel(options)
  expect(asked).toBe(1)
  made.send(1)
  expect(made.receive()).toBe(1)

  const opened = Channel.open('asked once', options)
  expect(asked).toBe(2)
  opened.send(2)
  expect(opened.receive()).toBe(2)
})

test('options that need their own `this` are understood', () => {
  class Options {
    readonly #capacity = '8KiB'
    readonly from = 'one'
    readonly to = 'one'
    get capacity(): '8KiB' {
      return this.#capacity
    }
  }

  expect(() => new Channel(new Options())).not.toThrow()
})

test('options that are inherited count as well', () => {
  const inherited = Object.create({ ...small, of: json<number>() }) as Record<string, never>
  const made = new Channel(inherited)
  expect(() => {
    made.send(1 as never)
  }).not.toThrow()
})
