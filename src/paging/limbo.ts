/**
 * Limbo: frames that were taken away, until no thread can use an old translation of them. This is the shootdown.
 *
 *   volley = open()         a batch of this thread's (batch.ts)
 *   volley.take(entry)      a frame leaves its entry: nobody finds it any more
 *   volley.shoot(process)   gen += 2: who looks finds that its translations are old
 *   volley.close()          nobody else has to be shot: from here on the batch is everybody's
 *   drain()                 each process that was shot has acknowledged, is offline, or is dead; and no view is pinned
 *                           to the frame: it is retired, and freed when nobody walks the kernel any more (frames/retire.ts)
 *
 *   put(pfn)                a frame that its owner has unmapped itself while a view of it is pinned: nobody is shot
 *
 * Whoever needs memory drains, whosoever's the frames were: who took them away may be idle. drain() never waits, and runs
 * whenever a magazine is filled again. When memory is out wait() goes offline, for two that wait for each other must both be
 * away, and waits at most 10 ms.
 *
 * What a dead thread was filling, or looking through, the reaper makes everybody's too (inherit()). A batch that was still
 * open does not say yet whom to shoot: everybody is.
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
  batchProblems,
  closeBatch,
  framesIn,
  isOpen,
  isTold,
  LimboBatch,
  mendBatch,
  newBatch,
  setClosed,
  shootFor,
  sweep,
  takeInto,
} from './batch.ts'
import { Pins, type PinnedFrames } from './pins.ts'
import { TlbState } from './presence.ts'
import { processAt, type ProcessTable } from './processes.ts'

export { LimboBatch } from './batch.ts'

const PRESSURE_WAIT_MS = 10
const STUCK_AFTER_MS = 1000
/** Of a batch whose frames stay pinned so many are looked at in a drain(), on average. */
const LOOKS_PER_DRAIN = 1024
const MOST_PAUSES = 1000

/** What is being taken away together. One thread's, and closed before that thread does anything else. */
export interface Volley {
  /**
   * Takes the frame of an entry that holds `old`: present or HIDDEN. False if the entry holds something else by now. The
   * caller holds the lock of the object that the entry's page belongs to.
   */
  take(entryAt: number, old: number): boolean
  /** Makes a process give up its translations, after all entries that it may have translated have been changed. */
  shoot(processIndex: number): void
  /** The same for all: when a dead thread has changed entries, and nobody knows whose. */
  shootEverybody(): void
  /** From here on the frames may leave limbo. */
  close(): void
}

export class Limbo {
  /** Told once for each batch that waits for a process longer than a second. */
  onStuck: ((processIndex: number, sinceMs: number) => void) | undefined
  readonly #frames: Frames
  readonly #processes: ProcessTable
  readonly #pins: Pins
  /** The batch of put(), which stays this thread's; 0 before it is needed. */
  #loose = 0
  /** Drains to let pass before the frames of a batch that are pinned are looked at again: by its generation. */
  readonly #pauses = new Map<number, number>()

