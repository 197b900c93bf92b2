/**
 * One look at a memory: the waits that its threads are in, and what they hold.
 *
 * Read from the truth, which is there anyway: the wait records of all threads, and the words of the locks, which name
 * their owners. Nothing is locked, and nobody is slowed down; what is seen is as good as the moment it is asked in.
 */

import { holdEntryOf, stackOf, waitEntryOf } from '../locks/diagnostics/ledger.ts'
import { everyLock, labelAround, objectAround, type Around } from '../memory/around.ts'
import type { Attachment } from '../memory/attachment.ts'
import { runningThreads } from '../memory/check.ts'
import { nameOf, objectEntry } from '../memory/directory.ts'
import type { Holder } from '../memory/kind.ts'
import { lengthOf, REGION, startByteOf } from '../memory/region.ts'
import { readText, Superblock } from '../memory/superblock.ts'
import { ownerOf } from '../sync/mutex.ts'
import { RWLOCK_READ_PURPOSE } from '../sync/rwlock-word.ts'
import { ASYNC, WAITING, WaitRecord } from '../sync/wait-record.ts'
import { slotOf, ThreadSlot } from '../threads/slot.ts'

/** A thread that has a slot in the memory. */
export interface GraphThread {
  /** Unlike a threadId of Node, never used again. */
  readonly id: number
  /** Node's threadId. */
  readonly threadId: number
  /** As its Worker was given it; '' if it was not. */
  readonly name: string
  /** `thread 3 'parser'`. */
  readonly label: string
}

/** What is waited for or held. */
export interface GraphLock {
  /** 'Mutex', 'Channel' ...; 'word' for a wait that belongs to no object: a futex, a lock inside the kernel. */
  readonly kind: string
  readonly name: string | undefined
  /** Where it lies in the memory's buffer. Tells two locks without a name apart. */
  readonly byte: number
  /** `Mutex 'jobs'`. */
  readonly label: string
}

export interface WaitEdge {
  readonly thread: GraphThread
  readonly lock: GraphLock
  /** A task of the thread waits; the thread goes on. */
  readonly isAsync: boolean
  readonly forMs: number
  /** The threads that hold what is waited for, as far as it is a thing that threads hold. */
  readonly heldBy: readonly GraphThread[]
  /** Where it came to wait, the nearest caller first, if the memory notes deadlocks of its locks; else nothing. */
  readonly stack: readonly string[]
}

export interface HoldEdge {
  readonly lock: GraphLock
  readonly thread: GraphThread
  readonly isAsync: boolean
  readonly mode: 'read' | 'write' | undefined
  /** Where it was taken, likewise. */
  readonly stack: readonly string[]
}

/** A wait, and what tells it from a later one of the same thread. */
export interface SeenWait extends WaitEdge {
  readonly record: number
  readonly ticket: number
  readonly since: number
}

export class WaitSnapshot {
  readonly threads = new Map<number, GraphThread>()
  readonly locks = new Map<number, GraphLock>()
  readonly waits: readonly SeenWait[]
  readonly holds: HoldEdge[] = []
  readonly #attachment: Attachment

