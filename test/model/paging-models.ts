/**
 * Processes with one entry each on a few frames: what the models of the paging floor share.
 *
 *   ThreadSlot i    ... counters, where no counter is: TlbState of process i, then its entries from word ENTRY on
 *   first frame     the slab of LimboBatches. What only the thread looks into that has one, and its reaper, are notes
 *   second frame    the slab of PinRecords, if there is one
 *   then            the frames that are mapped, taken away and freed
 */

import type { Frames } from '../../src/frames/frames.ts'
import { LimboBatch } from '../../src/paging/batch.ts'
import { Limbo } from '../../src/paging/limbo.ts'
import { repairLinks } from '../../src/paging/link.ts'
import { PinRecord } from '../../src/paging/pins.ts'
import { Presence, TlbState } from '../../src/paging/presence.ts'
import { processAt, type ProcessTable } from '../../src/paging/processes.ts'
import { isPresent, pfnOf, PRESENT, pteOf, WRITE } from '../../src/paging/pte.ts'
import type { Tlb } from '../../src/paging/tlb.ts'
import type { ModelThread, Snapshot } from '../../src/testing/model.ts'
import { assert } from '../../src/words/assert.ts'
import { ThreadSlot, tidOf } from '../../src/threads/slot.ts'
import { PAGE_WORDS } from '../../src/words/constants.ts'
import { kindOf, MAGAZINE, OWNED, SLAB, FREE, TAIL } from '../../src/frames/frame.ts'
import { flagsOf } from '../../src/frames/zone.ts'
import { framesWorld } from '../frames/model-world.ts'

/** Entries begin at this word of a process slot. */
const ENTRY = 8
/** A word of each frame that says what it is used for. */
export const CONTENT = 3

export type PagingWorld = ReturnType<typeof pagingWorld>

export function pagingWorld(threads: number, freeFrames: number, options: { pins?: boolean } = {}) {
  const world = framesWorld(threads, freeFrames)
  const { geometry, base } = world
  const processes: ProcessTable = {
    firstAt: ThreadSlot.counters,
    stride: ThreadSlot.sizeof,
    count: threads,
  }
  const firstPage = geometry.reservedFrames + (options.pins === true ? 2 : 1)
  const batchesAt = geometry.reservedFrames * PAGE_WORDS
  const isBatchNote = (at: number) =>
    at >= batchesAt &&
    at < batchesAt + PAGE_WORDS &&
    (at - batchesAt) % LimboBatch.sizeof >= LimboBatch.state &&
    (at - batchesAt) % LimboBatch.sizeof < LimboBatch.shot
  const isNote = base.notes as (at: number) => boolean
  const at = (index: number) => processAt(processes, index)
  const entryAt = (index: number, page = 0) => at(index) + ENTRY + page

  return {
    ...world,
    base: {
      ...base,
      notes: (word: number) => isNote(word) || isBatchNote(word),
      label: (word: number) => {
        for (let index = 0; index < threads; index++) {
          for (const field of ['gen', 'ack', 'online', 'tid'] as const) {
            if (word === at(index) + TlbState[field]) return `${field}${index}`
          }
          if (word >= entryAt(index) && word < entryAt(index) + 8)
            return `entry${index}.${word - entryAt(index)}`
        }
        if (word >= firstPage * PAGE_WORDS && word % PAGE_WORDS === CONTENT) {
          return `content${Math.floor(word / PAGE_WORDS)}`
        }
        return base.label?.(word)
      },
    },
    processes,
    at,
    entryAt,
    /** Counted up by processes, so that others know when to look again. */
    progressAt: entryAt(0, 7),
    firstPage,
    /** Slabs with a cell to spare; every process has its thread. */
    populate: (frames: Frames) => {
      const kinds = options.pins === true ? [LimboBatch, PinRecord] : [LimboBatch]
      kinds.forEach(({ signature, sizeof }, i) => {
        const cell = frames.allocCell(signature, sizeof)
        assert(
          cell === batchesAt + i * PAGE_WORDS,
          'the slabs come first: the free frames are a power of two',
        )
        frames.freeCell(cell)
      })
      for (let index = 0; index < threads; index++)
        frames.cpu.store(at(index) + TlbState.tid, tidOf(index, 1))
    },
    /** A frame with a content behind an entry, OWNED by the process or an object. */
    map: (frames: Frames, index: number, content: number, page = 0) => {
      const pfn = frames.allocFrame(true)
      frames.own(pfn, at(index))
      frames.cpu.store(pfn * PAGE_WORDS + CONTENT, content)
      frames.cpu.store(entryAt(index, page), pteOf(pfn, PRESENT | WRITE))
      return pfn
    },
    limbo: (frames: Frames) => new Limbo(frames, processes),
    /** What the reaper does: limbo, links, frames; then it waits until nothing of what it inherited is left. */
    repair: (frames: Frames, dead: number, steps: { links?: boolean; limbo?: boolean } = {}) => {
      const limbo = new Limbo(frames, processes)
      frames.takeOver(dead)
      if (steps.links !== false) repairLinks(frames, dead)
      if (steps.limbo !== false) {
        for (const cell of frames.unfinishedCellsOf(LimboBatch.signature, dead)) limbo.inherit(cell)
      }
      frames.repair(dead)
      return limbo
    },
    /** Frames that are neither free nor slabs. */
    inUse: ({ cpu }: Pick<Snapshot, 'cpu'>) => {
      const used: number[] = []
      for (let pfn = firstPage; pfn < geometry.frameCount; pfn++) {
        const kind = kindOf(flagsOf({ cpu, geometry }, pfn))
        if (kind !== FREE && kind !== TAIL && kind !== MAGAZINE && kind !== SLAB) used.push(pfn)
      }
      return used
    },
    /** Frames that are OWNED by a process. */
    isOwned: ({ cpu }: Pick<Snapshot, 'cpu'>, pfn: number) =>
      kindOf(flagsOf({ cpu, geometry }, pfn)) === OWNED,
  }
}

