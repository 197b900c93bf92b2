/**
 * Attachment: one thread's place in one memory: its slot, its Cpu, its access to the lot, the allocator and the names.
 *
 * Made at first use, kept for the thread's life (or the memory's). Everything above this floor goes through one.
 */

import { bufferOf, cpuFor, type Backing } from '../host/buffer.ts'
import { sharedNow } from '../host/clock.ts'
import { wordsOf, type Cpu } from '../host/cpu.ts'
import { debugCpu } from '../host/debug-cpu.ts'
import { cores, threadId } from '../host/workers.ts'
import { Frames } from '../frames/frames.ts'
import type { Guard } from '../sync/guard.ts'
import { Lot } from '../sync/lot.ts'
import { LiveThread } from '../threads/live-thread.ts'
import {
  AWAKE,
  CLAIMED,
  claimReserved,
  claimSlot,
  moveState,
  RUNNING,
  slotIndexOf,
  slotOf,
  tidOfState,
  ThreadSlot,
} from '../threads/slot.ts'
import { PAGE_SIZE, PAGE_WORDS } from '../words/constants.ts'
import { EAGAIN, EPROTO, ErrnoError, ESTALE } from '../words/errno.ts'
import { assert } from '../words/assert.ts'
import { showApart, showMiB } from '../words/usage.ts'
import { AsyncWaits } from './async-waits.ts'
import { poisonOf } from './poison.ts'
import { labelOf } from './protocol.ts'
import {
  LAYOUT,
  MAGIC,
  mapOf,
  POISON_DESTROYED,
  readText,
  Superblock,
  writeText,
  type MemoryMap,
} from './superblock.ts'
import { VERSION } from './version.ts'

/** Which file this copy of pageframe lies in. In a bundle that is CommonJS nothing says so. */
const LOADED_FROM = (import.meta as { readonly url?: string }).url ?? 'a bundle'

const SPIN_TURNS = cores > 1 ? 20_000 : 0

/** What this thread waits for in a blocked wait, for messages. */
export interface Awaited {
  describe(): string
}

export class Attachment {
  readonly id: string
  readonly name: string
  /** What messages call it: its name, or its id. */
  readonly label: string
  readonly backing: Backing
  readonly buffer: SharedArrayBuffer
  readonly words: Int32Array<SharedArrayBuffer>
  readonly bytes: Uint8Array<SharedArrayBuffer>
  readonly map: MemoryMap
  readonly cpu: Cpu
  readonly thread: LiveThread
  readonly lot: Lot
  readonly frames: Frames
  readonly waits: AsyncWaits
  /** What is noted about the locks of this memory (lock-switch.ts); 0: nothing. */
  readonly lockDiagnostics: number
  /** The shared objects that this thread has met, by address. `generation` tells whether they are still the same. */
  readonly objects = new Map<number, { readonly generation: number }>()
  awaited: Awaited | undefined
  /** The entry of the name whose object this thread is making, or 0 (naming.ts). */
  making = 0
  /** Called when a use finds that the memory was destroyed, before that throws. */
  onDestroyed: (() => void) | undefined
  /** The SharedMemory that stands for it in this thread. */
  face: unknown

  constructor(id: string, name: string, view: View, thread: LiveThread) {
    this.id = id
    this.name = name
    this.label = labelOf({ id, name })
    this.backing = view.backing
    this.buffer = bufferOf(view.backing)
    this.words = view.words
    this.bytes = new Uint8Array(this.buffer, 0, this.buffer.byteLength)
    this.map = view.map
    this.cpu = view.cpu
    this.thread = thread
    this.lockDiagnostics = view.cpu.load(Superblock.lockDiagnostics)
    this.frames = new Frames(thread, view.map.frames)
    this.lot = new Lot(thread, {
      bucketsAt: view.map.bucketsAt,
      bucketCount: view.map.bucketCount,
      slotsAt: view.map.slotsAt,
      slotCount: view.map.frames.slotCount,
      more: () => {
        const pfn = this.frames.allocRun(PAGE_SIZE)
        return pfn < 0 ? 0 : pfn * PAGE_WORDS
      },
    })
    this.waits = new AsyncWaits(this.lot, thread, () => poisonOf(this.cpu, this.label))
  }

  /** Throws if the memory was destroyed or poisoned. */
  assertSound(): void {
    const error = poisonOf(this.cpu, this.label)
    if (error === undefined) return
    if (this.cpu.load(Superblock.poison) === POISON_DESTROYED) this.onDestroyed?.()
    throw error
  }

  /** Runs a wait that blocks this thread; `describe` says meanwhile what for. With a guard it ends when that is over. */
  waiting<R>(describe: () => string, wait: () => R, guard?: Guard): R {
    this.assertSound()
    const { lot, awaited: outer } = this
    const outerGuard = lot.guard
    this.awaited = { describe }
    lot.guard = guard
    try {
      const result = wait()
      if (result === -ESTALE) this.assertSound() // a poisoned memory says why its objects have ended
      return result
    } finally {
      this.awaited = outer
      lot.guard = outerGuard
    }
  }

  /** The text of an ENOMEM error: what did not fit, what there is, and what to do. */
  noMemory(what: string, bytes: number): string {
    const [asked, largest] = showApart(bytes, this.frames.largestFreeBytes())
    return (
      `${what}: ${asked} do not fit in memory '${this.label}' (${showMiB(this.frames.freeBytes())} of ` +
      `${showMiB(this.map.sizeBytes)} MiB free, largest block ${largest}). Free something with destroy(), or pass { memory: new SharedMemory() }`
    )
  }

