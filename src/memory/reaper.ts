/**
 * The reaper: what returns when a thread has died.
 *
 *   RUNNING ── the supervisor heard of the death ──► DEAD ──► REAPING ── every step done ──► FREE
 *
 * Steps, in order; each may be repeated, and looks at the truth only:
 *   0  zone     the allocator's lock, if the dead held it: the other steps allocate and free
 *   1  sync     buckets and waits (sync/repair.ts), the directory's lock. Who waits for what the dead was destroying is told
 *      first    a page that the dead was linking into a table is linked
 *   2  kinds    what a kind of object does about its dead user: a robust mutex is handed on, a channel publishes
 *      last     what the dead held that is no object of a kind: a process's address space
 *   3  making   objects that the dead was making or destroying: what they had allocated
 *   4  names    those that it had reserved are free again, and whoever waits for them looks (naming.ts)
 *   5  frames   frames, cells, magazines, limbo (frames/repair.ts)
 *
 * The floors above register their steps by kind; the supervisor's bundle holds them all. A step that would have to wait
 * throws MustNotBlock, and the whole is tried again a millisecond later: the supervisor has to hear other deaths.
 */

import { releaseDead } from '../sync/mutex.ts'
import { repairSync } from '../sync/repair.ts'
import { DEAD, FREE, moveState, REAPING, RUNNING, slotOf, ThreadSlot } from '../threads/slot.ts'
import type { Attachment } from './attachment.ts'
import { whileNothingEnds } from './directory.ts'
import { repairNames } from './naming.ts'
import { Superblock } from './superblock.ts'

/** What one kind of object needs after a death. `at` is a cell of that kind. */
export interface KindRepair {
  readonly signature: number
  /** A LIVE object that the dead may have been using. */
  readonly afterDeath?: (attachment: Attachment, at: number, dead: number) => void
  /** An object that the dead was making or destroying: frees what it may have allocated; its cell is freed next. */
  readonly unfinished?: (attachment: Attachment, at: number) => void
  /** What does not add up in a LIVE object of a memory at rest, in sentences. */
  readonly check?: (attachment: Attachment, at: number) => Iterable<string>
}

/** What the kinds find in a memory at rest. */
export function* kindProblems(attachment: Attachment, repairs: readonly KindRepair[]): Generator<string> {
  for (const { signature, check } of repairs) {
    if (check === undefined) continue
    for (const at of attachment.frames.cellsOf(signature)) yield* check(attachment, at)
  }
}

/** The steps of the floors above that are not about a kind of object. */
export interface MoreSteps {
  readonly first?: (attachment: Attachment, dead: number) => void
  readonly last?: (attachment: Attachment, dead: number) => void
}

/** Reaps a dead thread. Throws MustNotBlock if a lock is held by another: call again. */
export function reap(
  attachment: Attachment,
  dead: number,
  repairs: readonly KindRepair[],
  more: MoreSteps = {},
): void {
  const { cpu, map, lot, frames } = attachment
  moveState(cpu, map.slotsAt, dead, RUNNING, DEAD)
  moveState(cpu, map.slotsAt, dead, DEAD, REAPING)
  frames.takeOver(dead)
  const ending = [...frames.unfinishedRanges(dead)]
  const isEnding = (word: number) => ending.some(({ from, to }) => word >= from && word < to)
  repairSync(lot, dead, isEnding, (work) => {
    releaseDead(lot, Superblock.directory, dead)
    whileNothingEnds(attachment, work)
  })
  for (const { from, to } of ending) lot.endWaits(from, to)
  releaseDead(lot, Superblock.lockGraph, dead)
  more.first?.(attachment, dead)
  for (const { signature, afterDeath, unfinished } of repairs) {
    if (afterDeath !== undefined) for (const at of frames.cellsOf(signature)) afterDeath(attachment, at, dead)
    if (unfinished !== undefined)
      for (const at of frames.unfinishedCellsOf(signature, dead)) unfinished(attachment, at)
  }
  more.last?.(attachment, dead)
  repairNames(attachment, dead)
  frames.repair(dead)
  cpu.store(slotOf(map.slotsAt, dead) + ThreadSlot.threadId, -1) // the next claimer is somebody else from its first moment
  moveState(cpu, map.slotsAt, dead, REAPING, FREE)
  lot.ringEverybody() // those who wait for a thread slot, or for what the dead had
}
