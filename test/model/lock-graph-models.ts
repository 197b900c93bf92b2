/**
 * A small memory for the models of who waits for whom, with up to three mutexes that are objects.
 *
 *   words   0            slotsAt           bucketsAt    objectsAt        ledgersAt        copyAt
 *          ┌────────────┬─────────────────┬────────────┬────────────────┬────────────────┬──────────────────────┐
 *          │ Superblock │ slots, + reaper │ 2 buckets  │ slab of Mutex  │ chunk a thread │ copy of all before   │
 *          └────────────┴─────────────────┴────────────┴────────────────┴────────────────┴──────────────────────┘
 *
 * Who looks reads much that nobody changes: states of 256 slots, names, the tables of frames and slabs, entries of a ledger
 * that were never used. That is answered without a step of the model (`lookout`), or there would be hundreds for each.
 *
 * The copy is made in one step: what it says was so at one moment.
 */

// The kinds that those who look know.
import '../../src/locks/diagnostics/index.ts'

import { Frame, runFlags, SLAB } from '../../src/frames/frame.ts'
import { SlabCache } from '../../src/frames/slab-table.ts'
import type { Cpu } from '../../src/host/cpu.ts'
import { BLOCKED, LedgerEntry } from '../../src/locks/diagnostics/ledger.ts'
import { MutexObject } from '../../src/locks/mutex-kind.ts'
import type { Attachment } from '../../src/memory/attachment.ts'
import { Superblock } from '../../src/memory/superblock.ts'
import { Lot } from '../../src/sync/lot.ts'
import { OWNER_MASK, RawMutex, releaseDead } from '../../src/sync/mutex.ts'
import { repairSync } from '../../src/sync/repair.ts'
import { Bucket, WaitRecord } from '../../src/sync/wait-record.ts'
import type { Model, ModelThread, ReaperOperation } from '../../src/testing/model.ts'
import { RUNNING, SLOT_COUNT, slotIndexOf, slotOf, ThreadSlot, tidOf } from '../../src/threads/slot.ts'
import { PAGE_WORDS } from '../../src/words/constants.ts'

const MUTEXES = 3
const BUCKETS = 2
const CHUNK_WORDS = 4 * PAGE_WORDS
/** Entries of a ledger that a model uses; it has one more, the chunk's own. */
const ENTRIES = 3
const TABLES_AT = 1 << 24

export interface GraphWorld {
  readonly base: Pick<Model, 'words' | 'slotsAt' | 'init' | 'notes' | 'hints' | 'label'>
  /** The words of the mutexes, and their objects. */
  readonly locks: readonly number[]
  readonly objects: readonly number[]
  lot(thread: ModelThread): Lot
  /** What those who look see of the memory. */
  attachment(thread: ModelThread): Attachment
  /** The reaper: a dead thread runs no more, and what it held goes on with notice. */
  readonly reap: ReaperOperation
  /** Copies what is shared, in one step. */
  copy(thread: ModelThread): Then
  /** The lock that a thread had announced then that it waits for, and did not have; or 0. */
  awaitedBy(then: Then, tid: number): number
}

/** What was so at the moment of a copy. */
export interface Then {
  readonly word: (at: number) => number
  readonly ownerOf: (lock: number) => number
}

