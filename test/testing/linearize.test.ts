/** linearize() on histories that are written down here, and what a HistoryLog keeps. */

import { HistoryLog, linearize, type HistoryCall, type SequentialModel } from 'pageframe/testing'
import { describe, expect, test } from 'vitest'
import { thrownBy } from '../support.ts'

type Call = readonly ['read'] | readonly ['write', number]

const register: SequentialModel<number, Call, number> = {
  initial: 0,
  step: (state, call, result, isOpen) => {
    if (call[0] === 'write') return [call[1]]
    return isOpen || result === state ? [state] : []
  },
}

const made = (
  thread: number,
  call: Call,
  begin: number,
  end?: number,
  result?: number,
): HistoryCall<Call, number> => ({ thread, call, begin, end, result })
const write = (thread: number, value: number, begin: number, end?: number) =>
  made(thread, ['write', value], begin, end, 0)
const read = (thread: number, result: number, begin: number, end?: number) =>
  made(thread, ['read'], begin, end, result)

describe('a register', () => {
  test('calls that overlap may come in any order', () => {
    const history = [write(0, 1, 1, 4), read(1, 0, 2, 3), read(0, 1, 5, 6)]

    expect(linearize(history, register)).toEqual({ ok: true, order: [1, 0, 2], message: '' })
  })

  test('a read that ends before a write begins has not seen it', () => {
    const { ok, order, message } = linearize([read(1, 1, 1, 2), write(0, 1, 3, 4)], register)

    expect({ ok, order }).toEqual({ ok: false, order: [] })
    expect(message).toContain('thread 1: ["read"] = 1')
  })

  test('nobody reads an old value behind a new one', () => {
    const history = [write(0, 1, 1, 10), read(1, 1, 2, 3), read(2, 0, 4, 5)]

    expect(linearize(history, register).ok).toBe(false)
  })

  test('a write that never returned may have happened, or not, or late', () => {
    const dead = write(0, 1, 1)

    expect(linearize([dead, read(1, 0, 2, 3)], register).ok).toBe(true)
    expect(linearize([dead, read(1, 1, 2, 3)], register).ok).toBe(true)
    expect(linearize([dead, read(1, 0, 2, 3), read(1, 1, 4, 5)], register).ok).toBe(true)
    expect(linearize([dead, read(1, 1, 2, 3), read(1, 0, 4, 5)], register).ok).toBe(false)
  })

  test('a long history with much overlap takes no long time', () => {
    const history = Array.from({ length: 40 }, (_, i) => write(i % 4, i, 1 + i, 8 + i)).concat(
      read(5, 39, 100, 101),
    )

    expect(linearize(history, register).ok).toBe(true)
  })

  test('what is no history is refused', () => {
    expect(thrownBy(() => linearize([read(0, 0, 5, 4)], register))).toMatchObject({
      code: 'ERR_PAGEFRAME_INVALID_ARGUMENT',
      message: expect.stringContaining('history[0] must be a call that ends after it begins') as string,
    })
    expect(thrownBy(() => linearize(new Array(1), register)).message).toContain('history[0] must be')
    expect(thrownBy(() => linearize([], {} as typeof register)).message).toContain('model.step')
  })
})

describe('a log', () => {
  test('keeps calls, those that never returned too, for whoever has its words', () => {
    const log = new HistoryLog(3)
    const other = new HistoryLog(log.words)

    const first = log.begin(0, 7, 70)
    other.record(1, 8, 80, () => 81)
    log.end(first, 71)
    other.begin(1, 9)

    expect(log.calls()).toEqual([
      { thread: 0, call: [7, 70], begin: 1, end: 4, result: 71 },
      { thread: 1, call: [8, 80], begin: 2, end: 3, result: 81 },
      { thread: 1, call: [9, 0], begin: 5, end: undefined, result: undefined },
    ])
  })

  test('that is full says so, and one that is no log is refused', () => {
    const log = new HistoryLog(1)
    log.begin(0, 1)

    expect(thrownBy(() => log.begin(0, 1))).toMatchObject({ code: 'ERR_PAGEFRAME_LOG_FULL' })
    expect(thrownBy(() => new HistoryLog(0))).toMatchObject({ code: 'ERR_PAGEFRAME_OUT_OF_RANGE' })
    expect(thrownBy(() => new HistoryLog(new Int32Array(4) as never))).toMatchObject({
      code: 'ERR_PAGEFRAME_INVALID_ARGUMENT',
    })
    log.clear()
    expect(log.calls()).toEqual([])
  })
})
