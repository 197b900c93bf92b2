/**
 * Naming: a name stands for one object, and exactly one of all the threads that want it makes that.
 *
 *               ┌──────── it cannot be made, or its maker dies ────────┐
 *               ▼                                                      │
 *   nobody has the name ── entry linked, status tid ──► RESERVED ── make, with no lock held ──► BOUND, status -generation
 *                                                          │                                      │
 *                          other threads that want it sleep here, and look again ◄────────────────┘
 *
 * What makes an object may run for long, and allocate: then those who can free memory are asked, and may open names.
 *
 * Invariants
 *  1. A thread makes only what it has reserved; it reserves by linking, in the directory's lock, an entry that it builds.
 *  2. bind: entry.object, object.entry, object LIVE, entry LIVE. No lock is needed: nobody finds the object before the last
 *     store. If its maker dies in between, the reaper does the last store; before the object is LIVE, it frees the entry.
 *  3. Whoever ends a reservation does that first, and wakes everybody who waits for a name then: one key for all of them,
 *     in the lot. A sleeper looks, under the bucket's lock, whether the reservation that it met has ended.
 *  4. A reserved entry `awaits` another while its maker waits for that: written in the directory's lock, and only if no
 *     way leads back to an entry of the same maker. So makers never wait for each other in a circle: EDEADLK.
 */

import type { Lot } from '../sync/lot.ts'
import { BUSY, waitBlocked, type Waitable } from '../sync/wait.ts'
import { EDEADLK, ErrnoError } from '../words/errno.ts'
import { verbOf } from '../words/usage.ts'
import type { Attachment } from './attachment.ts'
import {
  entryLocked,
  hasObject,
  inscribe,
  keyOf,
  linkLocked,
  NameEntry,
  objectEntry,
  unlinkLocked,
  withDirectory,
  withDirectoryFree,
  type Key,
} from './directory.ts'
import { Superblock } from './superblock.ts'

const { status, generation, object, awaits } = NameEntry

/** All waits for names: the lot's key, and the record's purpose. */
const WAITED_FOR = Superblock.heads
const NAME_PURPOSE = 10

/** What somebody wants of a name. */
export interface Wanted<T> {
  /** The signature of the kind's name. */
  readonly kind: number
  readonly name: string
  readonly call: string
  /** There is such an object. The directory is locked, so that nobody destroys it meanwhile: to allocate is forbidden. */
  readonly found: (at: number) => T
}

export interface Makeable<T> extends Wanted<T> {
  /** There is none, and it is this thread that makes it: a built cell, not yet published. Throws, with nothing left behind. */
  readonly make: () => { readonly at: number; readonly made: T }
}

/** What `found` makes of the object of a name, or undefined if there is none. Waits for one that is being made. */
export function find<T>(attachment: Attachment, wanted: Wanted<T>): T | undefined {
  return settle(attachment, wanted, keyOf(wanted.kind, wanted.name, wanted.call), 0)
}

/** What `found` or `make` makes of a name. Exactly one thread makes; the others wait, and make if it could not. */
export function findOrMake<T>(attachment: Attachment, wanted: Makeable<T>): T {
  const { frames } = attachment
  const key = keyOf(wanted.kind, wanted.name, wanted.call)
  const there = settle(attachment, wanted, key, 0)
  if (there !== undefined) return there

  const entry = frames.allocCell(NameEntry.signature, NameEntry.sizeof)
  if (entry < 0) {
    throw new ErrnoError(
      entry,
      verbOf(wanted.call),
      attachment.noMemory(`the name '${wanted.name}'`, NameEntry.sizeof * 4),
    )
  }
  let isReserved = false
  try {
    inscribe(attachment, entry, key)
    const late = settle(attachment, wanted, key, entry)
    isReserved = late === undefined
    if (late !== undefined) return late
    return makeReserved(attachment, wanted, entry)
  } finally {
    if (!isReserved) frames.freeCell(entry)
  }
}

/** Makes the object of a name that this thread has reserved, and binds it. */
function makeReserved<T>(attachment: Attachment, wanted: Makeable<T>, entry: number): T {
  const { cpu, frames } = attachment
  const outer = attachment.making
  let result
  try {
    attachment.making = entry
    if (outer !== 0) cpu.store(outer + awaits, entry)
    result = wanted.make()
  } catch (error) {
    withDirectory(attachment, () => {
      unlinkLocked(attachment, entry)
    })
    frames.freeCell(entry)
    wakeWaiters(attachment.lot)
    throw error
  } finally {
    attachment.making = outer
    if (outer !== 0) cpu.store(outer + awaits, 0)
  }
  const { at, made } = result
  cpu.store(entry + object, at)
  cpu.store(at + objectEntry, entry)
  frames.publishCell(at)
  frames.publishCell(entry) // the commit
  wakeWaiters(attachment.lot)
  return made
}

