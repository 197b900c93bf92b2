/**
 * Where a thread's wait records come from: one static record in its slot, for its blocked wait; chunks of asynchronous
 * ones, which the floors above supply.
 *
 *   slot.records ──► chunk ┌───────┬────────┬────────┬── ... ──┐     4 KiB
 *                          │ chain │ record │ record │         │
 *                          └───┬───┴────────┴────────┴── ... ──┘
 *                              └──► the chunk before
 *
 * Invariant
 *  1. A record is taken and given back by its own thread only; the reaper has those of the dead.
 */

import type { Cpu } from '../host/cpu.ts'
import { ThreadSlot } from '../threads/slot.ts'
import type { Thread } from '../threads/thread.ts'
import { ASYNC, UNUSED, WaitRecord } from './wait-record.ts'

const { state, kind, chain } = WaitRecord

const RECORDS_IN_CHUNK = 64

/** Where the lot lies in a memory, and how it gets more records. */
export interface LotGeometry {
  readonly bucketsAt: number
  /** Number of buckets, a power of two. */
  readonly bucketCount: number
  readonly slotsAt: number
  readonly slotCount: number
  /** Word index of 4 KiB of fresh zeroes for asynchronous records, or 0 when there is none. Called with no lock held. */
  more(): number
}

/** One thread's wait records in one memory. */
export class Records {
  readonly thread: Thread
  readonly cpu: Cpu
  readonly geometry: LotGeometry
  /** Unused asynchronous records of this thread. */
  readonly #spare: number[] = []

  constructor(thread: Thread, geometry: LotGeometry) {
    this.thread = thread
    this.cpu = thread.cpu
    this.geometry = geometry
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
