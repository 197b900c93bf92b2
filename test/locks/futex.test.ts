/** Futexes through the public face: on words of a Region, between threads. */

import { futex, SharedMemory, type FutexWords } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { Actor, eventually, pause, rejectionOf, thrownBy } from '../support.ts'

function words(count = 8): { region: object & { destroy(): void }; view: Int32Array<SharedArrayBuffer> } {
  const region = SharedMemory.default.alloc(count * 4)
  return { region, view: region.as(Int32Array) }
}

describe('wait and wake', () => {
  test('a word that holds something else is not waited for', async () => {
    const { view } = words()
    view[1] = 7

    expect(futex.wait(view, 1, 6, { timeoutMs: 1000 })).toBe(false)
    expect(await futex.waitAsync(view, 1, 6)).toBe(false)
    expect(futex.wake(view, 1)).toBe(0)
    view[2] = -1
    expect(futex.wait(view, 2, 0xfffffffe)).toBe(false)
    expect(thrownBy(() => futex.wait(view, 2, 0xffffffff, { timeoutMs: 1 })).code).toBe('ETIMEDOUT')
  })

  test('wakes as many as it says, in order, sleeping threads and asynchronous waits alike', async () => {
    const { region, view } = words()
    const order: string[] = []
    const first = futex.waitAsync(view, 0, 0).then(() => order.push('first'))
    const actor = await Actor.start()
    const second = actor
      .run(({ futex, Region, tell }, handle) => {
        const there = Region.from(handle).as(Int32Array)
        tell('waits')
        return futex.wait(there, 0, 0, { timeoutMs: 9000 })
      }, region as object)
      .then((was) => order.push(`second ${was}`))
    await actor.told('waits')
    await pause(50)
    const third = futex.waitAsync(view, 0, 0).then(() => order.push('third'))

    expect(futex.wake(view, 0)).toBe(1)
    await first
    expect(futex.wake(view, 0)).toBe(1)
    await second
    expect(order).toEqual(['first', 'second true'])
    expect(futex.wake(view, 0, Infinity)).toBe(1)
    await third
    expect(futex.wake(view, 0, 0)).toBe(0)
    expect(SharedMemory.default.check().problems).toEqual([])
  })

  test('meets by bits', async () => {
    const { view } = words()
    const woken: number[] = []
    const waits = [1, 2, 3].map((bitset) =>
      futex.waitAsync(view, 0, 0, { bitset }).then(() => woken.push(bitset)),
    )

    expect(futex.wake(view, 0, 5, { bitset: 4 })).toBe(0)
    expect(futex.wake(view, 0, 5, { bitset: 2 })).toBe(2)
    await Promise.all([waits[1], waits[2]])
    expect(futex.wake(view, 0, 5)).toBe(1)
    await Promise.all(waits)
    expect(woken).toEqual([2, 3, 1])
    expect(thrownBy(() => futex.wake(view, 0, 1, { bitset: 0 })).code).toBe('ERR_PAGEFRAME_INVALID_ARGUMENT')
  })

  test('a view from another offset is the same futex', async () => {
    const { view } = words()
    const tail = new Uint32Array(view.buffer, view.byteOffset + 8, 2)
    const waiting = futex.waitAsync(view, 3, 0)

    expect(futex.wake(tail, 1)).toBe(1)
    expect(await waiting).toBe(true)
  })

  test('ends by its time, by a signal, and with the Region', async () => {
    const { region, view } = words(2048)
    const error = thrownBy(() => futex.wait(view, 0, 0, { timeoutMs: 5 }))
    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'wait' })
    expect(error.message).toBe(`ETIMEDOUT: the futex at byte ${view.byteOffset}: not woken in 5 ms`)
    expect(await rejectionOf(futex.waitAsync(view, 0, 0, { timeoutMs: 5 }))).toMatchObject({
      code: 'ETIMEDOUT',
    })
    const controller = new AbortController()
    const aborted = rejectionOf(futex.waitAsync(view, 0, 0, { signal: controller.signal }))
    controller.abort('enough')
    expect(await aborted).toBe('enough')
    expect(futex.wake(view, 0, Infinity)).toBe(0)

    const ended = rejectionOf(futex.waitAsync(view, 2047, 0))
    region.destroy()
    expect(await ended).toMatchObject({ code: 'ESTALE' })
  })
})

