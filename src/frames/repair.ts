/**
 * After a death: what the reaper does about a dead thread's frames and cells, in steps that may be repeated.
 *
 *   1  the zone lock, if it held it    the truth is whole, the lists may be torn: built anew from the truth
 *   2  cells it was building           zeroed and freed; cells it had retired: adopted
 *   3  frames it had                   FLOATING, MAGAZINE: freed. RETIRED: adopted
 *   4  its slot's magazine             emptied, so that the next owner of the slot finds nothing
 *
 * Step 1 first: the others lock the zone. Each step looks at the truth and not at what a former try has done, so a reaper
 * that is interrupted (its awaitChange() throws instead of waiting) begins again. Nothing is held where it may throw.
 *
 * OWNED frames and live cells belong to objects: the floors above know what becomes of those.
 */

import { slotOf, ThreadSlot } from '../threads/slot.ts'
import { isFreeBlock } from './frame.ts'
import { linkLocked, mergeLocked, unlinkLocked } from './buddy.ts'
import { FLOATING, FREE, Frame, kindOf, MAGAZINE, orderOf, REST, RETIRED, SLAB, TAIL } from './frame.ts'
import { poison } from './poison.ts'
import type { Retirement } from './retire.ts'
import { freeInsideLocked, freePartLocked, freeRunLocked } from './runs.ts'
import { cacheOf, caches, cellsOf, freeCell, linkSlabLocked, RETIRED_CELL, slabsOf } from './slab.ts'
import { extentFrames, visitChunk } from './truth.ts'
import type { Access, Physical } from './access.ts'
import {
  CHUNK_FREE,
  CHUNK_FRAMES,
  CHUNK_INSIDE,
  CHUNK_SHIFT,
  CHUNK_SPLIT,
  chunkCount,
  chunkOf,
  chunkState,
  countLocked,
  flagsOf,
  frameAt,
  lockZone,
  MAX_ORDER,
  setFlags,
  unlockZone,
  Zone,
} from './zone.ts'

/** All four steps. `dead` is the id of a thread whose slot is REAPING. */
export function repairFrames(access: Access, retirement: Retirement, dead: number): void {
  takeOverZone(access, dead)
  reapCells(access, retirement, dead)
  reapFrames(access, retirement, dead)
  access.cpu.plainStore(slotOf(access.geometry.slotsAt, dead) + ThreadSlot.magazine, 0)
}

/** Step 1. Also right when the dead thread did not hold the lock, or was itself repairing. */
export function takeOverZone(access: Access, dead: number): void {
  const { cpu, geometry, thread } = access
  if (cpu.load(geometry.zoneAt + Zone.lock) !== dead) return
  cpu.store(geometry.zoneAt + Zone.lock, thread.tid) // nobody else may change a dead thread's lock
  rebuildLocked(access)
  unlockZone(access)
}

/** Builds lists and counts anew from the truth, and frees what a torn run has left. */
function rebuildLocked(physical: Physical): void {
  clearIndexLocked(physical)
  const blocks: number[] = []
  const orphans: number[] = []
  const slabs: number[] = []
  let reach = 0 // the frame behind the last run's end
  for (let chunk = 0; chunk < chunkCount(physical.geometry); chunk++) {
    const state = chunkState(physical, chunk)
    if (state === CHUNK_FREE) {
      countLocked(physical, Zone.freeChunks, 1)
      countLocked(physical, Zone.free, CHUNK_FRAMES)
    }
    if (state === CHUNK_INSIDE && reach < (chunk + 1) << CHUNK_SHIFT) freeInsideLocked(physical, chunk)
    if (state !== CHUNK_SPLIT) continue
    visitChunk(physical, chunk, (pfn, flags, frames) => {
      for (let tail = pfn + 1; tail < pfn + frames; tail++) {
        if (flagsOf(physical, tail) !== TAIL) setFlags(physical, tail, TAIL)
      }
      if (kindOf(flags) === FREE) blocks.push(pfn)
      else if (kindOf(flags) !== REST) reach = pfn + extentFrames(physical, pfn, flags)
      else if (reach < pfn + frames) orphans.push(pfn)
      if (kindOf(flags) === SLAB) slabs.push(pfn)
    })
  }
  linkAllLocked(physical, blocks)
  for (const pfn of orphans)
    freePartLocked(physical, pfn, extentFrames(physical, pfn, flagsOf(physical, pfn)))
  linkLostSlabsLocked(physical, slabs)
}

