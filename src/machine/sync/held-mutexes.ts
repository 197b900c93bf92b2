/**
 * The robust mutexes that a process holds: a list in the machine's memory, which the reaper walks when the process has died.
 *
 *   process slot: held = pfn ──►  0      1   2     3      4     5             1022  1023
 *                               ┌──────┬───┬─────┬──────┬─────┬──────┬─ ... ─┬─────┬──────┐
 *                               │ next │   │ low │ high │ low │ high │       │ low │ high │     one frame; `next`: pfn of
 *                               └──────┴───┴─────┴──────┴─────┴──────┴─ ... ─┴─────┴──────┘     another one, or 0
 *
 *   low   0: a free place. Else bit 0 set, and the lowest 30 bits of the mutex's virtual address above it
 *   high  the other bits of the address
 *
 *   lock      note the address ─► take the lock; if that fails, clear the note
 *   unlock    give the lock back ─► clear the note
 *
 * So a lock that is held is noted, whenever the process dies. A note says nothing for itself: the mutex's word has the
 * owner's id. Addresses are virtual, as in Linux's robust list, and are translated by the dead process's table, before its
 * space is taken apart: what the process has unmapped is not looked at, and stays locked (Linux: the same). There is no
 * limit (Linux looks at 2,048 and gives up).
 *
 * Written by     the process. `high` before `low`: a place is filled by one store
 * Read by        the reaper, after the death
 * A death        before a frame is linked: it is OWNED by the space, whose teardown frees it
 *
 * See: kernel/futex/core.c, exit_robust_list(); Documentation/locking/robust-futexes.rst.
 */

import type { Attachment } from '../../memory/attachment.ts'
import { PAGE_WORDS } from '../../words/constants.ts'
import { ENOMEM } from '../../words/errno.ts'

const NEXT = 0
const FIRST_PLACE = 2
const LOW_BITS = 30
const LOW_MASK = 2 ** LOW_BITS - 1

/** The process's own access to its list. What it keeps in JavaScript only says where free places are. */
export class HeldMutexes {
  readonly #attachment: Attachment
  readonly #spaceAt: number
  /** Word indices of free places, the last to be used first. */
  readonly #free: number[] = []
  /** First words of the frames, and the word that links the next. */
  readonly #frames = new Set<number>()
  #linkAt: number

  constructor(attachment: Attachment, wordAt: number, spaceAt: number) {
    this.#attachment = attachment
    this.#spaceAt = spaceAt
    this.#linkAt = wordAt
  }

  /** Makes sure that note() finds a place: it may wait for memory. 0 or -ENOMEM. */
  reserve(): number {
    if (this.#free.length > 0) return 0
    const { cpu, frames } = this.#attachment
    const pfn = frames.allocFrame()
    if (pfn < 0) return -ENOMEM
    frames.own(pfn, this.#spaceAt)
    const base = pfn * PAGE_WORDS
    for (let at = base + PAGE_WORDS - 2; at >= base + FIRST_PLACE; at -= 2) this.#free.push(at)
    this.#frames.add(base)
    cpu.store(this.#linkAt, pfn)
    this.#linkAt = base + NEXT
    return 0
  }

  /** Notes that a mutex is about to be locked. The place, for clear(). */
  note(address: number): number {
    const { cpu } = this.#attachment
    const place = this.#free.pop() ?? 0
    cpu.plainStore(place + 1, Math.floor(address / 2 ** LOW_BITS))
    // Before the lock is taken: the compareExchange of that orders them.
    cpu.plainStore(place, lowOf(address))
    return place
  }

  /** The mutex at a place is not held (any more). `place` comes from memory of the program's: it may be anything. */
  clear(place: number): void {
    const { cpu } = this.#attachment
    if (
      !this.#frames.has(place - (place % PAGE_WORDS)) ||
      place % 2 !== 0 ||
      place % PAGE_WORDS < FIRST_PLACE
    )
      return
    if (cpu.plainLoad(place) === 0) return
    cpu.plainStore(place, 0)
    this.#free.push(place)
  }

  /** Mutexes that are held, or being locked. */
  get count(): number {
    return this.#frames.size * ((PAGE_WORDS - FIRST_PLACE) / 2) - this.#free.length
  }
}

/** Bit 0 says that the place is filled: addresses of mutexes are multiples of 4. */
function lowOf(address: number): number {
  return (address % 2 ** LOW_BITS) | 1
}

/** The frames of the list of a process. */
export function* heldFrames({ cpu }: Attachment, wordAt: number): Generator<number> {
  for (let pfn = cpu.load(wordAt); pfn !== 0; pfn = cpu.load(pfn * PAGE_WORDS + NEXT)) yield pfn
}

/** The addresses in the list of a dead process. */
export function* heldAddresses(attachment: Attachment, wordAt: number): Generator<number> {
  const { cpu } = attachment
  for (const pfn of heldFrames(attachment, wordAt)) {
    for (let at = pfn * PAGE_WORDS + FIRST_PLACE; at < (pfn + 1) * PAGE_WORDS; at += 2) {
      const low = cpu.plainLoad(at)
      if (low !== 0) yield cpu.plainLoad(at + 1) * 2 ** LOW_BITS + (low & LOW_MASK & ~1)
    }
  }
}
