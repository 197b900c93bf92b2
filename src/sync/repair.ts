/**
 * After a death: what the reaper does about a dead thread's waits, in steps that may be repeated.
 *
 *   1  buckets that it had locked     the queue may be torn: thrown away, everyone in it woken (they queue again)
 *   2  what it reads                  its entries are cleared (readers.ts); the kinds' steps wake those who waited for them
 *   3  its wait records               WAITING: withdrawn. WOKEN: the wake-up goes to the next. HANDED: given back
 *   4  every doorbell                 it may have woken a record and not yet rung
 *
 * The locks that it held are found by their words, which hold its id: whoever knows where locks lie calls releaseDead()
 * for each (the kinds' steps of the reaper). After step 1, since that locks buckets.
 *
 * Every step looks at the truth and not at what a former try has done, so a reaper that is interrupted begins again. A
 * reaper that must not block has a Thread whose awaitChange() throws; nothing is held at that point, and it comes back.
 *
 * See: torvalds/linux kernel/futex/core.c, handle_futex_death(), for the lost wake-ups that 3 prevents.
 */

import { ThreadSlot, slotOf } from '../threads/slot.ts'
import type { Lot } from './lot.ts'
import {
  ABORTED,
  Bucket,
  CONDITION_PURPOSE,
  ENDED,
  HANDED,
  TIMED_OUT,
  UNUSED,
  WAITING,
  WOKEN,
  WaitRecord,
} from './wait-record.ts'
import { BARRIER_PURPOSE, barrierWait } from './barrier.ts'
import { EVENT_PURPOSE, eventWait } from './event.ts'
import { LATCH_PURPOSE, latchWait } from './latch.ts'
import { conditionWaitable } from './condition.ts'
import { FUTEX_PURPOSE, passOnFutexWake } from './futex.ts'
import { MUTEX_PURPOSE, mutexWait } from './mutex.ts'
import { forgetReads, hasRead } from './readers.ts'
import { finishLeaving } from './rwlock.ts'
import { readWait, writeWait } from './rwlock-tries.ts'
import { RWLOCK_READ_PURPOSE, RWLOCK_WRITE_PURPOSE } from './rwlock-word.ts'
import { EPOCH_PURPOSE, graceWait } from './epoch.ts'
import { evenWait, SEQLOCK_PURPOSE } from './seqlock.ts'
import { SEMAPHORE_PURPOSE, semaphoreWait } from './semaphore.ts'
import type { Waitable } from './wait.ts'

const { lock, head, tail } = Bucket
const { state, key0, key1, bucket: inBucket, purpose, other } = WaitRecord

const waitables = new Map<number, Waitable>([
  [MUTEX_PURPOSE, mutexWait],
  [SEMAPHORE_PURPOSE, semaphoreWait],
  [CONDITION_PURPOSE, conditionWaitable],
  [BARRIER_PURPOSE, barrierWait],
  [LATCH_PURPOSE, latchWait],
  [SEQLOCK_PURPOSE, evenWait],
  [EPOCH_PURPOSE, graceWait(0)],
  [RWLOCK_READ_PURPOSE, readWait],
  [RWLOCK_WRITE_PURPOSE, writeWait],
  [EVENT_PURPOSE, eventWait],
])

/** Whether the thread was destroying what lies at a word when it died: who waits there must not look again. */
export type IsEnding = (word: number) => boolean

/** Runs work while nobody destroys anything: what a record was woken for must not become something else under the reaper. */
export type Exclusively = (work: () => void) => void

/** All steps. `dead` is a thread id whose slot is REAPING. */
export function repairSync(
  lot: Lot,
  dead: number,
  isEnding: IsEnding = () => false,
  exclusively: Exclusively = (work) => {
    work()
  },
): void {
  takeOverBuckets(lot, dead, isEnding)
  if (hasRead(lot, dead)) {
    forgetReads(lot, dead)
    finishLeaving(lot, dead)
  }
  exclusively(() => {
    withdrawRecords(lot, dead)
  })
  lot.ringEverybody()
}