function clearIndexLocked({ cpu, geometry }: Physical): void {
  cpu.plainStore(geometry.zoneAt + Zone.free, 0)
  cpu.plainStore(geometry.zoneAt + Zone.freeChunks, 0)
  for (let order = 0; order < MAX_ORDER; order++) {
    cpu.plainStore(geometry.zoneAt + Zone.heads + order, 0)
    cpu.plainStore(geometry.zoneAt + Zone.blocks + order, 0)
  }
}

/** Links free blocks, all of them first; then merges buddies that the dead thread had not come to merge. */
function linkAllLocked(physical: Physical, blocks: readonly number[]): void {
  for (const pfn of blocks) {
    const order = orderOf(flagsOf(physical, pfn))
    countLocked(physical, Zone.free, 2 ** order)
    linkLocked(physical, pfn, order)
  }
  for (const pfn of blocks) {
    const flags = flagsOf(physical, pfn)
    if (chunkState(physical, chunkOf(pfn)) !== CHUNK_SPLIT || kindOf(flags) !== FREE) continue // merged already
    const order = orderOf(flags)
    const buddy = pfn ^ (1 << order)
    if (buddy >= physical.geometry.frameCount || !isFreeBlock(flagsOf(physical, buddy), order)) continue
    unlinkLocked(physical, pfn, order)
    mergeLocked(physical, pfn, order)
  }
}

/** Readers walk these lists without a lock: only the one slab that the dead thread had not come to link is added. */
function linkLostSlabsLocked(physical: Physical, slabs: readonly number[]): void {
  const linked = new Set<number>()
  for (const cache of caches(physical)) for (const slab of slabsOf(physical, cache)) linked.add(slab)
  for (const slab of slabs) if (!linked.has(slab)) linkSlabLocked(physical, cacheOf(physical, slab), slab)
}

/** Step 2. Hints that a dead thread may have left wrong are all taken back: they cost a look, at most. */
function reapCells(access: Access, retirement: Retirement, dead: number): void {
  const { cpu, geometry } = access
  for (const cache of caches(access)) {
    for (const at of cellsOf(access, cache)) {
      const status = cpu.load(at)
      if (status === dead) freeCell(access, at)
      if (status === (dead | RETIRED_CELL)) retirement.adoptCell(at)
    }
    for (const slab of slabsOf(access, cache)) cpu.store(frameAt(geometry, slab) + Frame.mapcount, 0)
  }
}

/** Step 3. Chunk by chunk, so that the others do not wait for the whole table to be read. */
function reapFrames(access: Access, retirement: Retirement, dead: number): void {
  for (const pfn of framesOfDead(access, dead)) {
    const kind = kindOf(flagsOf(access, pfn))
    if (kind === RETIRED) {
      retirement.adoptFrame(pfn)
      continue
    }
    // What lies in a magazine was poisoned when it was put there.
    if (access.geometry.debug && kind === FLOATING) {
      poison(access, pfn, extentFrames(access, pfn, flagsOf(access, pfn)), dead)
    }
    lockZone(access)
    // Somebody may have taken it out of the magazine meanwhile.
    if (isOfDead(access, pfn, flagsOf(access, pfn), dead)) freeRunLocked(access, pfn)
    unlockZone(access)
  }
}

/** What a dead thread had allocated, and neither owned nor freed. */
export function floatingOf(access: Access, dead: number): readonly number[] {
  return framesOfDead(access, dead, (kind) => kind === FLOATING)
}

/** Of what was in a dead thread's magazine others may take some meanwhile; what is FLOATING or RETIRED stays. */
function framesOfDead(
  access: Access,
  dead: number,
  isWanted: (kind: number) => boolean = () => true,
): readonly number[] {
  const { geometry } = access
  const found: number[] = []
  for (let chunk = 0; chunk < chunkCount(geometry); chunk++) {
    // A chunk where the dead has frames stays SPLIT until they are freed, so it need not be locked to be passed over.
    if (chunkState(access, chunk) !== CHUNK_SPLIT) continue
    lockZone(access)
    visitChunk(access, chunk, (pfn, flags) => {
      if (isWanted(kindOf(flags)) && isOfDead(access, pfn, flags, dead)) found.push(pfn)
    })
    unlockZone(access)
  }
  return found
}

function isOfDead({ cpu, geometry }: Physical, pfn: number, flags: number, dead: number): boolean {
  const kind = kindOf(flags)
  const hasOwner = kind === FLOATING || kind === MAGAZINE || kind === RETIRED
  return hasOwner && cpu.plainLoad(frameAt(geometry, pfn) + Frame.owner) === dead
}
