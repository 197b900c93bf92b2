/**
 * Where a thread's wait records come from: one static record in its slot, for its blocked wait; chunks of asynchronous
 * ones, which the floors above supply.
 *
 *   slot.records ──► chunk ┌───────┬───────┬────────┬────────┬── ... ──┐     4 KiB, on a page's boundary
 *                          │ chain │ woken │ record │ record │         │
 *                          └───┬───┴───────┴────────┴────────┴── ... ──┘
 *                              └──► the chunk before
 *
 *   woken   a bit for each record of the chunk: it may have been woken since its thread looked. Whoever wakes sets it, after
 *           the record's state and before the bell; so a thread that is rung looks at those, and not at all that wait
 *
 * Invariants
 *  1. A record is taken and given back by its own thread only; the reaper has those of the dead.
 *  2. A record of a live thread that has left WAITING by another's hand has its bit set, or its waker is on the way to do
 *     so, or is dead: then the reaper sets all bits (Lot.ringEverybody). A bit that is set for nothing does no harm.
 */

import type { Cpu } from '../host/cpu.ts'
import { ThreadSlot } from '../threads/slot.ts'
import type { Thread } from '../threads/thread.ts'
import { PAGE_WORDS } from '../words/constants.ts'
import { i32, layout, words } from '../words/layout.ts'
import type { Guard } from './guard.ts'
import { ASYNC, UNUSED, WaitRecord } from './wait-record.ts'

/** The head of a chunk: it takes a record's place. */
export const RecordChunk = layout('RecordChunk', 64, { chain: i32, woken: words(2), _spare: words(13) })

const { state, kind } = WaitRecord
const { chain, woken } = RecordChunk

const RECORDS_IN_CHUNK = 64

/** Where the lot lies in a memory, and how it gets more records. */
export interface LotGeometry {
  readonly bucketsAt: number
  /** Number of buckets, a power of two. */
  readonly bucketCount: number
  readonly slotsAt: number
  readonly slotCount: number
  /** Where more than so many wait for one thing, one is woken at a time (Queues.isWakingLocked). CROWD if absent. */
  readonly crowd?: number
  /**
   * Word index of 4 KiB of fresh zeroes for asynchronous records, on a page's boundary, or 0 when there is none. Called with
   * no lock held.
   */
  more(): number
}

/** One thread's wait records in one memory. */
export class Records {
  readonly thread: Thread
  readonly cpu: Cpu
  readonly geometry: LotGeometry
  /** Of what this thread is about to wait for, if that can be destroyed. */
  guard: Guard | undefined = undefined
  /** Unused asynchronous records of this thread. */
  readonly #spare: number[] = []

  constructor(thread: Thread, geometry: LotGeometry) {
    this.thread = thread
    this.cpu = thread.cpu
    this.geometry = geometry
  }

  /** Whether what the word belongs to was destroyed, as far as there is a guard for it (guard.ts). */
  isOver(word: number): boolean {
    for (let guard = this.guard; guard !== undefined; guard = guard.also) {
      if (word >= guard.first && word < guard.end) return this.cpu.load(guard.at) !== guard.own
    }
    return false
  }

  /** The record of this thread's blocked wait. */
  get ownRecord(): number {
    return this.thread.at + ThreadSlot.record
  }

  stateOf(record: number): number {
    return this.cpu.load(record + state)
  }

  /** An asynchronous record of this thread, or 0 when memory is out. */
  allocRecord(): number {
    if (this.#spare.length === 0 && !this.#addChunk()) return 0
    const record = this.#spare.pop() ?? 0
    this.cpu.plainStore(record + kind, ASYNC)
    return record
  }

  /** Gives a record back: the wait is over and its retry done. */
  freeRecord(record: number): void {
    this.cpu.store(record + state, UNUSED)
    if (record !== this.ownRecord) this.#spare.push(record)
  }

  /** A chunk's first record only chains the chunks, so that the reaper finds them from the slot. */
  #addChunk(): boolean {
    const { cpu, thread } = this
    const chunk = this.geometry.more()
    if (chunk === 0) return false
    cpu.plainStore(chunk + chain, cpu.plainLoad(thread.at + ThreadSlot.records))
    // Published for recordsOf(), which walks the chunks of threads that live.
    cpu.store(thread.at + ThreadSlot.records, chunk)
    for (let i = RECORDS_IN_CHUNK - 1; i > 0; i--) this.#spare.push(chunk + i * WaitRecord.sizeof)
    return true
  }

  // ── woken ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** An asynchronous record is to be looked at. By whoever woke it, before he rings; or by its owner, to look later. */
  markWoken(record: number): void {
    const chunk = record - (record % PAGE_WORDS)
    const index = (record - chunk) / WaitRecord.sizeof
    this.cpu.or(chunk + woken + (index >>> 5), 1 << (index & 31))
  }

  /** All asynchronous records of the thread in a slot are to be looked at. By the reaper. */
  protected markAllWoken(slot: number): void {
    for (const chunk of this.chunksOf(slot)) {
      this.cpu.store(chunk + woken, -1)
      this.cpu.store(chunk + woken + 1, -1)
    }
  }

  /** Whether takeWoken() would return any. */
  hasWoken(): boolean {
    const { cpu } = this
    for (let chunk = this.#firstChunk(); chunk !== 0; chunk = cpu.plainLoad(chunk + chain)) {
      if (cpu.load(chunk + woken) !== 0 || cpu.load(chunk + woken + 1) !== 0) return true
    }
    return false
  }

  /** The records of this thread that may have been woken since the last call, in no order. */
  takeWoken(): number[] {
    const { cpu } = this
    const records: number[] = []
    for (let chunk = this.#firstChunk(); chunk !== 0; chunk = cpu.plainLoad(chunk + chain)) {
      for (let part = 0; part < 2; part++) {
        if (cpu.load(chunk + woken + part) === 0) continue
        for (let bits = cpu.exchange(chunk + woken + part, 0); bits !== 0; bits &= bits - 1) {
          const index = part * 32 + 31 - Math.clz32(bits & -bits)
          if (index !== 0) records.push(chunk + index * WaitRecord.sizeof)
        }
      }
    }
    return records
  }

  #firstChunk(): number {
    return this.cpu.plainLoad(this.thread.at + ThreadSlot.records)
  }

  /** Every record of the thread in a slot: the static one, then the asynchronous ones. */
  *recordsOf(slot: number): Generator<number> {
    yield slot + ThreadSlot.record
    for (const chunk of this.chunksOf(slot)) {
      for (let i = 1; i < RECORDS_IN_CHUNK; i++) yield chunk + i * WaitRecord.sizeof
    }
  }

  /** The chunks of asynchronous records that the thread in a slot has got from more(). */
  *chunksOf(slot: number): Generator<number> {
    let chunk = this.cpu.load(slot + ThreadSlot.records)
    while (chunk !== 0) {
      const after = this.cpu.plainLoad(chunk + chain)
      yield chunk
      chunk = after
    }
  }
}
