/** Waits that move from key to key, and records that are used again at once. In one process. */

import { beforeEach, describe, expect, test } from 'vitest'
import type { Cpu } from '../../src/host/cpu.ts'
import { FUTEX_PURPOSE, futexRequeue, futexWake } from '../../src/sync/futex.ts'
import type { Lot } from '../../src/sync/lot.ts'
import { repairSync } from '../../src/sync/repair.ts'
import { ABORTED, ANY, Bucket, WAITING, WaitRecord, WOKEN } from '../../src/sync/wait-record.ts'
import { BUCKETS, BUCKETS_AT, lots, type Lots } from './lots.ts'

const { state } = WaitRecord

let cpu: Cpu
let lotOf: Lots['lotOf']

beforeEach(() => {
  ;({ cpu, lotOf } = lots())
})

function park(lot: Lot, key: number, record = lot.allocRecord()): number {
  lot.prepare(record, 0, key, FUTEX_PURPOSE)
  cpu.plainStore(record + WaitRecord.bitset, ANY)
  const bucket = lot.lockBucket(0, key)
  lot.enqueueLocked(bucket, record)
  lot.unlockBucket(bucket)
  return record
}

/** Two keys whose waits queue in different buckets. */
function twoKeys(lot: Lot): [number, number] {
  let other = 1001
  while (lot.bucketOf(0, other) === lot.bucketOf(0, 1000)) other++
  return [1000, other]
}

const keyOf = (key1: number) => ({ key0: 0, key1 })

describe('moves', () => {
  test('what is moved queues behind those who wait there, in its order', () => {
    const lot = lotOf(0)
    const [from, to] = twoKeys(lot)
    const there = park(lot, to)
    const records = [0, 1, 2].map(() => park(lot, from))

    expect(futexRequeue(lot, keyOf(from), keyOf(to), 1, 1)).toBe(2)

    expect([there, ...records].map((record) => lot.stateOf(record))).toEqual([
      WAITING,
      WOKEN,
      WAITING,
      WAITING,
    ])
    expect(futexWake(lot, 0, to, 1)).toBe(1)
    expect(lot.stateOf(there)).toBe(WOKEN)
    expect(futexWake(lot, 0, to, 9)).toBe(1)
    expect(lot.stateOf(records[1])).toBe(WOKEN)
    expect(futexWake(lot, 0, from, 9)).toBe(1)
  })

  test('a moved wait is withdrawn where it is', () => {
    const lot = lotOf(0)
    const [from, to] = twoKeys(lot)
    const record = park(lot, from)
    const other = park(lot, from)
    futexRequeue(lot, keyOf(from), keyOf(to), 0, 1)

    expect(lot.withdraw(record, ABORTED)).toBe(ABORTED)

    expect(futexWake(lot, 0, to, 9)).toBe(0)
    expect(futexWake(lot, 0, from, 9)).toBe(1)
    expect(lot.stateOf(other)).toBe(WOKEN)
  })

  test('whoever dies while it moves waits has both buckets: all in both look again', () => {
    const [lot, reaper] = [lotOf(0), lotOf(2)]
    const [from, to] = twoKeys(lot)
    const records = [park(lot, from), park(lot, from), park(lot, to)]
    // The dead stops in the middle of its second move: at some store to a record or a bucket.
    for (let stores = 1; stores <= 12; stores++) {
      let left = stores
      const dying = lotOf(
        1,
        dyingAfter(() => left-- > 0),
      )
      expect(() => futexRequeue(dying, keyOf(from), keyOf(to), 0, 2)).toThrow('dies')

      repairSync(reaper, dying.thread.tid)

      expect(records.map((record) => lot.stateOf(record))).toEqual([WOKEN, WOKEN, WOKEN])
      for (let i = 0; i < BUCKETS; i++) expect(cpu.load(BUCKETS_AT + i * Bucket.sizeof + Bucket.lock)).toBe(0)
      park(lot, from, records[0])
      park(lot, from, records[1])
      park(lot, to, records[2])
    }
    expect(futexWake(lot, 0, from, 9) + futexWake(lot, 0, to, 9)).toBe(3)
  })
})

function dyingAfter(lives: () => boolean): Cpu {
  return new Proxy(cpu, {
    get(target, name) {
      if (name !== 'plainStore') return Reflect.get(target, name) as unknown
      return (at: number, value: number) => {
        if (!lives()) throw new Error('dies')
        target.plainStore(at, value)
      }
    },
  })
}

test('a record that was woken may queue elsewhere before its waker is through', () => {
  const waiter = lotOf(0)
  const [first, second] = twoKeys(waiter)
  const record = park(waiter, first)
  const behind = park(waiter, first)
  const elsewhere = park(waiter, second)
  // In the very instruction that wakes it, its owner goes on and waits for something else.
  const hasty: Cpu = new Proxy(cpu, {
    get(target, name) {
      if (name !== 'compareExchange') return Reflect.get(target, name) as unknown
      return (at: number, expected: number, value: number) => {
        const seen = target.compareExchange(at, expected, value)
        if (at === record + state && value === WOKEN && seen === expected) park(waiter, second, record)
        return seen
      }
    },
  })

  futexWake(lotOf(1, hasty), 0, first, 1)

  expect(waiter.stateOf(record)).toBe(WAITING)
  expect(waiter.withdraw(record, ABORTED)).toBe(ABORTED)
  expect(futexWake(waiter, 0, second, 9)).toBe(1)
  expect(waiter.stateOf(elsewhere)).toBe(WOKEN)
  expect(futexWake(waiter, 0, first, 9)).toBe(1)
  expect(waiter.stateOf(behind)).toBe(WOKEN)
})
