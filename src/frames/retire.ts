/**
 * Retirement: the kernel's own grace period. What was unlinked is freed when nobody can be walking it any more.
 *
 *   reader                                   who takes away
 *   inKernel = odd                           unlink: no new reader finds it
 *   load the link, walk, use                 retire: FRAME flags = RETIRED, owner; CELL status = tid | RETIRED_CELL
 *   inKernel = even                          drain: look at all slots; those that are odd now are waited for
 *                                                   each is even, or has changed: free
 *
 * A simple form of RCU (McKenney: quiescent-state-based reclamation). It covers what other threads walk: page tables, VMA
 * and object records. Translations are covered by acknowledgements (paging), which are another matter.
 *
 * Dekker: the reader stores `inKernel`, then loads the link; the other stores the link, then loads `inKernel`. Either the
 * reader finds nothing, or it is waited for.
 *
 * That something is retired, and by whom, stands in the frame table and in the cell: that is the truth, which the reaper
 * finds and adopts (owner = the reaper; it waits for a grace period of its own). The lists below are this thread's index.
 *
 * Whoever is inside may wait, but for nobody's grace period: for the next instructions of another thread (an entry that is
 * TAKEN, a frame that is about to be owned), or, when memory is out, up to 10 ms for frames in limbo. What is retired
 * meanwhile waits as long.
 *
 * Invariants
 *  1. `inKernel` is written by its thread only: odd while it is inside, even before it waits for anything at all.
 *  2. Nothing is retired before it is unlinked for everybody.
 *  3. A thread that is dead reads no more, but its reaper reads its notes: what they point at must not be another thing by
 *     then. So it is waited for until it is reaped.
 */

import { CLAIMED, FREE, slotIndexOf, stateOf, ThreadSlot, tidOfState } from '../threads/slot.ts'
import { assert } from '../words/assert.ts'
import { Frame, kindOf, RETIRED, withKind } from './frame.ts'
import { RETIRED_CELL, unpublishCell } from './slab.ts'
import type { Access } from './access.ts'
import { flagsOf, frameAt, setFlags } from './zone.ts'

const { state, inKernel, sizeof } = ThreadSlot

/** This thread begins to walk structures that others may unlink. Not to be nested (Frames does). */
export function enterKernel({ cpu, thread }: Access): void {
  const now = cpu.plainLoad(thread.at + inKernel)
  assert((now & 1) === 0, 'a thread that is inside the kernel enters it')
  cpu.store(thread.at + inKernel, (now + 1) | 0) // one half of Dekker; the other is in Retirement.#watch()
}

/** This thread keeps no address of such a structure any more. */
export function leaveKernel({ cpu, thread }: Access): void {
  const now = cpu.plainLoad(thread.at + inKernel)
  assert((now & 1) === 1, 'a thread that is not inside the kernel leaves it')
  // Release: pairs with the loads in Retirement.#isOver(). What was read inside has been read.
  cpu.store(thread.at + inKernel, (now + 1) | 0)
}

/** How retired things are freed when their time has come. */
export interface Undertaker {
  freeRetiredFrame(pfn: number): void
  freeRetiredCell(at: number): void
}

interface Reader {
  readonly slot: number
  readonly tid: number
  readonly inKernel: number
}

/** What one thread has retired and not yet freed. */
export class Retirement {
  readonly #access: Access
  /** Frames by pfn, cells by ~at. Retired since #readers were looked at. */
  #fresh: number[] = []
  /** Retired before that. */
  #waiting: number[] = []
  #readers: Reader[] = []

  constructor(access: Access) {
    this.#access = access
  }

  /** Frames and cells that are not yet freed. */
  get pending(): number {
    return this.#fresh.length + this.#waiting.length
  }

  /** Retires a frame or run that was unlinked and is this thread's to free. */
  retireFrame(pfn: number): void {
    this.adoptFrame(pfn)
  }

  /** Retires a live cell that was unlinked. 0, or -ESTALE if somebody else has released it. */
  retireCell(at: number): number {
    const result = unpublishCell(this.#access, at, this.#access.cpu.load(at), RETIRED_CELL)
    if (result === 0) this.#fresh.push(~at)
    return result
  }

  /** Makes this thread the one that frees a frame: one it retires, or one that a dead thread had retired. */
  adoptFrame(pfn: number): void {
    const { cpu, geometry, thread } = this.#access
    cpu.plainStore(frameAt(geometry, pfn) + Frame.owner, thread.tid)
    setFlags(this.#access, pfn, withKind(flagsOf(this.#access, pfn), RETIRED))
    this.#fresh.push(pfn)
  }

  /** Makes this thread the one that frees a cell that a dead thread had retired. */
  adoptCell(at: number): void {
    const { cpu, thread } = this.#access
    cpu.store(at, thread.tid | RETIRED_CELL)
    this.#fresh.push(~at)
  }

  /** Frees what nobody can be walking any more. Never waits. Returns how many frames and cells are still pending. */
  drain(undertaker: Undertaker): number {
    while (this.pending > 0) {
      if (this.#waiting.length === 0) {
        this.#waiting = this.#fresh
        this.#fresh = []
        this.#watch()
      }
      if (!this.#isOver()) break
      for (let item = this.#waiting.pop(); item !== undefined; item = this.#waiting.pop()) {
        if (item >= 0) this.#freeFrame(undertaker, item)
        else undertaker.freeRetiredCell(~item)
      }
    }
    return this.pending
  }

  /** A reaper's free throws where others wait for the zone lock: what is still RETIRED then, it comes back to. */
  #freeFrame(undertaker: Undertaker, pfn: number): void {
    try {
      undertaker.freeRetiredFrame(pfn)
    } catch (error) {
      if (kindOf(flagsOf(this.#access, pfn)) === RETIRED) this.#waiting.push(pfn)
      throw error
    }
  }

  /** Notes who is inside. All that is waiting was unlinked before: the other half of Dekker in enterKernel(). */
  #watch(): void {
    const { cpu, geometry } = this.#access
    this.#readers = []
    for (let index = 0; index < geometry.slotCount; index++) {
      const slot = geometry.slotsAt + index * sizeof
      const seen = cpu.load(slot + state)
      if (!hasThread(seen)) continue
      const inside = cpu.load(slot + inKernel)
      if ((inside & 1) === 1) {
        this.#readers.push({ slot, tid: tidOfState(index, seen), inKernel: inside })
      }
    }
  }

  /** True when each of them has left, or was reaped. */
  #isOver(): boolean {
    const { cpu } = this.#access
    return !this.#readers.some(({ slot, tid, inKernel: inside }) => {
      const seen = cpu.load(slot + state)
      return (
        hasThread(seen) && tidOfState(slotIndexOf(tid), seen) === tid && cpu.load(slot + inKernel) === inside
      )
    })
  }
}

/** RUNNING, or dead and not yet reaped. */
function hasThread(word: number): boolean {
  return stateOf(word) !== FREE && stateOf(word) !== CLAIMED
}
