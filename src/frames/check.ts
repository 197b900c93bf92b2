/**
 * check(): everything counted once more, from the truth, and compared with every index over it.
 *
 * Each problem is a sentence. For a memory at rest: threads that are in the middle of an allocation look like a mistake.
 * (Frames of threads that died and have not been repaired yet do, too.)
 */

import { slotIndexOf, ThreadSlot } from '../threads/slot.ts'
import { PAGE_WORDS } from '../words/constants.ts'
import {
  FREE,
  Frame,
  isFreeBlock,
  kindOf,
  KIND_NAMES,
  MAGAZINE,
  magazineSlotOf,
  orderOf,
  REST,
  SLAB,
  slackOf,
  TAIL,
} from './frame.ts'
import { framesInMagazine, MAGAZINE_CAPACITY } from './magazine.ts'
import { findOverrun, findWriteAfterFree } from './poison.ts'
import { cacheAt, SlabCache } from './slab-table.ts'
import { cacheOf, caches, cellsOf, slabsOf } from './slab.ts'
import { extentFrames, visitChunk } from './truth.ts'
import type { Access, Physical } from './access.ts'
import {
  CHUNK_FRAMES,
  CHUNK_FREE,
  CHUNK_INSIDE,
  CHUNK_SHIFT,
  CHUNK_SPLIT,
  chunkCount,
  chunkState,
  chunkVirgin,
  endOf,
  firstOf,
  flagsOf,
  frameAt,
  lockZone,
  MAX_ORDER,
  unlockZone,
  Zone,
} from './zone.ts'

/** What was counted on the way. */
interface Counted {
  readonly problems: string[]
  readonly blocks: Set<number>[]
  readonly slabs: Set<number>
  /** Slot by frame. */
  readonly inMagazines: Map<number, number>
  free: number
  freeChunks: number
}

/** Recounts everything. An empty list if all is well. */
export function checkFrames(access: Access): readonly string[] {
  lockZone(access)
  try {
    return problemsLocked(access)
  } finally {
    unlockZone(access)
  }
}

/** The same; the zone lock is held, or nobody is alive who could take it. Only reads. */
export function problemsLocked(physical: Physical): readonly string[] {
  const counted: Counted = {
    problems: [],
    blocks: Array.from({ length: MAX_ORDER }, () => new Set<number>()),
    slabs: new Set(),
    inMagazines: new Map(),
    free: 0,
    freeChunks: 0,
  }
  readTruth(physical, counted)
  compareLists(physical, counted)
  compareMagazines(physical, counted)
  compareSlabs(physical, counted)
  return counted.problems
}

function readTruth(physical: Physical, counted: Counted): void {
  const { geometry } = physical
  let reach = 0
  for (let chunk = 0; chunk < chunkCount(geometry); chunk++) {
    const state = chunkState(physical, chunk)
    const start = chunk << CHUNK_SHIFT
    if (state === CHUNK_FREE) {
      counted.free += CHUNK_FRAMES
      counted.freeChunks++
      if (reach > start) counted.problems.push(`chunk ${chunk} is free, and a run reaches into it`)
      if (endOf(geometry, chunk) - firstOf(geometry, chunk) !== CHUNK_FRAMES) {
        counted.problems.push(`chunk ${chunk} is free as a whole, and is not whole`)
      }
      checkTails(physical, counted, chunk)
      checkDamage(physical, counted, start, FREE, CHUNK_FRAMES)
    } else if (state === CHUNK_INSIDE) {
      if (reach < start + CHUNK_FRAMES)
        counted.problems.push(`chunk ${chunk} is inside a run that does not reach it`)
    } else if (state === CHUNK_SPLIT) {
      visitChunk(physical, chunk, (pfn, flags, frames) => {
        const kind = kindOf(flags)
        if (kind === REST && reach !== pfn + frames)
          counted.problems.push(`frame ${pfn} is the REST of no run`)
        if (kind !== REST && reach > pfn)
          counted.problems.push(`frame ${pfn} is ${name(flags)}, inside a run`)
        if (kind !== REST && kind !== FREE) reach = pfn + extentFrames(physical, pfn, flags)
        if (reach > geometry.frameCount)
          counted.problems.push(`the run at frame ${pfn} reaches beyond the memory`)
        checkExtent(physical, counted, pfn, flags, frames)
      })
    }
  }
}

/** Whoever splits a free chunk relies on it: all its Frames are TAIL, but for the first. */
function checkTails(physical: Physical, counted: Counted, chunk: number): void {
  if (chunkVirgin(physical, chunk) !== 0) return // not read: its part of the table was never touched
  const start = chunk << CHUNK_SHIFT
  for (let pfn = start + 1; pfn < start + CHUNK_FRAMES; pfn++) {
    if (flagsOf(physical, pfn) !== TAIL) {
      counted.problems.push(`frame ${pfn} is ${name(flagsOf(physical, pfn))}, inside the free chunk ${chunk}`)
    }
  }
}