  constructor(attachment: Attachment) {
    this.#attachment = attachment
    const waits: SeenWait[] = []
    for (const tid of runningThreads(attachment)) {
      for (const record of attachment.lot.recordsOf(slotOf(attachment.map.slotsAt, tid))) {
        const wait = this.#waitOf(record, tid)
        if (wait !== undefined) waits.push(wait)
      }
    }
    this.waits = waits.sort((a, b) => b.forMs - a.forMs)
    for (const found of everyLock(attachment)) {
      for (const { tid, isAsync, mode } of holdersOf(attachment, found)) {
        const stack = stackOf(attachment, holdEntryOf(attachment, tid, found.at))
        this.holds.push({ lock: this.#object(found), thread: this.#thread(tid), isAsync, mode, stack })
      }
    }
  }

  #waitOf(record: number, tid: number): SeenWait | undefined {
    const { cpu, thread } = this.#attachment
    if (cpu.load(record + WaitRecord.state) !== WAITING) return undefined
    const key0 = cpu.load(record + WaitRecord.key0)
    const key1 = cpu.load(record + WaitRecord.key1)
    const ticket = cpu.load(record + WaitRecord.ticket)
    const since = cpu.load(record + WaitRecord.since)
    const isAsync = cpu.load(record + WaitRecord.kind) === ASYNC
    if (cpu.load(record + WaitRecord.state) !== WAITING) return undefined
    const found = key0 === 0 ? objectAround(this.#attachment, key1) : undefined
    return {
      thread: this.#thread(tid),
      lock: found === undefined ? this.#word(key0, key1) : this.#object(found),
      isAsync,
      forMs: Math.max(0, (thread.now() - since) | 0),
      heldBy: found === undefined ? this.#ownersOf(key0, key1) : this.#holders(found, record),
      stack: found === undefined ? [] : this.#stackOf(tid, found.at),
      record,
      ticket,
      since,
    }
  }

  #stackOf(tid: number, lockAt: number): string[] {
    return stackOf(this.#attachment, waitEntryOf(this.#attachment, tid, lockAt))
  }

  /** Those that the wait of a record is for. */
  #holders(found: Around, record: number): GraphThread[] {
    const isReader = this.#attachment.cpu.load(record + WaitRecord.purpose) === RWLOCK_READ_PURPOSE
    return holdersOf(this.#attachment, found, isReader).map(({ tid }) => this.#thread(tid))
  }

  /** The kernel's own mutex is the only one outside of objects whose owner can be told. */
  #ownersOf(key0: number, key1: number): GraphThread[] {
    if (key0 !== 0 || key1 !== Superblock.directory) return []
    const tid = ownerOf(this.#attachment.lot, key1)
    return tid === 0 ? [] : [this.#thread(tid)]
  }

  #thread(tid: number): GraphThread {
    const known = this.threads.get(tid)
    if (known !== undefined) return known
    const { cpu, map } = this.#attachment
    const slot = slotOf(map.slotsAt, tid)
    const threadId = this.#attachment.threadIdOf(tid)
    const made: GraphThread = {
      id: tid,
      threadId,
      name: threadId < 0 ? '' : readText(cpu, slot + ThreadSlot.nameBytes, slot + ThreadSlot.name),
      label: this.#attachment.threadName(tid),
    }
    this.threads.set(tid, made)
    return made
  }

  #object(found: Around): GraphLock {
    const { cpu } = this.#attachment
    return this.#lock(found.at, () => ({
      kind: found.kind.name,
      name: nameOf(this.#attachment, cpu.load(found.at + objectEntry)),
      byte: found.at * 4,
      label: labelAround(this.#attachment, found),
    }))
  }

  #word(key0: number, key1: number): GraphLock {
    const byte = (key1 >>> 0) * 4
    return this.#lock(key1 + key0 * 2 ** 32, () => {
      const label = key0 === 0 ? this.#placeOf(key1, byte) : `a word of a process (${key0}, ${key1})`
      return { kind: 'word', name: undefined, byte, label }
    })
  }

  /** `byte 16 of Region 'counters'`. */
  #placeOf(word: number, byte: number): string {
    for (const at of this.#attachment.frames.cellsOf(REGION.layout.signature)) {
      const offset = byte - startByteOf(this.#attachment, at)
      if (offset < 0 || offset >= lengthOf(this.#attachment, at)) continue
      return `byte ${offset} of ${labelAround(this.#attachment, { kind: REGION, at })}`
    }
    return KERNEL_WORDS.get(word) ?? `a word at byte 0x${byte.toString(16)}`
  }

  #lock(key: number, make: () => GraphLock): GraphLock {
    const known = this.locks.get(key)
    if (known !== undefined) return known
    const made = make()
    this.locks.set(key, made)
    return made
  }
}

const KERNEL_WORDS = new Map([
  [Superblock.directory, 'the name directory'],
  [Superblock.heads, 'a name that another thread is giving'],
])

function holdersOf(attachment: Attachment, { kind, at }: Around, forReader = false): readonly Holder[] {
  return kind.holders?.(attachment, at, forReader) ?? []
}
