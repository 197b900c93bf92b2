/**
 * A small memory for the models of lot, mutex and semaphore.
 *
 *   words   0                 bucketsAt   lock            chunk
 *          ┌─────────────────┬───────────┬───────┬───────┬──────────────────────────────┐
 *          │ slots, + reaper │ bucket(s) │ RawMutex or   │ asynchronous wait records    │
 *          │                 │           │ RawSemaphore  │ (one chunk for each thread)  │
 *          └─────────────────┴───────────┴───────────────┴──────────────────────────────┘
 *
 * One bucket: all keys meet in it, which is the hardest case but for records that move from key to key: two for those. The words that a bucket's lock protects are declared as notes:
 * only their holder touches them, so their order against other threads is not explored; each death in between is.
 */

import type { Cpu } from '../../src/host/cpu.ts'
import { Lot } from '../../src/sync/lot.ts'
import { ASYNC, Bucket, UNUSED, WaitRecord } from '../../src/sync/wait-record.ts'
import { RawMutex } from '../../src/sync/mutex.ts'
import type { Model, ModelThread, Snapshot } from '../../src/testing/model.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { alignUp } from '../../src/words/bits.ts'
import { PAGE_WORDS } from '../../src/words/constants.ts'

/** Ghost words. */
export const INSIDE = 0
export const SECTIONS = 1
export const NOTICES = 2

/** The records of a chunk that models use; the chunk's own words are the first. */
const TASKS = [1, 2, 3]

export interface SyncWorld {
  readonly bucketsAt: number
  readonly lockAt: number
  /** Words for a second thing that is waited for: in another bucket than the lock, if there are two. */
  readonly otherAt: number
  /** A word that nobody writes. */
  readonly scratch: number
  readonly base: Pick<Model, 'words' | 'notes' | 'hints' | 'label'>
  /** A thread's access; `more` gives the thread its chunk of asynchronous records. */
  lot(thread: ModelThread): Lot
  /** The asynchronous record that a task uses, 1, 2, ... */
  record(thread: Pick<ModelThread, 'index'>, task: number): number
  /** Before the start: gives a thread its chunk of asynchronous records, as more() would. */
  giveRecords(cpu: Pick<Cpu, 'store'>, index: number): void
  /** Whether none of a thread's tasks has left its record behind. */
  hasNoRecordLeft(state: Snapshot, index: number): boolean
  isQuiet(state: Snapshot): boolean
}

/** `crowd`: as in LotGeometry. */
export function syncWorld(threads: number, async = false, bucketCount = 1, crowd?: number): SyncWorld {
  const slots = threads + 1
  const bucketsAt = slots * ThreadSlot.sizeof
  const lockAt = bucketsAt + bucketCount * Bucket.sizeof
  const chunksAt = alignUp(lockAt + 32, PAGE_WORDS)
  const words = async ? chunksAt + slots * PAGE_WORDS : lockAt + 32
  const places = { bucketsAt, bucketCount, slotsAt: 0, slotCount: slots }
  const geometry = { ...places, more: () => 0, ...(crowd !== undefined && { crowd }) }

  const { state } = WaitRecord
  const lotAlone = new Lot({ cpu: undefined } as unknown as ModelThread, geometry)
  const bucketAt = (at: number) => lotAlone.bucketOf(0, at)
  // Where records move between buckets, their word `bucket` is read by whoever wants to lock the right one.
  const moving = bucketCount === 1 ? [] : ['bucket']
  let otherAt = lockAt + 8
  while (bucketCount > 1 && bucketAt(otherAt) === bucketAt(lockAt)) otherAt += 2
  const recordWords = new Set(
    Object.entries(WaitRecord).flatMap(([name, at]) =>
      ['sizeof', 'signature', 'state', ...moving].includes(name) ? [] : [at],
    ),
  )
  const isNote = (at: number) => {
    if (at >= bucketsAt && at < lockAt) return (at - bucketsAt) % Bucket.sizeof !== Bucket.lock
    if (at < bucketsAt) {
      const offset = at % ThreadSlot.sizeof
      const inRecord = offset - ThreadSlot.record
      return inRecord >= 0 && inRecord < WaitRecord.sizeof && recordWords.has(inRecord)
    }
    if (at >= chunksAt) return recordWords.has((at - chunksAt) % WaitRecord.sizeof)
    return at === lockAt + RawMutex.mode
  }

  const record = ({ index }: Pick<ModelThread, 'index'>, task: number) =>
    chunksAt + index * PAGE_WORDS + task * WaitRecord.sizeof

  return {
    bucketsAt,
    lockAt,
    otherAt,
    scratch: lockAt + 24,
    base: {
      words,
      notes: isNote,
      hints: (at) => at === lockAt + RawMutex.spins || at === lockAt + RawMutex.since,
      label: (at) => {
        if (at === lockAt) return 'lock'
        if (at >= bucketsAt && at < lockAt && (at - bucketsAt) % Bucket.sizeof === Bucket.lock)
          return bucketCount === 1 ? 'bucket.lock' : `bucket${(at - bucketsAt) / Bucket.sizeof}.lock`
        if (at < bucketsAt) {
          const offset = at % ThreadSlot.sizeof
          const slot = Math.floor(at / ThreadSlot.sizeof)
          if (offset === ThreadSlot.park) return `park${slot}`
          if (offset === ThreadSlot.bell) return `bell${slot}`
          if (offset === ThreadSlot.record + state) return `record${slot}`
        }
        return undefined
      },
    },
    lot: (thread) => new Lot(thread, geometry),
    record,
    giveRecords: (cpu, index) => {
      cpu.store(index * ThreadSlot.sizeof + ThreadSlot.records, record({ index }, 0))
      for (const task of TASKS) cpu.store(record({ index }, task) + WaitRecord.kind, ASYNC)
    },
    hasNoRecordLeft: ({ cpu }, index) =>
      !async || TASKS.every((task) => cpu.load(record({ index }, task) + state) === UNUSED),
    isQuiet: ({ cpu }) => {
      for (let slot = 0; slot < bucketsAt; slot += ThreadSlot.sizeof) {
        if (cpu.load(slot + ThreadSlot.record + state) !== 0) return false
      }
      for (let bucket = bucketsAt; bucket < lockAt; bucket += Bucket.sizeof) {
        if (cpu.load(bucket + Bucket.lock) !== 0) return false
      }
      return true
    },
  }
}