/** `looksAtRecords`: somebody reads wait records without their bucket's lock. `mayDie`: threads do not run for ever. */
export function graphWorld(threads: number, looksAtRecords: boolean, mayDie = false): GraphWorld {
  const slots = threads + 1
  const slotsAt = Superblock.sizeof
  const bucketsAt = slotsAt + slots * ThreadSlot.sizeof + 32
  const objectsAt = (Math.floor((bucketsAt + BUCKETS * Bucket.sizeof) / PAGE_WORDS) + 1) * PAGE_WORDS
  const ledgersAt = objectsAt + PAGE_WORDS
  const copyAt = ledgersAt + (looksAtRecords ? 0 : threads * CHUNK_WORDS)
  const geometry = { bucketsAt, bucketCount: BUCKETS, slotsAt, slotCount: slots, more: () => 0 }
  const objects = mutexesIn(geometry, objectsAt)
  const locks = objects.map((at) => at + MutexObject.raw)
  const { state, key0, key1, ticket, since, kind, purpose } = WaitRecord
  const seenByAll = looksAtRecords ? [state, key0, key1, ticket, since, kind, purpose] : [state]
  const tables = tablesFor(objectsAt)

  const inSlot = (at: number) => (at >= slotsAt && at < bucketsAt ? (at - slotsAt) % ThreadSlot.sizeof : -1)
  const inEntry = (at: number) => (at >= ledgersAt ? (at - ledgersAt) % LedgerEntry.sizeof : -1)
  /** What a word says that nobody changes; undefined for the others. */
  const constantAt = (at: number): number | undefined => {
    if (at >= TABLES_AT) return tables.get(at) ?? 0
    const index = (at - slotsAt) / ThreadSlot.sizeof
    if (Number.isInteger(index) && index >= 0 && index < SLOT_COUNT && at < objectsAt) {
      if (index >= threads) return 0
      return mayDie ? undefined : stateWord(index)
    }
    if (at >= ledgersAt && at < copyAt) {
      const entry = Math.floor(((at - ledgersAt) % CHUNK_WORDS) / LedgerEntry.sizeof)
      return entry > 0 && entry <= ENTRIES ? undefined : 0
    }
    const offset = inSlot(at)
    const isInRecord = offset >= ThreadSlot.record && offset < ThreadSlot.magazine
    return locks.includes(at) || isInRecord || offset === ThreadSlot.ledger ? undefined : 0
  }
  const lookout = (cpu: Cpu): Cpu => {
    const seen = {
      load: (at: number) => constantAt(at) ?? cpu.load(at),
      plainLoad: (at: number) => constantAt(at) ?? cpu.plainLoad(at),
      store: cpu.store.bind(cpu),
      plainStore: cpu.plainStore.bind(cpu),
    }
    return seen as unknown as Cpu
  }

  return {
    locks,
    objects,
    base: {
      words: 2 * copyAt,
      slotsAt,
      init: (cpu) => {
        for (let index = 0; index < threads; index++) {
          const slot = slotsAt + index * ThreadSlot.sizeof
          cpu.store(slot + ThreadSlot.state, stateWord(index))
        }
      },
      notes: (at) => {
        if (at >= bucketsAt && at < objectsAt) return (at - bucketsAt) % Bucket.sizeof !== Bucket.lock
        // Published by the entry's state, and by the lock of the graph.
        if (inEntry(at) >= 0) return true
        const offset = inSlot(at)
        const inRecord = offset - ThreadSlot.record
        if (inRecord >= 0 && inRecord < WaitRecord.sizeof) return !seenByAll.includes(inRecord)
        return offset === ThreadSlot.ledger || locks.some((lock) => at === lock + RawMutex.mode)
      },
      hints: (at) =>
        [Superblock.lockGraph, ...locks].some(
          (lock) => at === lock + RawMutex.spins || at === lock + RawMutex.since,
        ),
      label: (at) => {
        if (at === Superblock.lockGraph) return 'graph'
        if (locks.includes(at)) return `lock ${'abc'[locks.indexOf(at)]}`
        const slot = Math.floor((at - slotsAt) / ThreadSlot.sizeof)
        if (inSlot(at) === ThreadSlot.record + state) return `record${slot}`
        if (inSlot(at) === ThreadSlot.park) return `park${slot}`
        return undefined
      },
    },
    lot: (thread) => new Lot(thread, geometry),
    attachment: (thread) => {
      const cpu = lookout(thread.cpu)
      const physical = {
        reservedFrames: 1,
        frameCount: TABLES_AT,
        tableAt: TABLES_AT,
        slabTableAt: 2 * TABLES_AT,
      }
      const frames = {
        cpu,
        geometry: physical,
        allocRun: () => (ledgersAt + thread.index * CHUNK_WORDS) / PAGE_WORDS,
        *cellsOf(signature: number) {
          if (signature === MutexObject.signature) yield* objects
        },
      }
      const duck = {
        cpu,
        thread,
        frames,
        lot: new Lot(thread, geometry),
        map: { slotsAt },
        words: { length: copyAt },
        bytes: new Uint8Array(4 * copyAt),
        label: 'model',
        threadIdOf: (tid: number) => tid,
        threadName: String,
        sleepUntil: () => undefined,
      }
      return duck as unknown as Attachment
    },
    reap: (thread, dead) => {
      const lot = new Lot(thread, geometry)
      thread.cpu.store(slotOf(slotsAt, dead) + ThreadSlot.state, 0)
      repairSync(lot, dead)
      for (const lock of [Superblock.lockGraph, ...locks]) releaseDead(lot, lock, dead)
    },
    copy: ({ cpu }) => {
      cpu.copy(copyAt * 4, 0, copyAt * 4)
      // Nobody writes the copy but who looks: a plain load of it is no step that others could come before.
      const word = (at: number) => cpu.plainLoad(copyAt + at)
      return { word, ownerOf: (lock) => word(lock) & OWNER_MASK }
    },
    awaitedBy: ({ word, ownerOf }, tid) => {
      const chunk = ledgersAt + slotIndexOf(tid) * CHUNK_WORDS
      for (let entry = 1; entry <= ENTRIES; entry++) {
        const at = chunk + entry * LedgerEntry.sizeof
        const lock = word(at + LedgerEntry.lock) + MutexObject.raw
        if (word(at + LedgerEntry.state) === BLOCKED && ownerOf(lock) !== tid) return lock
      }
      return 0
    },
  }
}

/** Objects in one slab, so that the first two mutexes share a bucket of the lot, and the third has the other one. */
function mutexesIn(geometry: Lot['geometry'], objectsAt: number): number[] {
  const lot = new Lot({ cpu: undefined } as unknown as ModelThread, geometry)
  const bucketAt = (object: number) => lot.bucketOf(0, object + MutexObject.raw)
  const cells = Array.from({ length: 6 }, (_, i) => objectsAt + i * MutexObject.sizeof)
  const [first] = cells
  const same = cells.filter((cell) => bucketAt(cell) === bucketAt(first))
  const other = cells.filter((cell) => bucketAt(cell) !== bucketAt(first))
  return [...same.slice(0, 2), ...other.slice(0, 1)].slice(0, MUTEXES)
}

/** The Frame of the slab and its cache, as slab.ts reads them. */
function tablesFor(objectsAt: number): Map<number, number> {
  const frame = TABLES_AT + (objectsAt / PAGE_WORDS) * Frame.sizeof
  const cache = 2 * TABLES_AT
  return new Map([
    [frame + Frame.flags, runFlags(SLAB, 0, 0)],
    [frame + Frame.object, 1],
    [frame + Frame.count, 1],
    [cache + SlabCache.kind, MutexObject.signature],
    [cache + SlabCache.strideWords, MutexObject.sizeof],
    [cache + SlabCache.cellsPerSlab, PAGE_WORDS / MutexObject.sizeof],
  ])
}

function stateWord(index: number): number {
  return ((tidOf(index, 1) >>> 8) << 3) | RUNNING
}
