/**
 * waitGraph(): who waits for what, and who holds it, in one memory at this moment.
 *
 *   thread 1 ──waits for──► Mutex 'a' ──held by──► thread 2 ──waits for──► Mutex 'b' ──held by──► thread 1
 *
 * Built from the truth, which is there anyway: the wait records of all threads, and the words of the locks, which name
 * their owners. Nothing is locked, and nobody is slowed down; what is seen is as good as the moment it is asked in.
 *
 * A cycle of threads that are all asleep never ends, save by a time-out or a death; it is looked for twice, and reported if
 * it was there both times: what stayed so in between was so at one moment. An asynchronous wait stops a task and not its
 * thread, whose other tasks may hold what closes the cycle: such a cycle is reported as not certain.
 */

// The kinds that it knows, whoever asks.
import '../channel/channel.ts'
import '../locks/diagnostics/index.ts'

import { holdEntryOf, stackOf, waitEntryOf } from '../locks/diagnostics/ledger.ts'
import { everyLock, labelAround, objectAround, type Around } from '../memory/around.ts'
import type { Attachment } from '../memory/attachment.ts'
import { runningThreads } from '../memory/check.ts'
import { attachmentById, defaultAttachment } from '../memory/inventory.ts'
import { handleIn, type Handle, type Holder } from '../memory/kind.ts'
import { nameOf, objectEntry } from '../memory/directory.ts'
import { lengthOf, REGION, startByteOf } from '../memory/region.ts'
import { readText, Superblock } from '../memory/superblock.ts'
import { ownerOf } from '../sync/mutex.ts'
import { RWLOCK_READ_PURPOSE } from '../sync/rwlock-word.ts'
import { ASYNC, WAITING, WaitRecord } from '../sync/wait-record.ts'
import { slotOf, ThreadSlot } from '../threads/slot.ts'
import { showDuration, typeError } from '../words/usage.ts'
import { withText, type Texted } from './text.ts'

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

/** Each waits for what the next one's thread holds, and the last for what the first one's does. */
export interface WaitCycle {
  readonly waits: readonly WaitEdge[]
  /** All of its threads are asleep: it cannot end by itself. */
  readonly isCertain: boolean
}

export interface WaitGraph {
  readonly threads: readonly GraphThread[]
  readonly locks: readonly GraphLock[]
  /** The longest first. */
  readonly waits: readonly WaitEdge[]
  readonly holds: readonly HoldEdge[]
  readonly cycles: readonly WaitCycle[]
}

/**
 * Who waits for what in a memory, and who holds it. `memory` is a SharedMemory, the default one if absent. As a text: a line
 * for each wait and each cycle.
 */
export function waitGraph(memory?: Handle): WaitGraph & Texted {
  return graphOf(attachmentFor('waitGraph()', memory))
}

/** The memory that somebody asks about. */
export function attachmentFor(call: string, memory: Handle | undefined): Attachment {
  if (memory === undefined) return defaultAttachment()
  const handle = handleIn(memory)
  if (handle?.$pageframe !== 'SharedMemory') throw typeError(call, 'memory', 'a SharedMemory', memory)
  return attachmentById(handle.memory)
}

/** The same for those who have the attachment. */
export function graphOf(attachment: Attachment): WaitGraph & Texted {
  const graph = new Snapshot(attachment)
  const suspected = cyclesOf(graph.waits)
  const again = suspected.length === 0 ? [] : cyclesOf(new Snapshot(attachment).waits)
  const cycles = suspected.filter((cycle) => again.some((other) => isSame(cycle, other)))
  return withText(
    {
      threads: [...graph.threads.values()],
      locks: [...graph.locks.values()],
      waits: graph.waits,
      holds: graph.holds,
      cycles: cycles.map((waits) => ({ waits, isCertain: waits.every(({ isAsync }) => !isAsync) })),
    },
    textOf,
  )
}

