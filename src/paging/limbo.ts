/**
 * Limbo: frames that were taken away, until no thread can use an old translation of them. This is the shootdown.
 *
 *   volley = open()         a batch of this thread's (batch.ts)
 *   volley.take(entry)      a frame leaves its entry: nobody finds it any more
 *   volley.shoot(process)   gen += 2: who looks finds that its translations are old
 *   volley.close()          nobody else has to be shot
 *   drain()                 each process that was shot has acknowledged, is offline, or is dead; and no view is pinned
 *                           to the frame: it is retired, and freed when nobody walks the kernel any more (frames/retire.ts)
 *
 *   put(pfn)                a frame that its owner has unmapped itself while a view of it is pinned: nobody is shot
 *
 * drain() never waits, and runs whenever the magazine is filled again. When memory is out wait() goes offline, for two that
 * wait for each other must both be away, and waits at most 10 ms.
 *
 * Whom a dead thread has left waiting: the reaper inherits its batches (inherit()). One that was still open does not say
 * yet whom to shoot: everybody is.
 *
 * See: tlb_finish_mmu() and "lazy TLB" in Linux; quiescent states in RCU.
 */

import type { Frames } from '../frames/frames.ts'
import type { Attachment } from '../memory/attachment.ts'
import type { KindRepair } from '../memory/reaper.ts'
import { MustNotBlock } from '../threads/live-thread.ts'
import {
  append,
  awaited,
  closeBatch,
  firstIn,
  isOpen,
  LimboBatch,
  mendBatch,
  newBatch,
  shootFor,
  sweep,
  takeInto,
} from './batch.ts'
import { Pins } from './pins.ts'
import { TlbState } from './presence.ts'
import { processAt, type ProcessTable } from './processes.ts'
import { pfnOf } from './pte.ts'

export { LimboBatch } from './batch.ts'

const PRESSURE_WAIT_MS = 10
const STUCK_AFTER_MS = 1000
/** Of a batch whose frames stay pinned so many are looked at in a drain(), on average. */
const LOOKS_PER_DRAIN = 1024

interface Closed {
  readonly at: number
  readonly since: number
  /** Frames, those of runs counted each. */
  frames: number
  /** Drains to let pass before the pinned frames are looked at again. */
  pause: number
  wasTold: boolean
}

/** What is being taken away together. One thread's, and closed before that thread does anything else. */
export interface Volley {
  /**
   * Takes the frame of an entry that holds `old`: present or HIDDEN. False if the entry holds something else by now. The
   * caller holds the lock of the object that the entry's page belongs to.
   */
  take(entryAt: number, old: number): boolean
  /** Makes a process give up its translations, after all entries that it may have translated have been changed. */
  shoot(processIndex: number): void
  /** From here on the frames may leave limbo. */
  close(): void
}

export class Limbo {
  /** Told once for each batch that waits for a process longer than a second. */
  onStuck: ((processIndex: number, sinceMs: number) => void) | undefined
  readonly #frames: Frames
  readonly #processes: ProcessTable
  readonly #pins: Pins
  readonly #closed: Closed[] = []
  /** The batch of put(), which stays. */
  #loose: Closed | undefined