  constructor(frames: Frames, processes: ProcessTable) {
    this.#frames = frames
    this.#processes = processes
    this.#pins = new Pins(frames)
    frames.onDrain(() => this.drain())
    frames.onPressure(() => this.#relieve())
  }

  /** Frames that are here, whoever has put them here; not counted what others have put() or are looking through. */
  get pending(): number {
    const frames = this.#frames
    let count = this.#loose === 0 ? 0 : framesIn(frames, this.#loose)
    for (const batch of frames.cellsOf(LimboBatch.signature)) count += framesIn(frames, batch)
    return count
  }

  /** Begins to take frames away. -ENOMEM if there is no memory to note that in. */
  open(): Volley | number {
    const frames = this.#frames
    const batch = newBatch(frames)
    if (batch < 0) return batch
    return {
      take: (entryAt, old) => takeInto(frames, batch, entryAt, old),
      shoot: (processIndex) => {
        shootFor(frames, this.#processes, batch, processIndex)
      },
      shootEverybody: () => {
        this.#shootEverybody(batch)
      },
      close: () => {
        if (framesIn(frames, batch) === 0) frames.freeCell(batch)
        else closeBatch(frames, batch)
      },
    }
  }

  /** Makes sure that put() finds its batch: later there may be no memory for it. 0 or -ENOMEM. */
  prepare(): number {
    if (this.#loose !== 0) return 0
    const batch = newBatch(this.#frames)
    if (batch < 0) return batch
    setClosed(this.#frames, batch)
    this.#loose = batch
    return 0
  }

  /**
   * A frame or run that its owner has taken out of every entry, with nobody else to be shot: it leaves when it is pinned no
   * longer. 0, or -ENOMEM (never after prepare()).
   */
  put(pfn: number): number {
    const error = this.prepare()
    if (error < 0) return error
    append(this.#frames, this.#loose, pfn)
    this.#pauses.delete(this.#frames.generationOf(this.#loose))
    return 0
  }

  /** Frees what nobody can use any more, whoever has put it here. Never waits. Returns how many frames are still here. */
  drain(mustLook = false): number {
    const frames = this.#frames
    let pinned: PinnedFrames | undefined
    // Looked for after its frames left their last entry: before the batch was live.
    const isPinned = (pfn: number) => (pinned ??= this.#pins.snapshot()).covers(pfn, frames.framesOf(pfn))
    if (this.#loose !== 0 && framesIn(frames, this.#loose) > 0) this.#sweep(this.#loose, isPinned, mustLook)
    for (const batch of frames.cellsOf(LimboBatch.signature)) {
      pinned = undefined
      this.#drainBatch(batch, isPinned, mustLook)
    }
    return this.pending
  }

  /** A batch that was live a moment ago. */
  #drainBatch(batch: number, isPinned: (pfn: number) => boolean, mustLook: boolean): void {
    const frames = this.#frames
    // Acquire: pairs with the store in publishCell(). Of this batch is what follows, or else unpublishCell() fails: somebody
    // else is at it by now, or it is another one.
    const generation = -frames.cpu.load(batch)
    if (generation <= 0) return
    const process = awaited(frames, this.#processes, batch)
    if (process >= 0) {
      this.#tell(batch, generation, process)
      return
    }
    if (frames.unpublishCell(batch, generation) < 0) return
    if (this.#sweep(batch, isPinned, mustLook) === 0) {
      this.#pauses.delete(generation)
      frames.freeCell(batch)
    } else frames.publishCell(batch)
  }

  /** Frees what is not pinned of a batch that is this thread's. Returns how many frames stay. */
  #sweep(batch: number, isPinned: (pfn: number) => boolean, mustLook: boolean): number {
    const frames = this.#frames
    const generation = frames.generationOf(batch)
    const pause = this.#pauses.get(generation) ?? 0
    if (!mustLook && pause > 0) {
      this.#pauses.set(generation, pause - 1)
      return framesIn(frames, batch)
    }
    const left = sweep(frames, batch, (pfn) => {
      if (isPinned(pfn)) return false
      frames.retireFrame(pfn)
      return true
    })
    if (this.#pauses.size > MOST_PAUSES) this.#pauses.clear()
    if (left >= LOOKS_PER_DRAIN) this.#pauses.set(generation, Math.floor(left / LOOKS_PER_DRAIN))
    return left
  }

  #tell(batch: number, generation: number, process: number): void {
    const frames = this.#frames
    if (this.onStuck === undefined) return
    const sinceMs = (frames.thread.now() - frames.cpu.load(batch + LimboBatch.since)) | 0
    if (sinceMs <= STUCK_AFTER_MS || frames.unpublishCell(batch, generation) < 0) return
    const wasTold = isTold(frames, batch)
    frames.publishCell(batch)
    if (!wasTold) this.onStuck(process, sinceMs)
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
    for (const batch of this.#frames.cellsOf(LimboBatch.signature)) {
      const process = awaited(this.#frames, this.#processes, batch)
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
   * A batch of a dead thread, filled or being looked through, becomes everybody's: what the dead was doing is finished, and
   * if it had not said whom to shoot, everybody is. An empty one is left for Frames.repair() to free. May be repeated after
   * it threw MustNotBlock.
   */
  inherit(batch: number): void {
    const frames = this.#frames
    if (mendBatch(frames, batch) === 0) return
    if (isOpen(frames, batch)) this.#shootEverybody(batch)
    closeBatch(frames, batch)
  }

  #shootEverybody(batch: number): void {
    for (let index = 0; index < this.#processes.count; index++) {
      shootFor(this.#frames, this.#processes, batch, index)
    }
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
    check: (attachment, at) => batchProblems(attachment.frames, at),
  }
}
