/** The lot with keys of two words, which floors above use for what is not a word of a bare memory. In one process. */

import { beforeEach, expect, test } from 'vitest'
import type { Cpu } from '../../src/host/cpu.ts'
import type { Lot } from '../../src/sync/lot.ts'
import { Bucket, UNUSED, WAITING, WOKEN } from '../../src/sync/wait-record.ts'
import { repairSync } from '../../src/sync/repair.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { lots, type Lots } from './lots.ts'

const WHY = 99

let cpu: Cpu
let rung: Lots['rung']
let lotOf: Lots['lotOf']

beforeEach(() => {
  ;({ cpu, rung, lotOf } = lots())
})

function park(lot: Lot, first: number, second: number): number {
  const record = lot.allocRecord()
  lot.prepare(record, first, second, WHY)
  const bucket = lot.lockBucket(first, second)
  lot.enqueueLocked(bucket, record)
  lot.unlockBucket(bucket)
  return record
}

function wake(lot: Lot, first: number, second: number, count: number): number[] {
  const woken: number[] = []
  const bucket = lot.lockBucket(first, second)
  lot.wakeLocked(bucket, first, second, count, woken)
  lot.unlockBucket(bucket)
  lot.ring(woken)
  return woken
}

test('a waiter is woken under both words of its key, and under no other pair', () => {
  const [waiter, waker] = [lotOf(0), lotOf(1)]
  const record = park(waiter, 7, 1000)

  expect([...wake(waker, 7, 1001, 9), ...wake(waker, 8, 1000, 9), ...wake(waker, 0, 1000, 9), ...wake(waker, 1000, 7, 9)]).toEqual([])
  expect(waiter.stateOf(record)).toBe(WAITING)
  expect(wake(waker, 7, 1000, 9)).toEqual([record])

  expect(waiter.stateOf(record)).toBe(WOKEN)
}) // prettier-ignore

test('any two int32 words are a key, negative ones too', () => {
  const [waiter, waker] = [lotOf(0), lotOf(1)]
  const keys = [[0, 1], [1, 0], [-1, -1], [0x7fffffff, -0x80000000], [-0x80000000, 0x7fffffff], [12345, 0]] as const
  const records = keys.map(([first, second]) => park(waiter, first, second))

  keys.forEach(([first, second], i) => { expect(wake(waker, first, second, 9)).toEqual([records[i]]) })
}) // prettier-ignore

test('waiters of one key are woken in the order in which they came, those of others stay', () => {
  const waker = lotOf(3)
  const waiters = [0, 1, 2].map((index) => lotOf(index))
  const mine = waiters.map((lot) => park(lot, 5, 6))
  const others = waiters.map((lot) => park(lot, 6, 5))

  // Asynchronous waiters may be busy: those on the way are woken too, one of each thread, and do not count.
  expect(wake(waker, 5, 6, 1)).toEqual(mine)
  expect(wake(waker, 5, 6, 9)).toEqual([])
  expect(others.map((record) => waker.stateOf(record))).toEqual([WAITING, WAITING, WAITING])
})

test('waking rings the bell of the thread that waits', () => {
  const [waiter, waker] = [lotOf(0), lotOf(1)]
  park(waiter, 3, 4)
  cpu.store(waiter.thread.at + ThreadSlot.bell, 1)

  wake(waker, 3, 4, 1)

  expect(rung).toEqual([waiter.thread.at + ThreadSlot.bell])
})

test('the waits of a dead thread are withdrawn, whatever their key and purpose, and its records forgotten', () => {
  const [waiter, other, reaper] = [lotOf(0), lotOf(1), lotOf(2)]
  const record = park(waiter, 3, 4)
  const alive = park(other, 3, 4)

  repairSync(reaper, waiter.thread.tid)

  expect(reaper.stateOf(record)).toBe(UNUSED)
  expect(cpu.load(waiter.thread.at + ThreadSlot.records)).toBe(0)
  expect(wake(reaper, 3, 4, 9)).toEqual([alive])
})

test('a bucket that a dead thread had locked is opened, and its waiters look again', () => {
  const [waiter, dead, reaper] = [lotOf(0), lotOf(1), lotOf(2)]
  const record = park(waiter, 3, 4)
  const bucket = dead.lockBucket(3, 4)

  repairSync(reaper, dead.thread.tid)

  expect(waiter.stateOf(record)).toBe(WOKEN)
  expect(cpu.load(bucket + Bucket.lock)).toBe(0)
})