  constructor(frames: Frames, processes: ProcessTable) {
    this.#frames = frames
    this.#processes = processes
    this.#pins = new Pins(frames)
    frames.onDrain(() => this.drain())
    frames.onPressure(() => this.#relieve())
  }

  /** Frames that this thread has put here. */
  get pending(): number {
    return this.#closed.reduce((sum, { frames }) => sum + frames, this.#loose?.frames ?? 0)
  }

  /** Begins to take frames away. -ENOMEM if there is no memory to note that in. */
  open(): Volley | number {
    const frames = this.#frames
    const batch = newBatch(frames)
    if (batch < 0) return batch
    let taken = 0
    return {
      take: (entryAt, old) => {
        const isTaken = takeInto(frames, batch, entryAt, old)
        if (isTaken) taken += frames.framesOf(pfnOf(old))
        return isTaken
      },
      shoot: (processIndex) => {
        shootFor(frames, this.#processes, batch, processIndex)
      },
      close: () => {
        if (taken === 0) frames.freeCell(batch)
        else this.#close(batch, taken)
      },
    }
  }

  #close(batch: number, frames: number): Closed {
    closeBatch(this.#frames, batch)
    const since = this.#frames.thread.now()
    const closed = { at: batch, since, frames, pause: 0, wasTold: false }
    this.#closed.push(closed)
    return closed
  }

  /** Makes sure that put() finds its batch: later there may be no memory for it. 0 or -ENOMEM. */
  prepare(): number {
    if (this.#loose !== undefined) return 0
    const batch = newBatch(this.#frames)
    if (batch < 0) return batch
    closeBatch(this.#frames, batch)
    this.#loose = { at: batch, since: 0, frames: 0, pause: 0, wasTold: false }
    return 0
  }

  /**
   * A frame or run that its owner has taken out of every entry, with nobody else to be shot: it leaves when it is pinned no
   * longer. 0, or -ENOMEM (never after prepare()).
   */
  put(pfn: number): number {
    const error = this.prepare()
    if (error < 0 || this.#loose === undefined) return error
    const count = this.#frames.framesOf(pfn)
    append(this.#frames, this.#loose.at, pfn)
    this.#loose.frames += count
    this.#loose.pause = 0
    return 0
  }

  /** Frees what nobody can use any more. Never waits. Returns how many frames of this thread are still here. */
  drain(mustLook = false): number {
    const loose = this.#loose
    if (this.#closed.length === 0 && (loose === undefined || loose.frames === 0)) return 0
    // Once for all: every frame in a closed batch left its last entry before.
    const pinned = this.#pins.snapshot()
    const isPinned = (pfn: number) => pinned.covers(pfn, this.#frames.framesOf(pfn))
    if (loose !== undefined) this.#sweep(loose, isPinned, mustLook)
    for (let i = this.#closed.length; i-- > 0;) {
      const closed = this.#closed[i]
      const process = awaited(this.#frames, this.#processes, closed.at)
      if (process >= 0) {
        this.#tell(closed, process)
        continue
      }
      this.#sweep(closed, isPinned, mustLook)
      if (firstIn(this.#frames, closed.at) !== 0) continue
      this.#closed.splice(i, 1)
      this.#frames.freeCell(closed.at)
    }
    return this.pending
  }

  #sweep(closed: Closed, isPinned: (pfn: number) => boolean, mustLook: boolean): void {
    if (!mustLook && closed.pause-- > 0) return
    const frames = this.#frames
    sweep(frames, closed.at, (pfn) => {
      if (isPinned(pfn)) return false
      closed.frames -= frames.framesOf(pfn)
      frames.retireFrame(pfn)
      return true
    })
    closed.pause = Math.floor(closed.frames / LOOKS_PER_DRAIN)
  }

  #tell(closed: Closed, process: number): void {
    const sinceMs = (this.#frames.thread.now() - closed.since) | 0
    if (closed.wasTold || sinceMs <= STUCK_AFTER_MS) return
    closed.wasTold = true
    this.onStuck?.(process, sinceMs)
  }

  /**
   * Waits until nothing is pending, offline. False when the time is up, or when there is nothing to wait for but views that
   * are pinned.
   */
  wait(timeoutMs: number): boolean {
    const { cpu, thread } = this.#frames
    const began = thread.now()
    for (;;) {
      if (this.drain(true) === 0) return true
      const process = this.#firstAwaited()
      if (process < 0 || ((thread.now() - began) | 0) >= timeoutMs) return false
      const ackAt = processAt(this.#processes, process) + TlbState.ack
      thread.awaitChange(ackAt, cpu.load(ackAt))
    }
  }

  #firstAwaited(): number {
    for (const { at } of this.#closed) {
      const process = awaited(this.#frames, this.#processes, at)
      if (process >= 0) return process
    }
    return -1
  }

  /** Memory is out. True if that has freed something. */
  #relieve(): boolean {
    const before = this.pending
    if (before === 0) return false
    try {
      this.wait(PRESSURE_WAIT_MS)
    } catch (error) {
      if (!(error instanceof MustNotBlock)) throw error
    }
    return this.pending < before
  }

  /**
   * A batch of a dead thread becomes this thread's: what the dead was doing is finished, and if it had not said whom to
   * shoot, everybody is. An empty one is left for Frames.repair() to free. May be repeated after it threw MustNotBlock.
   */
  inherit(batch: number): void {
    const frames = this.#frames
    if (mendBatch(frames, batch) === 0) return
    if (isOpen(frames, batch)) {
      for (let index = 0; index < this.#processes.count; index++) {
        shootFor(frames, this.#processes, batch, index)
      }
    }
    let count = 0
    sweep(frames, batch, (pfn) => {
      count += frames.framesOf(pfn)
      return false
    })
    frames.cpu.store(batch, frames.thread.tid) // the reaper of the dead may change its cells
    this.#close(batch, count)
  }
}

/**
 * What the reaper does about the batches of a dead thread. It comes before the repairs of everything that has a lock under
 * which frames are taken: invariant 1 of batch.ts.
 */
export function limboRepair(limboOf: (attachment: Attachment) => Limbo): KindRepair {
  return {
    signature: LimboBatch.signature,
    unfinished: (attachment, at) => {
      limboOf(attachment).inherit(at)
    },
  }
}