function checkExtent(physical: Physical, counted: Counted, pfn: number, flags: number, frames: number): void {
  const { cpu, geometry } = physical
  const kind = kindOf(flags)
  for (let tail = pfn + 1; tail < pfn + frames; tail++) {
    if (flagsOf(physical, tail) !== TAIL) {
      counted.problems.push(`frame ${tail} is ${name(flagsOf(physical, tail))}, inside the extent at ${pfn}`)
    }
  }
  if (kind === TAIL || kind > REST)
    counted.problems.push(`frame ${pfn} is ${name(flags)}, where an extent must begin`)
  if (kind === SLAB) counted.slabs.add(pfn)
  if (kind === MAGAZINE) {
    const slot = magazineSlotOf(flags)
    const owner = slotIndexOf(cpu.plainLoad(frameAt(geometry, pfn) + Frame.owner))
    counted.inMagazines.set(pfn, slot)
    if (owner !== slot)
      counted.problems.push(`frame ${pfn} is MAGAZINE by slot ${slot}, and thread ${owner} owns it`)
  }
  if (kind === FREE) {
    const order = orderOf(flags)
    counted.free += frames
    if (order >= MAX_ORDER || pfn % 2 ** order !== 0 || frames !== 2 ** order) {
      counted.problems.push(`frame ${pfn} begins a free block of order ${order}, and cannot`)
      return
    }
    const buddy = pfn ^ (1 << order)
    if (buddy < geometry.frameCount && isFreeBlock(flagsOf(physical, buddy), order)) {
      counted.problems.push(`frames ${pfn} and ${buddy} are free buddies of order ${order}, and not merged`)
    }
    counted.blocks[order].add(pfn)
  }
  checkDamage(physical, counted, pfn, kind, frames)
}

/** Debug mode: nobody wrote to what is free, nor past the end of a run. */
function checkDamage(physical: Physical, counted: Counted, pfn: number, kind: number, frames: number): void {
  if (!physical.geometry.debug) return
  const isFree = kind === FREE || kind === MAGAZINE
  const hasRedZone = !isFree && kind !== REST && slackOf(flagsOf(physical, pfn)) !== 0
  const damage = isFree
    ? findWriteAfterFree(physical, pfn, frames)
    : hasRedZone
      ? findOverrun(physical, pfn)
      : undefined
  if (damage !== undefined) counted.problems.push(damage.message)
}

function compareLists({ cpu, geometry }: Physical, counted: Counted): void {
  const { problems } = counted
  for (let order = 0; order < MAX_ORDER; order++) {
    const expected = counted.blocks[order]
    const listed = new Set<number>()
    let before = 0
    for (let pfn = cpu.plainLoad(geometry.zoneAt + Zone.heads + order); pfn !== 0;) {
      if (!expected.has(pfn) || listed.has(pfn)) {
        problems.push(
          `the list of order ${order} has frame ${pfn}, which is no free block of it, or is in it twice`,
        )
        break
      }
      if (cpu.plainLoad(frameAt(geometry, pfn) + Frame.index) !== before) {
        problems.push(`in the list of order ${order}, frame ${pfn} does not point back to ${before}`)
      }
      listed.add(pfn)
      before = pfn
      pfn = cpu.plainLoad(frameAt(geometry, pfn) + Frame.link)
    }
    for (const pfn of expected)
      if (!listed.has(pfn)) problems.push(`the free block ${pfn} of order ${order} is in no list`)
    compareCount(
      counted,
      `blocks of order ${order}`,
      cpu.plainLoad(geometry.zoneAt + Zone.blocks + order),
      expected.size,
    )
  }
  compareCount(counted, 'free chunks', cpu.plainLoad(geometry.zoneAt + Zone.freeChunks), counted.freeChunks)
  compareCount(counted, 'free frames', cpu.plainLoad(geometry.zoneAt + Zone.free), counted.free)
}

function compareCount(counted: Counted, what: string, stated: number, found: number): void {
  if (stated !== found) counted.problems.push(`the zone counts ${stated} ${what}, and there are ${found}`)
}

function compareMagazines(physical: Physical, counted: Counted): void {
  const { cpu, geometry } = physical
  const { problems, inMagazines } = counted
  for (let index = 0; index < geometry.slotCount; index++) {
    const list = geometry.slotsAt + index * ThreadSlot.sizeof + ThreadSlot.magazine
    const count = cpu.plainLoad(list)
    if (count < 0 || count > MAGAZINE_CAPACITY)
      problems.push(`the magazine of slot ${index} counts ${count} frames`)
    // What else is in the list was taken out by others.
    for (const pfn of framesInMagazine(physical, index)) inMagazines.delete(pfn)
  }
  for (const [pfn, slot] of inMagazines) {
    problems.push(`frame ${pfn} is MAGAZINE by slot ${slot}, and not in its list`)
  }
}

function compareSlabs(physical: Physical, counted: Counted): void {
  const { cpu, geometry } = physical
  const { problems, slabs } = counted
  for (const cache of caches(physical)) {
    for (const slab of slabsOf(physical, cache)) {
      if (!slabs.delete(slab) || cacheOf(physical, slab) !== cache) {
        problems.push(
          `the list of cache ${cache} has frame ${slab}, which is no slab of it, or is in it twice`,
        )
        return // the list may be a ring
      }
    }
    const contents = cpu.plainLoad(cacheAt(geometry, cache) + SlabCache.cellWords)
    for (const at of cellsOf(physical, cache)) {
      if (cpu.load(at) !== 0) continue
      for (let word = 1; word < contents; word++) {
        if (cpu.plainLoad(at + word) === 0) continue
        problems.push(
          `the free cell at word ${at} (frame ${Math.floor(at / PAGE_WORDS)}) is not zero at word ${word}`,
        )
        break
      }
    }
  }
  for (const slab of slabs) problems.push(`the slab at frame ${slab} is in no cache's list`)
}

function name(flags: number): string {
  return (KIND_NAMES as readonly string[])[kindOf(flags)] ?? `of kind ${kindOf(flags)}`
}