describe('requeue, wakeOp, waitv', () => {
  test('requeue wakes some and moves the others, behind those who wait there', async () => {
    const { view } = words()
    const order: number[] = []
    const waits = [0, 1, 2, 3].map((number) =>
      futex.waitAsync(view, number === 0 ? 4 : 0, 0).then(() => order.push(number)),
    )

    expect(thrownBy(() => futex.requeue(view, 0, view, 4, { expected: 5 })).code).toBe('EAGAIN')
    expect(futex.requeue(view, 0, view, 4, { wake: 1, requeue: 1, expected: 0 })).toBe(2)
    await waits[1]
    expect(futex.wake(view, 0, Infinity)).toBe(1)
    await waits[3]
    expect(futex.wake(view, 4, 1)).toBe(1)
    await waits[0]
    expect(futex.wake(view, 4, 9)).toBe(1)
    await waits[2]
    expect(order).toEqual([1, 3, 0, 2])
  })

  test('a moved wait times out and is gone from where it was moved to', async () => {
    const { view } = words()
    const waiting = rejectionOf(futex.waitAsync(view, 0, 0, { timeoutMs: 30 }))

    expect(futex.requeue(view, 0, view, 4, { wake: 0 })).toBe(1)

    expect(await waiting).toMatchObject({ code: 'ETIMEDOUT' })
    expect(futex.wake(view, 4, Infinity)).toBe(0)
  })

  test.each([
    ['set', 5, 9, 5],
    ['add', -2, 9, 7],
    ['or', 6, 9, 15],
    ['andn', 1, 9, 8],
    ['xor', 3, 9, 10],
  ] as const)('wakeOp %s %i makes of %i %i', async (op, operand, before, now) => {
    const { view } = words()
    view[1] = before
    const one = futex.waitAsync(view, 0, 0)
    const two = futex.waitAsync(view, 1, before)

    expect(futex.wakeOp(view, 0, view, 1, { op, operand, compare: 'eq', value: before })).toBe(2)

    expect(view[1]).toBe(now)
    expect(await one).toBe(true)
    expect(await two).toBe(true)
  })

  test.each([
    ['eq', 1, 0], ['ne', 2, 1], ['lt', 0, 0], ['lt', 1, 0], ['lt', 2, 1],
    ['le', 1, 1], ['gt', 0, 1], ['gt', 1, 0], ['ge', 1, 1], ['ge', 2, 0],
  ] as const)('wakeOp: 1 %s %i wakes %i of the second word', async (compare, value, woken) => {
    const { view } = words()
    view[1] = 1
    const waiting = futex.waitAsync(view, 1, 1)

    expect(futex.wakeOp(view, 0, view, 1, { op: 'add', operand: 0, compare, value })).toBe(compare === 'eq' ? 1 : woken)
    futex.wake(view, 1)
    expect(await waiting).toBe(true)
  }) // prettier-ignore

  test('waitv ends with one of its words', async () => {
    const { region, view } = words()
    const actor = await Actor.start()
    const there = () =>
      actor.run(({ futex, Region, tell }, handle) => {
        const words = Region.from(handle).as(Int32Array)
        tell('waits')
        return futex.waitv(
          [0, 1, 2].map((index) => ({ words, index, expected: 0 })),
          { timeoutMs: 9000 },
        )
      }, region)
    const first = there()
    await actor.told('waits')
    await eventually(() => futex.wake(view, 1) === 1, 'a waiter')
    expect(await first).toBe(1)

    view[2] = 1
    expect(futex.waitv([0, 2].map((index) => ({ words: view, index, expected: 0 })))).toBeUndefined()
    view[2] = 0
    const error = thrownBy(() => futex.waitv([{ words: view, index: 2, expected: 0 }], { timeoutMs: 5 }))
    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'waitv' })
    expect(futex.wake(view, 0, Infinity)).toBe(0)
    const many = Array.from({ length: 128 }, () => ({ words: view, index: 3, expected: 0 }))
    expect(thrownBy(() => futex.waitv(many, { timeoutMs: 1 })).code).toBe('ETIMEDOUT')
    expect(thrownBy(() => futex.waitv([...many, many[0]])).code).toBe('ERR_PAGEFRAME_OUT_OF_RANGE')
    expect(thrownBy(() => futex.waitv([])).code).toBe('ERR_PAGEFRAME_OUT_OF_RANGE')
    for (const list of [new Array(1), [undefined], [many[0], null]]) {
      const refused = thrownBy(() => futex.waitv(list as never, { timeoutMs: 1 }))
      expect(refused).toMatchObject({ name: 'TypeError', code: 'ERR_PAGEFRAME_INVALID_ARGUMENT' })
      expect(refused.message).toMatch(/^futex\.waitv\(\): waiters\[[01]\] must be an object/)
    }
    expect(SharedMemory.default.check().problems).toEqual([])
  })
})

describe('what is refused', () => {
  const { view } = words()

  test.each([
    ['an ordinary array', [0, 0]],
    ['bytes', new Uint8Array(view.buffer, view.byteOffset, 8)],
    ['words of another buffer', new Int32Array(new SharedArrayBuffer(16))],
    ['nothing', undefined],
  ])('%s', (_what, not) => {
    expect(thrownBy(() => futex.wake(not as FutexWords, 0)).code).toBe('ERR_PAGEFRAME_INVALID_ARGUMENT')
  })

  test.each([-1, 8, 0.5, '0', undefined])('index %s', (index) => {
    expect(thrownBy(() => futex.wait(view, index as number, 0)).code).toMatch(/^ERR_PAGEFRAME_/)
  })

  test.each([2 ** 32, -(2 ** 31) - 1, 0.5, '0', undefined])('expected %s', (expected) => {
    expect(thrownBy(() => futex.wait(view, 0, expected as number)).code).toMatch(/^ERR_PAGEFRAME_/)
  })
})

test('a woken thread that dies before it goes on leaves the wake-up to the next', async () => {
  const { region, view } = words()
  const crew = await Actor.crew(2)
  const waits = []
  for (const actor of crew) {
    const waiting = actor.run(({ futex, Region, tell }, handle) => {
      const there = Region.from(handle).as(Int32Array)
      tell('waits')
      return futex.wait(there, 0, 0, { timeoutMs: 9000 })
    }, region)
    waiting.catch(() => undefined)
    waits.push(waiting)
    await actor.told('waits')
    await pause(50)
  }
  const dying = crew[0].end()

  expect(futex.wake(view, 0)).toBe(1)
  await dying

  // It had gone on, or it had not: then it is the other's. One more wake-up finds the other in the first case only.
  await pause(50)
  futex.wake(view, 0)
  expect(await waits[1]).toBe(true)
  expect(SharedMemory.default.check().problems).toEqual([])
})
