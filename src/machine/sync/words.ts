/**
 * What the synchronization calls of a process work with: its thread's lot, and the words behind its addresses.
 *
 *   address ─► word     good until the thread may wait: for the fast paths      mmu.wordOf
 *           ─► held     good until release(): for everything else               paging/held-frames.ts
 *
 * Pages are faulted in for writing first. So in private memory the word is one of a frame of the process's own, and two
 * processes that map one object meet at one word, wherever it lies in their spaces: that word is the key of a wait.
 */

import type { Cpu } from '../../host/cpu.ts'
import type { Attachment } from '../../memory/attachment.ts'
import { HeldFrames } from '../../paging/held-frames.ts'
import { OFFSET, type AccessKind } from '../../paging/translation.ts'
import type { Space } from '../../space/space.ts'
import type { Lot } from '../../sync/lot.ts'
import { PAGE_SIZE } from '../../words/constants.ts'
import { EINVAL, ENOMEM, ErrnoError } from '../../words/errno.ts'
import { HeldMutexes } from './held-mutexes.ts'

/** Places of words that are held: of the object itself, and of the mutex of a condition, or a second futex. */
export const FIRST = 0
export const SECOND = 1

export class SyncWords {
  readonly space: Space
  readonly attachment: Attachment
  readonly lot: Lot
  readonly cpu: Cpu
  readonly tid: number
  readonly heldMutexes: HeldMutexes
  readonly #held: HeldFrames

  constructor(space: Space, heldWordAt: number) {
    const { attachment } = space.kernel
    this.space = space
    this.attachment = attachment
    this.lot = attachment.lot
    this.cpu = attachment.cpu
    this.tid = attachment.thread.tid
    this.#held = new HeldFrames(attachment.frames, space.mmu, space.at)
    this.heldMutexes = new HeldMutexes(attachment, heldWordAt, space.at)
  }

  /** The word where an object of so many bytes lies, until this thread may wait. -EINVAL: not aligned. */
  find(address: number, bytes: number, access: AccessKind = 'write'): number {
    return isObjectAddress(address, bytes) ? this.space.mmu.wordOf(address, access) : -EINVAL
  }

  /** The word where an aligned address lies until release(). Throws ENOMEM, and as an access would. */
  hold(place: number, address: number, access: AccessKind = 'write'): number {
    if (this.#held.prepare() < 0) {
      throw new ErrnoError(ENOMEM, 'wait', this.attachment.noMemory('a wait', 128))
    }
    return this.#held.hold(place, address, access)
  }

  release(place: number): void {
    this.#held.release(place)
  }

  /** Runs `work`, which may block, with an object held. -EINVAL: not aligned. */
  withHeld(address: number, bytes: number, work: (at: number) => number): number {
    if (!isObjectAddress(address, bytes)) return -EINVAL
    const at = this.hold(FIRST, address)
    try {
      return work(at)
    } finally {
      this.release(FIRST)
    }
  }

  /** Runs a blocking wait of the program's own: while it lasts the process can be ended (process.ts). */
  waiting(describe: () => string, work: () => number): number {
    return this.attachment.waiting(describe, work)
  }
}

/** An object of C's needs its alignment; ours also lies in one page, as everything of 64 bytes on a line of its own does. */
export function isObjectAddress(address: number, bytes: number): boolean {
  return Number.isInteger(address) && (address & 3) === 0 && (address & OFFSET) <= PAGE_SIZE - bytes
}