export function takeOverBuckets(lot: Lot, dead: number, isEnding: IsEnding = () => false): void {
  const { cpu, geometry } = lot
  const end = geometry.bucketsAt + geometry.bucketCount * Bucket.sizeof
  for (let bucket = geometry.bucketsAt; bucket < end; bucket += Bucket.sizeof) {
    if (cpu.load(bucket + lock) !== dead) continue
    cpu.store(bucket + lock, lot.thread.tid) // nobody else may change a dead thread's lock
    wakeBucket(lot, bucket, isEnding)
    lot.unlockBucket(bucket)
  }
}

/**
 * Empties a bucket whose queue may be torn, by waking every record in it. Its lock is held, so a record that says it is in
 * this bucket stays so; what the others say may change under our eyes, and does not matter.
 */
function wakeBucket(lot: Lot, bucket: number, isEnding: IsEnding): void {
  const { cpu } = lot
  const { slotsAt, slotCount } = lot.geometry
  cpu.plainStore(bucket + head, 0)
  cpu.plainStore(bucket + tail, 0)
  for (let index = 0; index < slotCount; index++) {
    for (const record of lot.recordsOf(slotsAt + index * ThreadSlot.sizeof)) {
      // The state first: in any other, the word `bucket` is of a wait that is over, and may change.
      const seen = cpu.load(record + state)
      if (seen !== WAITING && seen !== TIMED_OUT && seen !== ABORTED) continue
      if (cpu.plainLoad(record + inBucket) !== bucket) continue
      const why = cpu.plainLoad(record + key0) === 0 && isEnding(cpu.plainLoad(record + key1)) ? ENDED : WOKEN
      // An owner that was first waits for the bucket's lock, to take out what is in no queue any more.
      if (cpu.compareExchange(record + state, WAITING, why) !== WAITING) cpu.plainStore(record + inBucket, 0)
    }
  }
}

export function withdrawRecords(lot: Lot, dead: number): void {
  const { cpu } = lot
  for (const record of lot.recordsOf(slotOf(lot.geometry.slotsAt, dead))) {
    if (cpu.load(record + state) === UNUSED) continue
    const seen = cpu.compareExchange(record + state, WAITING, ABORTED)
    const ended = seen === WAITING ? ABORTED : seen
    if (ended !== WOKEN && ended !== HANDED) lot.unlink(record) // also one that the dead had timed out, and not yet unlinked
    const why = cpu.plainLoad(record + purpose)
    const what = waitables.get(why)
    const at = cpu.plainLoad(record + key1)
    const second = cpu.plainLoad(record + other)
    if (lot.isVoid(record)) {
      // What it was woken for has been taken apart: something else may lie there by now.
    } else if (ended === HANDED) giveBack(what, lot, at, dead)
    else if (ended === WOKEN && why === FUTEX_PURPOSE) passOnFutexWake(lot, record)
    else if (ended === WOKEN) what?.passOn(lot, at)
    else if (ended !== ENDED) what?.withdrawn?.(lot, at)
    // A notified waiter of a condition: it queues for the mutex, or was woken to ask for it (condition.ts).
    if (second !== 0 && why === MUTEX_PURPOSE) conditionWaitable.passOn(lot, second)
    else if (second !== 0 && ended === WOKEN) mutexWait.passOn(lot, second)
    cpu.store(record + state, UNUSED)
  }
  // The chunks are frames that are freed soon: nobody may take what comes to lie in them for records of this slot.
  cpu.store(slotOf(lot.geometry.slotsAt, dead) + ThreadSlot.records, 0)
}

function giveBack(what: Waitable | undefined, lot: Lot, at: number, dead: number): void {
  if (what?.giveBack !== undefined) what.giveBack(lot, at, dead)
  else what?.passOn(lot, at)
}
