/**
 * The memory map: what lies where in a memory of a given size, and every shared structure with its fields, as the
 * declarations have it. ARCHITECTURE.md is generated from this.
 */

import { ChannelObject } from '../channel/kind.ts'
import { RawChannel } from '../channel/ring.ts'
import { Frame } from '../frames/frame.ts'
import { CACHE_COUNT, SlabCache } from '../frames/slab-table.ts'
import { Cell } from '../frames/slab.ts'
import { Zone } from '../frames/zone.ts'
import { BarrierObject } from '../locks/barrier-kind.ts'
import { LedgerEntry } from '../locks/diagnostics/ledger.ts'
import { LockClass, LockNotes, LockOrder } from '../locks/diagnostics/notes.ts'
import { LatchObject } from '../locks/latch.ts'
import { EpochObject } from '../locks/epoch-kind.ts'
import { MutexObject } from '../locks/mutex-kind.ts'
import { RwLockObject } from '../locks/rwlock-kind.ts'
import { SeqLockObject } from '../locks/seqlock-kind.ts'
import { EventObject } from '../locks/reset-event.ts'
import { SemaphoreObject } from '../locks/semaphore.ts'
import { MachineHeader, ProcessSlot } from '../machine/process-slot.ts'
import { ProcessObject } from '../machine/sync/object.ts'
import { NameEntry } from '../memory/directory.ts'
import { RegionObject } from '../memory/region.ts'
import { NamedMemory } from '../memory/shared-memory.ts'
import { mapOf, Superblock } from '../memory/superblock.ts'
import { LimboBatch } from '../paging/batch.ts'
import { PinRecord } from '../paging/pins.ts'
import { TlbState } from '../paging/presence.ts'
import { SpaceState } from '../space/space-state.ts'
import { Vma } from '../space/vma.ts'
import { ShmObject } from '../storage/shm-object.ts'
import { RawBarrier } from '../sync/barrier.ts'
import { BarrierMembers } from '../sync/barrier-members.ts'
import { RawEvent } from '../sync/event.ts'
import { RawLatch } from '../sync/latch.ts'
import { Bucket, WaitRecord } from '../sync/wait-record.ts'
import { RawCondition } from '../sync/condition.ts'
import { RawEpoch } from '../sync/epoch.ts'
import { RawMutex } from '../sync/mutex.ts'
import { ReaderLine, ReaderSet } from '../sync/readers.ts'
import { RawRwLock } from '../sync/rwlock-word.ts'
import { RawSemaphore } from '../sync/semaphore.ts'
import { RawSeqLock } from '../sync/seqlock.ts'
import { ThreadSlot } from '../threads/slot.ts'
import { PAGE_SIZE } from '../words/constants.ts'
import { describe, type Described } from '../words/layout.ts'

/** Every shared structure, lowest floor first. A new one is added here. */
const layouts = [
  ThreadSlot,
  Bucket,
  WaitRecord,
  RawMutex,
  RawSemaphore,
  RawCondition,
  ReaderLine,
  ReaderSet,
  RawRwLock,
  RawSeqLock,
  RawEpoch,
  RawBarrier,
  BarrierMembers,
  RawLatch,
  RawEvent,
  Zone,
  Frame,
  SlabCache,
  Cell,
  Superblock,
  NameEntry,
  NamedMemory,
  RegionObject,
  MutexObject,
  SemaphoreObject,
  RwLockObject,
  SeqLockObject,
  EpochObject,
  BarrierObject,
  LatchObject,
  EventObject,
  LedgerEntry,
  LockNotes,
  LockClass,
  LockOrder,
  RawChannel,
  ChannelObject,
  TlbState,
  LimboBatch,
  PinRecord,
  ShmObject,
  SpaceState,
  Vma,
  ProcessObject,
  ProcessSlot,
  MachineHeader,
]

export function structures(): readonly Described[] {
  return layouts.map(describe)
}

export interface Part {
  readonly name: string
  readonly startByte: number
  readonly lengthBytes: number
}

/** The parts of a memory, from byte 0 to its end. */
export function memoryMap(sizeBytes: number): readonly Part[] {
  const { slotsAt, bucketsAt, bucketCount, frames } = mapOf(sizeBytes, false)
  const starts: [string, number][] = [
    ['Superblock', 0],
    [`${frames.slotCount} ThreadSlots`, slotsAt],
    [`${bucketCount} lot Buckets`, bucketsAt],
    ['Zone', frames.zoneAt],
    [`${CACHE_COUNT} SlabCaches`, frames.slabTableAt],
    ['chunk map', frames.chunkMapAt],
    ['frame table', frames.tableAt],
    ['frames', frames.reservedFrames * (PAGE_SIZE / 4)],
  ]
  return starts.map(([name, at], i) => {
    const end = i + 1 < starts.length ? starts[i + 1][1] : sizeBytes / 4
    return { name, startByte: at * 4, lengthBytes: (end - at) * 4 }
  })
}

/** Share of a memory that the kernel keeps for itself, from 0 to 1. */
export function overhead(sizeBytes: number): number {
  return (mapOf(sizeBytes, false).frames.reservedFrames * PAGE_SIZE) / sizeBytes
}