/** Waits until nobody makes the object. What `found` makes of it; or undefined, with the name reserved if `mine` is an entry. */
function settle<T>(attachment: Attachment, wanted: Wanted<T>, key: Key, mine: number): T | undefined {
  const { cpu } = attachment
  for (;;) {
    let result: T | undefined
    const reservation = withDirectory(attachment, () => {
      const entry = entryLocked(attachment, key)
      if (entry === 0) {
        if (mine !== 0) linkLocked(attachment, mine)
        return undefined
      }
      const maker = cpu.load(entry + status)
      if (maker > 0) return reservedLocked(attachment, wanted, entry, maker)
      result = wanted.found(cpu.load(entry + object))
      return undefined
    })
    if (reservation === undefined) return result
    awaitEnd(attachment, wanted, reservation)
  }
}

/** Another thread makes it: says whom to wait for. EDEADLK if that thread waits, in the end, for this one. */
function reservedLocked(
  attachment: Attachment,
  { call, name }: Wanted<unknown>,
  entry: number,
  maker: number,
): Reservation {
  const { cpu, thread, making } = attachment
  if (making !== 0) {
    let other = entry
    while (other !== 0 && cpu.load(other + status) > 0) {
      if (cpu.load(other + status) === thread.tid) {
        const who =
          maker === thread.tid
            ? 'this thread is making it'
            : `${attachment.threadName(maker)} is making it and waits for what this thread is making`
        throw new ErrnoError(EDEADLK, verbOf(call), `${call} '${name}': ${who}; to wait here would never end`)
      }
      other = cpu.load(other + awaits)
    }
    cpu.store(making + awaits, entry)
  }
  return new Reservation(entry, maker, cpu.load(entry + generation))
}

function awaitEnd(attachment: Attachment, { call, name }: Wanted<unknown>, reservation: Reservation): void {
  const { maker } = reservation
  attachment.waiting(
    () => `${call} '${name}': ${attachment.threadName(maker)} is making it`,
    () => waitBlocked(attachment.lot, reservation, WAITED_FOR, Infinity),
  )
  if (attachment.making !== 0) attachment.cpu.store(attachment.making + awaits, 0)
}

/** A reservation that a thread has met, to be waited for until it ends. */
class Reservation implements Waitable {
  readonly purpose = NAME_PURPOSE
  readonly maker: number
  readonly #entry: number
  readonly #generation: number

  constructor(entry: number, maker: number, generationThen: number) {
    this.maker = maker
    this.#entry = entry
    this.#generation = generationThen
  }

  take(lot: Lot): number {
    return this.announce(lot) ? BUSY : 0
  }

  /** The cell may be another entry by now, of the same thread even. */
  announce({ cpu }: Lot): boolean {
    const isSame = cpu.load(this.#entry + generation) === this.#generation
    return isSame && cpu.load(this.#entry + status) === this.maker
  }

  accept(): number {
    return BUSY
  }

  passOn(): void {
    // Everybody was woken.
  }
}

function wakeWaiters(lot: Lot): void {
  const woken: number[] = []
  const bucket = lot.lockBucket(0, WAITED_FOR)
  lot.wakeLocked(bucket, 0, WAITED_FOR, Infinity, woken)
  lot.unlockBucket(bucket)
  lot.ring(woken)
}

/**
 * The reaper: names that a dead thread had reserved are free again, or bound if only that was left to do. Before its cells
 * are freed, since the entries are linked; may be repeated. Throws MustNotBlock while somebody has the directory locked.
 */
export function repairNames(attachment: Attachment, dead: number): void {
  const { cpu, frames, lot, thread } = attachment
  const entries = [...frames.unfinishedCellsOf(NameEntry.signature, dead)]
  if (entries.length > 0) {
    withDirectoryFree(attachment, () => {
      for (const entry of entries) {
        if (hasObject(attachment, entry)) {
          frames.publishCell(entry)
          continue
        }
        unlinkLocked(attachment, entry)
        cpu.compareExchange(entry, dead, thread.tid)
        frames.freeCell(entry)
      }
    })
  }
  // Also those whom the dead had not come to wake.
  wakeWaiters(lot)
}