  /** Sleeps, whatever happens, until a deadline. */
  sleepUntil(deadline: number): void {
    const park = this.thread.at + ThreadSlot.park
    this.cpu.store(park, AWAKE)
    while (this.thread.sleep(park, AWAKE, deadline)) this.cpu.store(park, AWAKE)
  }

  /** Node's threadId of a thread, or -1 if it has ended. */
  threadIdOf(tid: number): number {
    const slot = slotOf(this.map.slotsAt, tid)
    const number = this.cpu.load(slot + ThreadSlot.threadId)
    // Its slot may be another thread's by now, who has nothing to do with what this one held.
    return tidOfState(slotIndexOf(tid), this.cpu.load(slot + ThreadSlot.state)) === tid ? number : -1
  }

  /** `thread 3 'parser'`: how messages name a thread. */
  threadName(tid: number): string {
    const slot = slotOf(this.map.slotsAt, tid)
    const name = readText(this.cpu, slot + ThreadSlot.nameBytes, slot + ThreadSlot.name)
    const number = this.threadIdOf(tid)
    if (number < 0) return 'a thread that has ended'
    return name === '' ? `thread ${number}` : `thread ${number} '${name}'`
  }
}

/** A memory that this thread can see but has no slot in. */
export interface View {
  readonly backing: Backing
  readonly words: Int32Array<SharedArrayBuffer>
  readonly cpu: Cpu
  readonly map: MemoryMap
}

/** Looks at a memory and checks that it was made by a pageframe of the same layout. EPROTO otherwise. */
export function view(backing: Backing, module: WebAssembly.Module, label: string): View {
  const words = wordsOf(bufferOf(backing))
  const cpu = cpuFor(backing, module)
  const theirs = cpu.load(Superblock.layoutSignature)
  if (cpu.load(Superblock.magic) !== MAGIC || theirs !== LAYOUT) {
    const version = readText(cpu, Superblock.versionBytes, Superblock.version)
    throw new ErrnoError(EPROTO, 'attach', protocolMessage(label, version, theirs))
  }
  const isDebug = cpu.load(Superblock.isDebug) !== 0
  const checked = isDebug ? debugCpu(cpu, words.byteLength) : cpu
  return { backing, words, cpu: checked, map: mapOf(words.byteLength, isDebug) }
}

export function protocolMessage(label: string, version: string, layout: number): string {
  const hex = (signature: number) => signature.toString(16)
  return (
    `memory '${label}' was made by pageframe ${version || '(unknown)'} (layout ${hex(layout)}), this thread loaded ` +
    `${VERSION} (layout ${hex(LAYOUT)}) from ${LOADED_FROM}. All threads need one copy: npm ls pageframe`
  )
}

/** Lays out a new memory: nobody else has it, so no lock is needed. The magic comes last. */
export function format(
  backing: Backing,
  module: WebAssembly.Module,
  id: string,
  name: string,
  isDebug: boolean,
  lockDiagnostics = 0,
): void {
  const words = wordsOf(bufferOf(backing))
  const cpu = cpuFor(backing, module)
  const map = mapOf(words.byteLength, isDebug)
  cpu.store(Superblock.layoutSignature, LAYOUT)
  cpu.store(Superblock.sizePages, words.byteLength / PAGE_SIZE)
  cpu.store(Superblock.isDebug, isDebug ? 1 : 0)
  cpu.store(Superblock.lockDiagnostics, lockDiagnostics)
  writeText(cpu, Superblock.versionBytes, Superblock.version, VERSION)
  writeText(cpu, Superblock.idBytes, Superblock.id, id)
  writeText(cpu, Superblock.nameBytes, Superblock.name, name)
  Frames.format(cpu, map.frames)
  cpu.store(Superblock.magic, MAGIC)
}

/** Takes the slot that is kept for the maker or the supervisor, and runs at once. */
export function attachReserved(seen: View, index: number, threadName: string): { slot: number; tid: number } {
  const { cpu, map } = seen
  const tid = claimReserved(cpu, map.slotsAt, index, threadId, sharedNow())
  assert(tid !== 0, `reserved slot ${index} is taken`)
  const slot = slotOf(map.slotsAt, tid)
  writeText(cpu, slot + ThreadSlot.nameBytes, slot + ThreadSlot.name, threadName)
  moveState(cpu, map.slotsAt, tid, CLAIMED, RUNNING)
  return { slot, tid }
}

/** Claims a slot, which runs only when the supervisor says so. */
export function claim(seen: View, label: string, threadName: string): { slot: number; tid: number } {
  const { cpu, map } = seen
  const tid = claimSlot(cpu, map.slotsAt, threadId, sharedNow())
  if (tid === 0) {
    const count = map.frames.slotCount
    throw new ErrnoError(
      EAGAIN,
      'attach',
      `memory '${label}' has no free thread slot: all ${count} are taken`,
    )
  }
  const slot = slotOf(map.slotsAt, tid)
  writeText(cpu, slot + ThreadSlot.nameBytes, slot + ThreadSlot.name, threadName)
  return { slot, tid }
}

export function liveThread(seen: View, slot: number, tid: number): LiveThread {
  return new LiveThread(seen.cpu, seen.words, slot, tid, SPIN_TURNS)
}
