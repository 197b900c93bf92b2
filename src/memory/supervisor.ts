/**
 * The supervisor: the worker that notices deaths, and keeps the registry of memories. One for each Node process and layout.
 *
 * It never blocks: it tries, and comes back. It runs no user code. Each thread has a private port to it, which Node closes
 * within milliseconds of the thread's end, whatever that end was; the close proves that the thread's JavaScript is dead.
 *
 * Invariants
 *  1. A slot is set RUNNING only while this supervisor listens to a port of its thread.
 *  2. A death is reaped in every memory where the thread has a slot, and in each only once (state words decide).
 *  3. A memory that a death has left to nobody is checked, and poisoned if that fails.
 */

import { loadEmbedded } from '../host/embedded.ts'
import type { MessagePort } from '../host/workers.ts'
import { broadcast, onBroadcast, onThreadMessage, threadId, warn } from '../host/workers.ts'
import { MustNotBlock, NonBlockingThread } from '../threads/live-thread.ts'
import {
  ASLEEP,
  CLAIMED,
  FREE,
  grantClaim,
  MAINS_PORT,
  NO_PORT,
  moveState,
  OWN_PORT,
  RUNG,
  slotOf,
  stateOf,
  SUPERVISOR_SLOT,
  ThreadSlot,
  tidOfState,
} from '../threads/slot.ts'
import { Attachment, attachReserved, view } from './attachment.ts'
import { problemsAtRest } from './check.ts'
import { collectSoon } from './collection.ts'
import { Destroyed } from './destroyed.ts'
import type { ExtensionModule, SupervisorExtension, SupervisorHost } from './extension.ts'
import { poisonEverybody } from './poison.ts'
import {
  isProtocol,
  labelOf,
  supervisorChannel,
  type Adopt,
  type Aside,
  type Extend,
  type Forgotten,
  type Offer,
  type SupervisorData,
  type Supply,
  type ToSupervisor,
  type Want,
} from './protocol.ts'
import { kindProblems, reap, type KindRepair, type MoreSteps } from './reaper.ts'
import { memoryIdIn, NamedMemory } from './shared-memory.ts'
import { POISON_CHECK_FAILED, POISON_DESTROYED, Superblock } from './superblock.ts'

const RETRY_MS = 1
const DRAIN_MS = 20

interface Kept {
  readonly offer: Offer
  readonly attachment: Attachment
}

export class Supervisor {
  readonly #module: WebAssembly.Module
  readonly #repairs: KindRepair[]
  readonly #extensions = new Map<number, SupervisorExtension>()
  readonly #kept = new Map<string, Kept>()
  readonly #watched = new Set<number>()
  /** The private ports of all threads that it watches, and of the one that started it. */
  readonly #ports = new Set<MessagePort>()
  /** Whoever asks for one of these need not wait. */
  readonly #forgotten = new Destroyed()
  /** Threads that asked for a memory which its maker has not registered yet. */
  readonly #wanting: Want[] = []

  constructor(data: SupervisorData, repairs: readonly KindRepair[]) {
    this.#module = data.module
    this.#repairs = [...repairs]
    for (const id of data.destroyed) this.#forgotten.add(id)
    for (const offer of data.offers.splice(0)) this.#keep(offer)
    this.#listen(data.port)
    data.port.ref() // this worker lives as long as its process; its parent holds no handle to it
    onThreadMessage((message) => {
      if (isProtocol(message, 'adopt')) this.#adopt(message as Adopt)
    })
    onBroadcast(supervisorChannel(threadId), (message) => {
      if (isProtocol(message, 'aside')) this.#onAside(message as Aside)
    })
  }

