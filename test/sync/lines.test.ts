/** Many asynchronous waits of a thread stand in line behind the first of them: nobody can tell, but for the time it takes. */

import { beforeEach, expect, test } from 'vitest'
import type { Cpu } from '../../src/host/cpu.ts'
import type { Lot } from '../../src/sync/lot.ts'
import { BLOCKED, Bucket, LINED, TIMED_OUT, WAITING, WaitRecord } from '../../src/sync/wait-record.ts'
import { BUCKETS, BUCKETS_AT, lots } from './lots.ts'

const WHY = LINED | 9
const KEYS = [1000, 2000]

let cpu: Cpu
let all: Lot[]

beforeEach(() => {
  const { cpu: its, lotOf } = lots()
  cpu = its
  all = [0, 1, 2].map((index) => lotOf(index))
})

function locked<R>(key: number, work: (bucket: number) => R): R {
  const bucket = all[2].lockBucket(0, key)
  const result = work(bucket)
  all[2].unlockBucket(bucket)
  return result
}

function queue(lot: Lot, key: number, record: number): void {
  locked(key, (bucket) => {
    lot.enqueueLocked(bucket, record)
  })
}

function park(lot: Lot, key: number, why = WHY): number {
  const record = lot.allocRecord()
  lot.prepare(record, 0, key, why)
  queue(lot, key, record)
  return record
}

function wake(key: number, count: number): number[] {
  const woken: number[] = []
  locked(key, (bucket) => all[2].wakeLocked(bucket, 0, key, count, woken))
  return woken
}

/** How many records stand in the queues themselves. */
function queued(): number {
  let count = 0
  for (let bucket = BUCKETS_AT; bucket < BUCKETS_AT + BUCKETS * Bucket.sizeof; bucket += Bucket.sizeof) {
    for (let each = cpu.load(bucket + Bucket.head); each !== 0; each = cpu.load(each + WaitRecord.next))
      count++
  }
  return count
}

test('of many waits of a thread one is in the queue, and all are woken in their order', () => {
  const [lot, other] = all
  const records = [park(lot, 1000), park(lot, 1000), park(other, 1000), park(lot, 1000), park(other, 1000)]

  expect(queued()).toBe(2)
  expect(records.map((record) => lot.aheadOf(record))).toEqual([0, 1, 2, 3, 4])

  expect(wake(1000, 1)).toEqual([records[0], records[2]]) // one of each thread: either may be busy
  expect(wake(1000, 1)).toEqual([records[1], records[4]])
  expect(wake(1000, 1)).toEqual([records[3]])
  expect(queued()).toBe(0)
})

test('one that was woken in vain is first again, whatever has come meanwhile', () => {
  const [lot, other] = all
  const records = [0, 1, 2, 3].map(() => park(lot, 1000))
  const woken = [...wake(1000, 1), ...wake(1000, 1), ...wake(1000, 1)]
  const late = [park(other, 1000), park(lot, 1000)]
  for (const record of woken) queue(lot, 1000, record)

  expect([...records, ...late].map((record) => lot.aheadOf(record))).toEqual([0, 1, 2, 3, 4, 5])
  expect(wake(1000, Infinity)).toEqual([...records, ...late])
})

test('one that sleeps is woken, however many of a busy thread stand before it', () => {
  const [lot, other] = all
  const records = [0, 1, 2].map(() => park(lot, 1000))
  const asleep = other.ownRecord
  cpu.plainStore(asleep + WaitRecord.kind, BLOCKED)
  other.prepare(asleep, 0, 1000, WHY)
  queue(other, 1000, asleep)
  park(lot, 1000)

  expect(wake(1000, 1)).toEqual([records[0], asleep])
})

test('waits for other purposes stand in the queue, each for itself', () => {
  const records = [0, 1, 2].map(() => park(all[0], 1000, 9))

  expect(queued()).toBe(3)
  expect(wake(1000, 1)).toEqual([records[0]])
})

test.each([1, 2, 3, 4, 5, 6, 7, 8])('as one queue without lines, whatever is done: series %i', (series) => {
  const random = dice(series)
  // The clear version: for each key all that wait, in order. Those that were woken keep their place.
  const waits = KEYS.map((): { record: number; lot: Lot; place: number; isQueued: boolean }[] => [])
  let place = 0
  for (let step = 0; step < 400; step++) {
    const which = random(KEYS.length)
    const [key, row] = [KEYS[which], waits[which]]
    const [queuedHere, out] = [row.filter((each) => each.isQueued), row.filter((each) => !each.isQueued)]
    const what = random(5)
    if (what < 2 && waits.flat().length < 60) {
      const lot = all[random(2)]
      row.push({ record: park(lot, key), lot, place: place++, isQueued: true })
    } else if (what === 2) {
      const count = 1 + random(2)
      const counts = new Map<Lot, number>()
      const expected = queuedHere.filter(({ lot }) => {
        counts.set(lot, (counts.get(lot) ?? 0) + 1)
        return (counts.get(lot) ?? 0) <= count
      })
      expect(wake(key, count)).toEqual(expected.map(({ record }) => record))
      for (const each of expected) each.isQueued = false
    } else if (what === 3 && out.length > 0) {
      const back = out[random(out.length)]
      queue(back.lot, key, back.record)
      back.isQueued = true
    } else if (queuedHere.length > 0) {
      const late = queuedHere[random(queuedHere.length)]
      expect(late.lot.withdraw(late.record, TIMED_OUT)).toBe(TIMED_OUT)
      late.lot.freeRecord(late.record)
      row.splice(row.indexOf(late), 1)
    }
    for (const each of waits) {
      const here = each.filter(({ isQueued }) => isQueued).sort((one, other) => one.place - other.place)
      expect(here.map(({ record }) => cpu.load(record + WaitRecord.state))).toEqual(here.map(() => WAITING))
      expect(here.map(({ lot, record }) => lot.aheadOf(record))).toEqual(here.map((_, i) => i))
    }
    expect(queued()).toBeLessThanOrEqual(KEYS.length * 2)
  }
})

/** The same numbers each time: from 0 to below `sides`. */
function dice(seed: number): (sides: number) => number {
  let state = seed * 0x9e3779b1
  return (sides) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * sides)
  }
}
