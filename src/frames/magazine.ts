/**
 * The magazine: up to 31 single frames that a thread allocates from and frees into without any lock.
 *
 *   slot.magazine   ┌───────┬─────┬─────┬─────┬───────────┐
 *                   │ count │ pfn │ pfn │ pfn │ 0 ...     │   words 0, 1 ... 31; the newest is at [count]
 *                   └───────┴─────┴─────┴─────┴───────────┘
 *
 * After Bonwick and Adams, "Magazines and Vmem" (USENIX 2001), and Linux's per-CPU page lists: refilled and drained in
 * batches of 16, so that the zone lock is taken once for 16 frames.
 *
 * The truth is in the frame table: MAGAZINE, owner = the thread. The words above are an index for the owner, who alone
 * reads and writes them (the reaper empties them, last). So it does not matter where between two lines the owner dies:
 *
 *   pop     flags = FLOATING ─► count - 1        FLOATING or MAGAZINE: the reaper frees what the dead owned as either
 *   push    owner, flags = MAGAZINE ─► [count + 1] ─► count + 1
 *   refill  under the zone lock: flags = MAGAZINE (the commit of the allocation) ─► push
 *   drain   under the zone lock: flags = FREE (the commit of the free) ─► count - 1
 *
 * Invariant
 *  1. While its thread is not inside one of these, a frame is MAGAZINE by a thread if and only if it is in its list.
 */

import { ThreadSlot } from '../threads/slot.ts'
import { freeBlockLocked, takeAlignedLocked } from './buddy.ts'
import { MAGAZINE, VIRGIN } from './frame.ts'
import type { Access } from './access.ts'
import { flagsOf, lockZone, unlockZone } from './zone.ts'

const { magazine } = ThreadSlot

export const MAGAZINE_CAPACITY = 31
export const BATCH = 16

/** The newest frame of the magazine, which stays in it until popFrame(), or 0. */
export function newestFrame({ cpu, thread }: Access): number {
  const list = thread.at + magazine
  const count = cpu.plainLoad(list)
  return count === 0 ? 0 : cpu.plainLoad(list + count)
}

/** Takes the newest frame out of the list. Its flags say already what it is from now on. */
export function popFrame({ cpu, thread }: Access): void {
  const list = thread.at + magazine
  cpu.plainStore(list, cpu.plainLoad(list) - 1)
}

/** Puts a frame into the list, which is not full. Its flags and owner say MAGAZINE already. */
export function pushFrame({ cpu, thread }: Access, pfn: number): void {
  const list = thread.at + magazine
  const count = cpu.plainLoad(list) + 1
  cpu.plainStore(list + count, pfn)
  cpu.plainStore(list, count)
}

/** Frames in this thread's magazine. */
export function framesInMagazine({ cpu, thread }: Access): number {
  return cpu.plainLoad(thread.at + magazine)
}

/** Takes up to a batch of frames from the zone into the empty magazine. False if there was none. */
export function refill(access: Access): boolean {
  lockZone(access)
  let taken = 0
  for (; taken < BATCH; taken++) {
    const pfn = takeAlignedLocked(access, 0, MAGAZINE)
    if (pfn === 0) break
    pushFrame(access, pfn)
  }
  unlockZone(access)
  return taken > 0
}

/** Gives frames back to the zone until at most `keep` are left. */
export function drain(access: Access, keep: number): void {
  if (framesInMagazine(access) <= keep) return
  lockZone(access)
  while (framesInMagazine(access) > keep) {
    const pfn = newestFrame(access)
    freeBlockLocked(access, pfn, 0, flagsOf(access, pfn) & VIRGIN)
    popFrame(access)
  }
  unlockZone(access)
}