// ── one look ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** A wait, and what tells it from a later one of the same thread. */
interface SeenWait extends WaitEdge {
  readonly record: number
  readonly ticket: number
  readonly since: number
}

class Snapshot {
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
    const made: GraphThread = {
      id: tid,
      threadId: this.#attachment.threadIdOf(tid),
      name: readText(cpu, slot + ThreadSlot.nameBytes, slot + ThreadSlot.name),
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

// ── cycles ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Every cycle that some wait is in, each once: the shortest that leads back to its first wait. */
export function cyclesOf<W extends WaitEdge>(waits: readonly W[]): W[][] {
  const byThread = new Map<number, W[]>()
  for (const wait of waits) {
    const before = byThread.get(wait.thread.id)
    if (before === undefined) byThread.set(wait.thread.id, [wait])
    else before.push(wait)
  }
  const cycles: W[][] = []
  const known = new Set<W>()
  for (const wait of waits) {
    if (known.has(wait)) continue
    const cycle = shortestBack(wait, byThread)
    if (cycle === undefined) continue
    cycles.push(cycle)
    for (const each of cycle) known.add(each)
  }
  return cycles
}

/** Breadth first from a wait to one for what its own thread holds. */
function shortestBack<W extends WaitEdge>(
  first: W,
  byThread: ReadonlyMap<number, readonly W[]>,
): W[] | undefined {
  const cameFrom = new Map<W, W | undefined>([[first, undefined]])
  const queue = [first]
  for (const wait of queue) {
    for (const holder of wait.heldBy) {
      // A task that waits for another task of its own thread is no cycle: the thread goes on.
      const isBack = holder.id === first.thread.id && !(wait === first && first.isAsync)
      if (isBack) return pathTo(wait, cameFrom)
      if (holder.id === wait.thread.id) continue
      for (const next of byThread.get(holder.id) ?? []) {
        if (cameFrom.has(next)) continue
        cameFrom.set(next, wait)
        queue.push(next)
      }
    }
  }
  return undefined
}

function pathTo<W>(last: W, cameFrom: ReadonlyMap<W, W | undefined>): W[] {
  const path: W[] = []
  for (let wait: W | undefined = last; wait !== undefined; wait = cameFrom.get(wait)) path.unshift(wait)
  return path
}

function isSame(cycle: readonly SeenWait[], other: readonly SeenWait[]): boolean {
  const key = (waits: readonly SeenWait[]) =>
    waits
      .map(({ record, ticket, since }) => `${record} ${ticket} ${since}`)
      .sort()
      .join()
  return key(cycle) === key(other)
}

// ── text ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function textOf({ waits, cycles }: Omit<WaitGraph, keyof Texted>): string {
  if (waits.length === 0) return 'nobody waits\n'
  const lines = waits.map((wait) => `${lineOf(wait)}\n`)
  const endless = cycles.map((cycle) => `\n${showCycle(cycle)}`)
  return lines.concat(endless).join('')
}

function lineOf({ thread, lock, isAsync, forMs, heldBy }: WaitEdge): string {
  const how = isAsync ? ' asynchronously' : ''
  const holders = heldBy.length === 0 ? '' : `, held by ${heldBy.map(({ label }) => label).join(', ')}`
  return `${thread.label} waits${how} for ${lock.label} (${showDuration(forMs)})${holders}`
}

/** A cycle, a line for each of its waits. */
export function showCycle({ waits, isCertain }: WaitCycle): string {
  const title = isCertain ? 'deadlock:' : 'perhaps a deadlock (a thread whose task waits may go on):'
  const lines = waits.map(({ thread, lock, isAsync, stack }, index) => {
    const next = waits[(index + 1) % waits.length].thread
    const line = `  ${thread.label} waits${isAsync ? ' asynchronously' : ''} for ${lock.label}, which ${next.label} holds`
    return [line, ...stack.map((caller) => `    ${caller}`)].map((each) => `${each}\n`).join('')
  })
  return `${title}\n${lines.join('')}`
}
