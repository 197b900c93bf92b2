/**
 * Held frames: the few frames whose words a process waits at, pinned while it does.
 *
 *   a PinRecord (pins.ts) that stays live as long as the process
 *            ┌────────┬────────────┬───────┬──────────┬────────┬───┬────────┬───┬─ ... ─┐
 *            │ status │ generation │ space │ runCount │ pfn, 0 │ 1 │ pfn, 0 │ 1 │       │     a place each
 *            └────────┴────────────┴───────┴──────────┴────────┴───┴────────┴───┴─ ... ─┘
 *
 * A wait goes offline, so what was translated before it says nothing after it. But the word that the lot knows the wait by
 * is that of a frame: the frame must stay what it is until the thread has looked at the word again. A view publishes a
 * record of its own for that; a lock is taken a thousand times as often, so here it is one store.
 *
 *   the process                                        who takes the frame away
 *   translate; place = pfn                             change the entry ─► gen += 2 ─► wait until the process has
 *   wait, offline                                      acknowledged or is offline ─► look at the places ─► free it
 *
 * So no second look is needed, as a view's record needs one: until the process acknowledges or goes offline nobody looks at
 * the places, and it fills one before. What it holds may have left its page meanwhile; it stays the same frame.
 *
 * A place that is empty names frame 0, which is never anybody's. What a process unmaps itself cannot be held: it has one
 * thread, and that waits.
 *
 * A death: the record stays until the worker has exited, as those of views do (Pins.releaseAll).
 */

import type { Frames } from '../frames/frames.ts'
import { PAGE_WORDS } from '../words/constants.ts'
import type { Mmu } from './mmu.ts'
import { CHANGING, PinRecord } from './pins.ts'
import type { AccessKind } from './translation.ts'

/** How many words a process may wait at, at a time: a condition and its mutex, or the two of a futex call. */
const PLACES = 4

const { space: spaceField, runCount, runs, sizeof, signature } = PinRecord

export class HeldFrames {
  declare private readonly frames: Frames
  declare private readonly mmu: Pick<Mmu, 'wordOf'>
  declare private readonly spaceAt: number
  /** The record, or 0 before it is needed. */
  private record = 0

  constructor(frames: Frames, mmu: Pick<Mmu, 'wordOf'>, spaceAt: number) {
    this.frames = frames
    this.mmu = mmu
    this.spaceAt = spaceAt
  }

  /** Makes sure that hold() has its record. It may wait for memory. 0 or -ENOMEM. */
  prepare(): number {
    if (this.record !== 0) return 0
    const { frames } = this
    const { cpu } = frames
    const record = frames.allocCell(signature, sizeof)
    if (record < 0) return record
    cpu.plainStore(record + spaceField, this.spaceAt)
    cpu.plainStore(record + runCount, PLACES | CHANGING)
    for (let place = 0; place < PLACES; place++) cpu.plainStore(record + runs + 2 * place + 1, 1)
    frames.publishCell(record)
    this.record = record
    return 0
  }

  /**
   * The word of the memory where an aligned address lies, and lies until release(): for as long its frame is this. Throws
   * as an access would. prepare() has succeeded.
   */
  hold(place: number, address: number, access: AccessKind): number {
    const word = this.mmu.wordOf(address, access)
    // Release: pairs with the load in Pins, which comes after this thread's next acknowledgement, or after it went offline.
    this.frames.cpu.store(this.record + runs + 2 * place, Math.floor(word / PAGE_WORDS))
    return word
  }

  /** The word is not looked at any more. */
  release(place: number): void {
    // Release: pairs with the load in Pins. The last access came before.
    this.frames.cpu.store(this.record + runs + 2 * place, 0)
  }
}
