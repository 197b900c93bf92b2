/**
 * The superblock and the map of a memory: what lies where.
 *
 *   frame 0   ┌────────────────────────┐
 *             │ Superblock             │  who made it, how large, poisoned?, the name directory's heads
 *             ├────────────────────────┤
 *             │ 256 ThreadSlots        │  256 KiB, committed page by page as threads come
 *             ├────────────────────────┤
 *             │ 256 lot Buckets        │   32 KiB
 *             ├────────────────────────┤
 *             │ the allocator's area   │  zone, chunk map, slab caches
 *             ├────────────────────────┤
 *             │ frame table            │  32 bytes a frame
 *             ├────────────────────────┤
 *             │ frames ...             │  everything else
 *             └────────────────────────┘
 *
 * All parts are functions of the memory's size, so every thread that knows the size computes the same map.
 *
 * Invariants
 *  1. `magic` is stored last by the maker: whoever sees it sees a whole superblock.
 *  2. After that only poison, supervisor, its signs and main's, and the directory change.
 */

import type { Cpu } from '../host/cpu.ts'
import { framesArea, type FrameGeometry } from '../frames/geometry.ts'
import { Bucket, WaitRecord } from '../sync/wait-record.ts'
import { RawMutex } from '../sync/mutex.ts'
import { ReaderLine } from '../sync/readers.ts'
import { RawSemaphore } from '../sync/semaphore.ts'
import { SLOT_COUNT, ThreadSlot } from '../threads/slot.ts'
import { alignUp } from '../words/bits.ts'
import { PAGE_SIZE, PAGE_WORDS } from '../words/constants.ts'
import { combine, i32, layout, newLine, words } from '../words/layout.ts'

export const DIRECTORY_BUCKETS = 64
const TEXT_WORDS = 16
export const TEXT_CAPACITY_BYTES = TEXT_WORDS * 4

export const Superblock = layout('Superblock', 768, {
  magic: i32,
  layoutSignature: i32,
  sizePages: i32,
  isDebug: i32,
  lockDiagnostics: i32,
  versionBytes: i32,
  version: words(TEXT_WORDS),
  idBytes: i32,
  id: words(TEXT_WORDS),
  nameBytes: i32,
  name: words(TEXT_WORDS),
  _life: newLine,
  poison: i32,
  supervisor: i32,
  /** Signs that the main thread goes on, and that the supervisor lets threads in: see adoption.ts. */
  signsOfMain: i32,
  signsOfSupervisor: i32,
  _directory: newLine,
  directory: words(4),
  lockGraph: words(4),
  _heads: newLine,
  heads: words(DIRECTORY_BUCKETS),
})

export const MAGIC = 0x70614765 // 'paGe'
const BUCKET_COUNT = 256

/** Why a memory refuses to go on; the word `poison` holds one of these. */
export const SOUND = 0
export const POISON_DESTROYED = 1
export const POISON_SUPERVISOR_DIED = 2
export const POISON_CHECK_FAILED = 3

/** Everything that two copies of pageframe must agree on to share a memory. */
export const LAYOUT = combine(
  Superblock,
  ThreadSlot,
  Bucket,
  WaitRecord,
  RawMutex,
  RawSemaphore,
  ReaderLine,
  framesArea,
)

export interface MemoryMap {
  readonly sizeBytes: number
  readonly slotsAt: number
  readonly bucketsAt: number
  readonly bucketCount: number
  readonly frames: FrameGeometry
}

/** Where everything lies in a memory of `sizeBytes`. */
export function mapOf(sizeBytes: number, isDebug: boolean): MemoryMap {
  const frameCount = sizeBytes / PAGE_SIZE
  const slotsAt = PAGE_WORDS
  const bucketsAt = slotsAt + SLOT_COUNT * ThreadSlot.sizeof
  const areaAt = alignUp(bucketsAt + BUCKET_COUNT * Bucket.sizeof, PAGE_WORDS)
  const frames = framesArea.place(areaAt, frameCount, slotsAt, SLOT_COUNT, isDebug)
  return { sizeBytes, slotsAt, bucketsAt, bucketCount: BUCKET_COUNT, frames }
}

/** Reads a short text that was written by writeText. */
export function readText(cpu: Pick<Cpu, 'load'>, lengthAt: number, at: number): string {
  const bytes = new Uint8Array(TEXT_CAPACITY_BYTES)
  const words = new Int32Array(bytes.buffer)
  for (let i = 0; i < TEXT_WORDS; i++) words[i] = cpu.load(at + i)
  return new TextDecoder().decode(bytes.subarray(0, Math.min(cpu.load(lengthAt), TEXT_CAPACITY_BYTES)))
}

/** Writes as much of a short text as fits. */
export function writeText(cpu: Cpu, lengthAt: number, at: number, text: string): void {
  const bytes = new Uint8Array(TEXT_CAPACITY_BYTES)
  const { written } = new TextEncoder().encodeInto(text, bytes)
  const words = new Int32Array(bytes.buffer)
  for (let i = 0; i < TEXT_WORDS; i++) cpu.store(at + i, words[i])
  cpu.store(lengthAt, written)
}