/** A TLB of one row. */
class OneRow implements Tlb {
  base = 0
  readBase(): number {
    return this.base
  }
  writeBase(): number {
    return this.base
  }
  fill(_pageAddress: number, base: number): void {
    this.base = base
  }
  forget(): void {
    this.base = 0
  }
  clear(): void {
    this.base = 0
  }
}

/** What a process does with its page, by the steps of the MMU; lives in one operation. */
export class Translator {
  readonly presence: Presence
  readonly tlb = new OneRow()
  readonly #thread: ModelThread
  readonly #entryAt: number

  constructor(
    thread: ModelThread,
    at: number,
    entryAt: number,
    PresenceClass: new (...args: ConstructorParameters<typeof Presence>) => Presence = Presence,
  ) {
    this.#thread = thread
    this.#entryAt = entryAt
    this.presence = new PresenceClass(thread.cpu, at, this.tlb, () => undefined)
  }

  /** Word index of the frame of the page, or 0: it is gone. As Mmu.translate(). */
  translate(): number {
    const { cpu } = this.#thread
    for (;;) {
      if (cpu.plainLoad(this.presence.genAt) !== this.presence.seen) this.presence.sync()
      if (this.tlb.base !== 0) return this.tlb.base
      const pte = cpu.load(this.#entryAt)
      if (!isPresent(pte)) return 0
      this.tlb.fill(0, pfnOf(pte) * PAGE_WORDS)
    }
  }

  /** Looks at the page, if it is there, and changes it: it must be what it was. */
  access(content: number): void {
    const base = this.translate()
    if (base === 0) return
    this.touch(base, content)
  }

  touch(base: number, content: number): void {
    const seen = this.#thread.cpu.exchange(base + CONTENT, content)
    this.#thread.assert(seen === content, 'a page is accessed in a frame that is somebody else’s')
  }
}