  #listen(port: MessagePort): void {
    port.on('message', (message: ToSupervisor) => {
      this.#onMessage(message)
    })
    this.#ports.add(port)
    port.on('close', () => {
      this.#ports.delete(port)
    })
  }

  #onAside({ from, message }: Aside): void {
    this.#onMessage(message)
    // What it made or claimed came after it was buried.
    if (!this.#watched.has(from)) this.#buryEverywhere(from)
  }

  #onMessage(message: ToSupervisor): void {
    switch (message.pageframe) {
      case 'adopt':
        this.#adopt(message)
        break
      case 'attach':
        this.#letRun(message.memory, message.tid, NO_PORT)
        break
      case 'register':
        this.#keep(message.offer)
        break
      case 'forget':
        this.#forget(message.memory)
        break
      case 'want':
        if (!this.#supply(message)) this.#wanting.push(message)
        break
      case 'alive':
        break // to be heard at all was the answer
      case 'exited':
        this.#onDeath(message.threadId)
        for (const extension of this.#extensions.values()) extension.onExit(message.threadId)
        break
      case 'extend':
        this.#extend(message)
        break
      case 'to extension':
        this.#extensions.get(message.extension)?.onMessage(message.message)
        break
    }
  }

  #extend({ extension, source }: Extend): void {
    if (this.#extensions.has(extension)) return
    const { extend } = loadEmbedded(source) as ExtensionModule
    const loaded = extend(this.#host)
    this.#extensions.set(extension, loaded)
    this.#repairs.push(...loaded.repairs)
  }

  readonly #host: SupervisorHost = {
    attachmentOf: (memory) => this.#kept.get(memory)?.attachment,
    watch: (threadId, port) => {
      this.#watch(threadId, port)
    },
    onDeath: (threadId) => {
      this.#onDeath(threadId)
    },
    abandon: (memory) => {
      const kept = this.#kept.get(memory)
      if (kept === undefined) return
      poisonEverybody(kept.attachment, POISON_DESTROYED)
      this.#forget(memory)
    },
  }

  #keep(offer: Offer): void {
    if (this.#forgotten.has(offer.id)) return // what its maker said by two ways has changed places
    const seen = view(offer.backing, this.#module, labelOf(offer))
    const { slot, tid } = attachReserved(seen, SUPERVISOR_SLOT, 'supervisor')
    const thread = new NonBlockingThread(seen.cpu, seen.words, slot, tid, 0)
    this.#kept.set(offer.id, { offer, attachment: new Attachment(offer.id, offer.name, seen, thread) })
    this.#answer()
  }

  /** Who has asked too early, or for what is no more by now. */
  #answer(): void {
    for (const want of this.#wanting.splice(0)) {
      if (!this.#supply(want)) this.#wanting.push(want)
    }
  }

  #forget(memory: string): void {
    const kept = this.#kept.get(memory)
    this.#kept.delete(memory)
    this.#forgotten.add(memory)
    // To all of them: a thread may have been handed it that has no slot there.
    for (const port of this.#ports) port.postMessage({ pageframe: 'forgotten', memory } satisfies Forgotten)
    for (const extension of this.#extensions.values()) extension.onForgotten(memory)
    this.#answer()
    if (kept !== undefined) collectSoon(kept.attachment.buffer.byteLength)
  }

  #watch(threadId: number, port: MessagePort): void {
    this.#listen(port)
    port.on('close', () => {
      this.#onDeath(threadId)
    })
    this.#watched.add(threadId)
  }

  #adopt({ threadId, memory, tid, port, byMain }: Adopt): void {
    this.#watch(threadId, port)
    this.#letRun(memory, tid, byMain ? MAINS_PORT : OWN_PORT)
  }

  #letRun(memory: string, tid: number, port: number): void {
    const kept = this.#kept.get(memory)
    if (kept === undefined) return
    const { cpu, map } = kept.attachment
    if (!grantClaim(cpu, map.slotsAt, tid, port)) return // both of its ports came through, or it has given up
    cpu.add(Superblock.signsOfSupervisor, 1)
    if (port !== NO_PORT) cpu.add(Superblock.signsOfMain, 1) // by way of it
    this.#ring(kept.attachment, slotOf(map.slotsAt, tid) + ThreadSlot.park)
  }

  #supply(want: Want): boolean {
    const kept = this.#kept.get(want.memory)
    if (kept === undefined && !this.#forgotten.has(want.memory)) return false
    broadcast(want.replyTo, { pageframe: 'supply', memory: want.memory, offer: kept?.offer } satisfies Supply)
    const home = this.#kept.get(want.ringIn)
    if (home !== undefined) this.#ring(home.attachment, want.ringAt)
    return true
  }

  #ring(attachment: Attachment, bell: number): void {
    if (attachment.cpu.exchange(bell, RUNG) === ASLEEP) attachment.thread.ring(bell)
  }

  #onDeath(threadId: number): void {
    if (this.#watched.delete(threadId)) this.#buryEverywhere(threadId)
  }

  #buryEverywhere(threadId: number): void {
    for (const { attachment } of this.#kept.values()) this.#bury(attachment, threadId)
  }

  /** Frees what the dead had retired, as soon as nobody can be walking it. */
  #drain(attachment: Attachment): void {
    if (!this.#kept.has(attachment.id)) return
    if (drained(attachment)) return
    setTimeout(() => {
      this.#drain(attachment)
    }, DRAIN_MS)
  }

  /** Reaps every slot of a dead thread in one memory; comes back if it would have to wait. */
  #bury(attachment: Attachment, threadId: number): void {
    if (!this.#kept.has(attachment.id)) return
    const { cpu, map } = attachment
    let mustComeBack = false
    for (let index = 0; index < map.frames.slotCount; index++) {
      if (index === SUPERVISOR_SLOT) continue
      const slot = map.slotsAt + index * ThreadSlot.sizeof
      const word = cpu.load(slot + ThreadSlot.state)
      if (stateOf(word) === FREE || cpu.load(slot + ThreadSlot.threadId) !== threadId) continue
      const tid = tidOfState(index, word)
      if (moveState(cpu, map.slotsAt, tid, CLAIMED, FREE)) continue // owned nothing yet
      try {
        this.#endUnnamed(attachment, tid)
        reap(attachment, tid, this.#repairs, this.#moreSteps)
      } catch (error) {
        if (error instanceof MustNotBlock) {
          mustComeBack = true // perhaps for a lock that another slot of the same dead thread holds: go on with that
          continue
        }
        // What the reaper cannot repair nobody may go on with.
        poisonEverybody(attachment, POISON_CHECK_FAILED)
        throw error
      }
    }
    if (mustComeBack) {
      setTimeout(() => {
        this.#bury(attachment, threadId)
      }, RETRY_MS)
      return
    }
    for (const extension of this.#extensions.values()) extension.onReaped(attachment, threadId)
    this.#recount(attachment, threadId)
    this.#drain(attachment)
  }

  readonly #moreSteps: MoreSteps = {
    first: (attachment, dead) => {
      for (const extension of this.#extensions.values()) extension.mend(attachment, dead)
    },
    last: (attachment, dead) => {
      for (const extension of this.#extensions.values()) extension.reap(attachment, dead)
    },
  };

  *#problems(attachment: Attachment): Generator<string> {
    yield* kindProblems(attachment, this.#repairs)
    for (const extension of this.#extensions.values()) yield* extension.check(attachment)
  }

  /** After the death of the last one: whoever comes next shall not trip over what is torn. */
  #recount(attachment: Attachment, threadId: number): void {
    const problems = problemsAtRest(attachment, () => this.#problems(attachment))
    if (problems.length === 0) return
    poisonEverybody(attachment, POISON_CHECK_FAILED)
    const [first, ...more] = problems
    const others = more.length === 0 ? '' : ` (and ${more.length} more)`
    warn(
      `memory '${attachment.label}' is poisoned: its check failed after the death of thread ${threadId}: ${first}${others}`,
    )
  }

  /** Memories whose name the dead was giving, or taking away to destroy them: nobody would find them again. */
  #endUnnamed(home: Attachment, dead: number): void {
    for (const at of home.frames.unfinishedCellsOf(NamedMemory.signature, dead)) {
      const id = memoryIdIn(home, at)
      const kept = this.#kept.get(id)
      if (kept !== undefined) poisonEverybody(kept.attachment, POISON_DESTROYED)
      if (id !== '') this.#forget(id)
    }
  }
}

function drained(attachment: Attachment): boolean {
  try {
    return attachment.frames.drainRetired() === 0
  } catch (error) {
    if (error instanceof MustNotBlock) return false
    throw error
  }
}
