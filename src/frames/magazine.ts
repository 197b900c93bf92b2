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
 * The truth is in the frame table: MAGAZINE by slot, owner = the thread. The words above are an index for the owner, who
 * alone writes them (the reaper empties them, last). So it does not matter where between two lines the owner dies:
 *
 *   take    compareExchange MAGAZINE by me ─► FLOATING, then count - 1    the reaper frees what the dead owned as either
 *   push    owner, flags = MAGAZINE ─► [count + 1] ─► count + 1
 *   refill  under the zone lock: flags = FLOATING for the frame that is wanted, then for each that is not yet
 *           flags = MAGAZINE (the commit of the allocation) ─► push
 *   drain   under the zone lock: flags = FREE (the commit of the free) ─► count - 1
 *
 * An allocation that fails takes back what lies in the magazines of all, asleep or not: a frame there may split the run
 * that is wanted, or be the last one. (Linux: drain_all_pages() in mm/page_alloc.c, before it gives up.)
 *
 *   drainMagazines   under the zone lock: compareExchange MAGAZINE by anybody ─► FREE (the commit of the free)
 *
 * Of it and take() one wins, and the owner's list goes on naming what it lost. It finds that out when it comes to it: what
 * is not MAGAZINE by its slot it drops. If the frame came to this thread again meanwhile, it is listed twice; one of the
 * two takes it, and the other finds it gone.
 *
 * Invariants
 *  1. While its thread is not inside one of these, a frame that is MAGAZINE by a slot is in its list.
 *  2. Nobody but a thread itself makes a frame MAGAZINE by its slot. So between its look at the flags and its
 *     compareExchange they cannot come back: either nothing has happened, or it fails.
 */

import { slotIndexOf, ThreadSlot } from '../threads/slot.ts'
import { freeBlockLocked, mergeLocked, takeAlignedLocked } from './buddy.ts'
import {
  blockFlags,
  FLOATING,
  Frame,
  kindOf,
  MAGAZINE,
  magazineFlags,
  magazineSlotOf,
  VIRGIN,
} from './frame.ts'
import type { Access, Physical } from './access.ts'
import { visitChunk } from './truth.ts'
import { chunkCount, countLocked, flagsOf, frameAt, lockZone, unlockZone, Zone } from './zone.ts'

const { magazine, sizeof } = ThreadSlot

export const MAGAZINE_CAPACITY = 31
export const BATCH = 16

/** Takes a frame out of this thread's magazine: it is FLOATING, and VIRGIN still if it was. 0 if there is none. */
export function takeFrame(access: Access): number {
  const { cpu, geometry, thread } = access
  const list = thread.at + magazine
  for (let count = cpu.plainLoad(list); count > 0; count--) {
    const pfn = cpu.plainLoad(list + count)
    const at = frameAt(geometry, pfn) + Frame.flags
    const seen = cpu.load(at)
    const isTaken =
      isInMagazineOf(seen, slotIndexOf(thread.tid)) &&
      cpu.compareExchange(at, seen, FLOATING | (seen & VIRGIN)) === seen
    cpu.plainStore(list, count - 1)
    if (isTaken) return pfn
  }
  return 0
}

/** Puts a frame of this thread's into its magazine, which is not full. */
export function putFrame(access: Access, pfn: number): void {
  const { cpu, geometry, thread } = access
  cpu.plainStore(frameAt(geometry, pfn) + Frame.owner, thread.tid)
  cpu.store(frameAt(geometry, pfn) + Frame.flags, magazineFlags(slotIndexOf(thread.tid), 0))
  pushFrame(access, pfn)
}

function pushFrame({ cpu, thread }: Access, pfn: number): void {
  const list = thread.at + magazine
  const count = cpu.plainLoad(list) + 1
  cpu.plainStore(list + count, pfn)
  cpu.plainStore(list, count)
}

/** Length of this thread's list: at least the frames in its magazine. */
export function listedFrames({ cpu, thread }: Access): number {
  return cpu.plainLoad(thread.at + magazine)
}

/** As takeFrame(), from the zone; up to `more` others go into the magazine, which is empty. 0 if the zone has none. */
export function refill(access: Access, more: number): number {
  const flags = magazineFlags(slotIndexOf(access.thread.tid), 0)
  lockZone(access)
  // Not by way of the magazine: when memory is short others would take it out of there, and both would go on trying.
  const wanted = takeAlignedLocked(access, 0, FLOATING)
  for (let taken = 0; wanted !== 0 && taken < more; taken++) {
    const pfn = takeAlignedLocked(access, 0, flags)
    if (pfn === 0) break
    pushFrame(access, pfn)
  }
  unlockZone(access)
  return wanted
}

/** Gives frames back to the zone until the list is no longer than `keep`. */
export function drain(access: Access, keep: number): void {
  if (listedFrames(access) <= keep) return
  const { cpu, thread } = access
  const list = thread.at + magazine
  lockZone(access)
  for (let count = cpu.plainLoad(list); count > keep; count--) {
    const pfn = cpu.plainLoad(list + count)
    const flags = flagsOf(access, pfn)
    if (isInMagazineOf(flags, slotIndexOf(thread.tid))) freeBlockLocked(access, pfn, 0, flags & VIRGIN)
    cpu.plainStore(list, count - 1)
  }
  unlockZone(access)
}

/** Gives the frames in all magazines back to the zone, those of threads that sleep too. Returns how many there were. */
export function drainMagazines(access: Access): number {
  let taken = 0
  for (let chunk = 0; chunk < chunkCount(access.geometry); chunk++) {
    const found: number[] = []
    lockZone(access)
    visitChunk(access, chunk, (pfn, flags) => {
      if (kindOf(flags) === MAGAZINE) found.push(pfn)
    })
    for (const pfn of found) if (takeBackLocked(access, pfn)) taken++
    unlockZone(access)
  }
  return taken
}

/** Frees a frame that lay in a magazine a moment ago. False if its thread was faster. */
function takeBackLocked(physical: Physical, pfn: number): boolean {
  const { cpu, geometry } = physical
  const at = frameAt(geometry, pfn) + Frame.flags
  const seen = cpu.load(at)
  if (kindOf(seen) !== MAGAZINE) return false
  if (cpu.compareExchange(at, seen, blockFlags(0, seen & VIRGIN)) !== seen) return false
  countLocked(physical, Zone.free, 1)
  mergeLocked(physical, pfn, 0)
  return true
}

/** The frames in a slot's magazine, by its list. As good as the moment it was asked in. */
export function framesInMagazine({ cpu, geometry }: Physical, slotIndex: number): ReadonlySet<number> {
  const list = geometry.slotsAt + slotIndex * sizeof + magazine
  const frames = new Set<number>()
  const count = Math.min(cpu.load(list), MAGAZINE_CAPACITY)
  for (let i = 1; i <= count; i++) {
    const pfn = cpu.load(list + i)
    if (pfn < geometry.reservedFrames || pfn >= geometry.frameCount) continue
    if (isInMagazineOf(flagsOf({ cpu, geometry }, pfn), slotIndex)) frames.add(pfn)
  }
  return frames
}

function isInMagazineOf(flags: number, slotIndex: number): boolean {
  return kindOf(flags) === MAGAZINE && magazineSlotOf(flags) === slotIndex
}
