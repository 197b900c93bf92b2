/**
 * Slabs: small objects of one kind in cells of one size. A cell is claimed, built, published and released without a lock.
 *
 *   slab (1, 2, 4 or 8 frames, aligned to their number)         its first Frame: SLAB
 *        ┌──────┬──────┬──────┬──────┬─── ─── ───┬─┐              object     cache + 1
 *        │ cell │ cell │ cell │ cell │           │ │              link       the next older slab of the cache
 *        └──────┴──────┴──────┴──────┴─── ─── ───┴─┘              mapcount   1: looks full (a hint)
 *   cell ┌────────┬────────────┬──────────────┐
 *        │ status │ generation │ contents ... │
 *        └────────┴────────────┴──────────────┘
 *
 *   status              state      contents        who may leave it                     to
 *   0                   free       all zero        any thread, by compareExchange       tid
 *   tid                 building   its own         that thread; the reaper of it        -generation (publish), 0
 *   -generation         live       the object's    any thread, by compareExchange       tid, tid | RETIRED
 *   tid | RETIRED_CELL  unlinked   left alone      that thread, after a grace period    0
 *                                                  (retire.ts); its reaper: adopts it
 *
 * Generations are counted over the whole memory, 31 bits, never 0: an old handle to a cell that was used again is
 * recognized (until the counter has gone all the way round). They stand in `status` itself, so ONE compareExchange
 * decides who releases which object, and one load tells whether a handle is good.
 *
 * A death between any two lines: before the claim nothing has happened; after it `status` names the dead, and the reaper
 * zeroes and frees the cell; publish() is one store. Release claims first, then zeroes, then frees: the same.
 *
 * Dekker, for `looks full`: a thread that found no free cell stores the hint, then looks once more; one that releases
 * stores status 0, then takes the hint back. One of the two sees the other. A thread that dies in between leaves a hint
 * that is wrong: the reaper takes all hints back.
 *
 * Invariant
 *  1. A free cell's contents are zero, before its status is 0.
 */

import { slotIndexOf } from '../threads/slot.ts'
import { PAGE_WORDS } from '../words/constants.ts'
import { ESTALE } from '../words/errno.ts'
import { i32, layout } from '../words/layout.ts'
import { Frame, kindOf, runFlags, SLAB } from './frame.ts'
import { CACHE_COUNT, cacheAt, SlabCache } from './slab-table.ts'
import type { Access, Physical } from './access.ts'
import { frameAt, lockZone, unlockZone, Zone } from './zone.ts'

export const Cell = layout('Cell', 8, { status: i32, generation: i32 })

/** In a status: retired by the thread in the other bits. Thread ids have 30 bits. */
export const RETIRED_CELL = 0x40000000

const LAST_GENERATION = 0x7fffffff

const { flags, link, object, mapcount: looksFull, count } = Frame
const { generation } = Cell
const { kind, cellWords, strideWords, slabFrames, cellsPerSlab, first, life } = SlabCache

/** Claims a free cell for building, if the slabs of the cache have one that is not hidden by a hint. Its word index, or 0. */
export function claimCell(access: Access, cache: number, hintedSlab: number): number {
  if (hintedSlab !== 0) {
    const at = claimInSlab(access, cache, hintedSlab)
    if (at !== 0) return at
  }
  for (const slab of slabsOf(access, cache)) {
    const at = claimInSlab(access, cache, slab)
    if (at !== 0) return at
  }
  return 0
}

function claimInSlab(access: Access, cache: number, slab: number): number {
  const { cpu } = access
  const hint = frameAt(access.geometry, slab) + looksFull
  if (cpu.load(hint) !== 0) return 0
  const at = claimAny(access, cache, slab)
  if (at !== 0) return at
  cpu.store(hint, 1) // one half of Dekker; the other is in freeCell()
  const late = claimAny(access, cache, slab)
  if (late !== 0) cpu.store(hint, 0)
  return late
}

function claimAny(access: Access, cache: number, slab: number): number {
  const { cpu, thread } = access
  const table = cacheAt(access.geometry, cache)
  const stride = cpu.plainLoad(table + strideWords)
  const end = slab * PAGE_WORDS + cpu.plainLoad(table + cellsPerSlab) * stride
  for (let at = slab * PAGE_WORDS; at < end; at += stride) {
    // Acquire: pairs with the store in freeCell(). The cell's zeroes have arrived.
    if (cpu.load(at) === 0 && cpu.compareExchange(at, 0, thread.tid) === 0) {
      cpu.plainStore(at + generation, nextGeneration(access))
      return at
    }
  }
  return 0
}

function nextGeneration({ cpu, geometry }: Physical): number {
  for (;;) {
    const next = (cpu.add(geometry.zoneAt + Zone.generation, 1) + 1) & LAST_GENERATION
    if (next !== 0) return next
  }
}

/** Adds a slab: a run of zeroed frames that this thread has allocated. */
export function addSlab(access: Access, cache: number, pfn: number): void {
  const { cpu, geometry } = access
  const frame = frameAt(geometry, pfn)
  lockZone(access)
  cpu.plainStore(frame + object, cache + 1)
  cpu.plainStore(frame + looksFull, 0)
  // The commit: a slab for ever. If this thread dies before the next lines, the takeover of the lock links it.
  cpu.store(frame + flags, runFlags(SLAB, 0, 0))
  linkSlabLocked(access, cache, pfn)
  unlockZone(access)
}

/** Puts a slab at the front of its cache's list, which others may be walking. The zone lock is held. */
export function linkSlabLocked({ cpu, geometry }: Physical, cache: number, pfn: number): void {
  const head = cacheAt(geometry, cache) + first
  cpu.plainStore(frameAt(geometry, pfn) + link, cpu.load(head))
  // Release: pairs with the load in slabsOf().
  cpu.store(head, pfn)
}

/** Makes a cell that this thread is building visible: its handle is good from now on. */
export function publishCell({ cpu }: Physical, at: number): void {
  // Release: pairs with the load in isLive() and liveCells().
  cpu.store(at, -cpu.plainLoad(at + generation))
}

/**
 * Takes a live cell away from everybody: to this thread, or (mark = RETIRED_CELL) to its retired ones. `seen` is the
 * status it was found with. 0, or -ESTALE if that was not live or is no longer so.
 */
export function unpublishCell({ cpu, thread }: Access, at: number, seen: number, mark: number): number {
  if (seen >= 0) return -ESTALE
  return cpu.compareExchange(at, seen, thread.tid | mark) === seen ? 0 : -ESTALE
}

/** Frees a cell whose status names this thread or a dead one. */
export function freeCell(physical: Physical, at: number): void {
  const { cpu, geometry } = physical
  const slab = slabOf(physical, at)
  const words = cpu.plainLoad(cacheAt(geometry, cacheOf(physical, slab)) + cellWords)
  cpu.fill((at + generation) * 4, 0, (words - generation) * 4)
  // Release: pairs with the compareExchange in claimAny().
  cpu.store(at, 0)
  const hint = frameAt(geometry, slab) + looksFull
  if (cpu.load(hint) !== 0) cpu.store(hint, 0) // the other half of Dekker in claimInSlab()
}

/** True while the cell holds the object that a handle means. `at` and `generation` may be any numbers at all. */
export function isLive(physical: Physical, at: number, wanted: number, signature: number): boolean {
  if (!(wanted > 0 && wanted <= LAST_GENERATION) || !isCell(physical, at)) return false
  if (signatureOf(physical, cacheOf(physical, slabOf(physical, at))) !== signature) return false
  // Acquire: pairs with the store in publishCell().
  return physical.cpu.load(at) === -wanted
}

/** True if a cell begins at this word, which may be any number at all. Once true, it stays so. */
export function isCell(physical: Physical, at: number): boolean {
  const slab = slabOf(physical, at)
  if (slab === 0) return false
  const { cpu, geometry } = physical
  const cache = cacheAt(geometry, cacheOf(physical, slab))
  const offset = at - slab * PAGE_WORDS
  const stride = cpu.plainLoad(cache + strideWords)
  return offset % stride === 0 && offset / stride < cpu.plainLoad(cache + cellsPerSlab)
}

/** The cell, of whatever status, that a word lies in; or 0. */
export function cellAround(physical: Physical, word: number): number {
  const slab = slabOf(physical, word)
  if (slab === 0) return 0
  const { cpu, geometry } = physical
  const stride = cpu.plainLoad(cacheAt(geometry, cacheOf(physical, slab)) + strideWords)
  const at = word - ((word - slab * PAGE_WORDS) % stride)
  return isCell(physical, at) ? at : 0
}

/** The first frame of the slab around a word, or 0. */
export function slabOf({ cpu, geometry }: Physical, at: number): number {
  if (!Number.isInteger(at) || at < 0) return 0
  const pfn = Math.floor(at / PAGE_WORDS)
  if (pfn < geometry.reservedFrames || pfn >= geometry.frameCount) return 0
  for (let frames = 1; frames <= 8; frames *= 2) {
    const slab = pfn & -frames
    if (slab < geometry.reservedFrames) return 0
    // Acquire: pairs with the store in addSlab(). A Frame that says SLAB says so for ever.
    const isSlab = kindOf(cpu.load(frameAt(geometry, slab) + flags)) === SLAB
    if (isSlab) return pfn < slab + cpu.plainLoad(frameAt(geometry, slab) + count) ? slab : 0
  }
  return 0
}

/** The number of the cache that a slab belongs to. */
export function cacheOf({ cpu, geometry }: Physical, slab: number): number {
  return cpu.plainLoad(frameAt(geometry, slab) + object) - 1
}

export function signatureOf({ cpu, geometry }: Physical, cache: number): number {
  return cpu.load(cacheAt(geometry, cache) + kind)
}

/** Words of each cell of a cache. */
export function wordsOf({ cpu, geometry }: Physical, cache: number): number {
  return cpu.plainLoad(cacheAt(geometry, cache) + cellWords)
}

/** The slabs of a cache, the newest first. */
export function* slabsOf({ cpu, geometry }: Physical, cache: number): Generator<number> {
  // Acquire: pairs with the store in linkSlabLocked().
  let slab = cpu.load(cacheAt(geometry, cache) + first)
  while (slab !== 0) {
    yield slab
    slab = cpu.plainLoad(frameAt(geometry, slab) + link)
  }
}

/** Every cell of a cache, whatever its status. */
export function* cellsOf(physical: Physical, cache: number): Generator<number> {
  const { cpu, geometry } = physical
  const table = cacheAt(geometry, cache)
  const stride = cpu.plainLoad(table + strideWords)
  const cells = cpu.plainLoad(table + cellsPerSlab)
  for (const slab of slabsOf(physical, cache)) {
    for (let i = 0; i < cells; i++) yield slab * PAGE_WORDS + i * stride
  }
}

/** Every live cell of a cache. Cells that others publish or release meanwhile may be in it or not. */
export function* liveCells(physical: Physical, cache: number): Generator<number> {
  // Acquire: pairs with the store in publishCell().
  for (const at of cellsOf(physical, cache)) if (physical.cpu.load(at) < 0) yield at
}

/**
 * Ends what lives in a cache, for good: its cells are nobody's, and left alone. Several threads may at once, and any may die
 * at it: a cell whose status says that it has ended has no `life` any more.
 */
export function endLiveCells(physical: Physical, cache: number): void {
  const { cpu, geometry } = physical
  const lifeWord = cpu.plainLoad(cacheAt(geometry, cache) + life)
  for (const at of liveCells(physical, cache)) {
    const seen = cpu.load(at)
    if (seen >= 0) continue
    if (lifeWord !== 0) cpu.store(at + lifeWord, 0)
    cpu.compareExchange(at, seen, RETIRED_CELL) // or it was taken away meanwhile
  }
}

/** Frames of each slab of a cache. */
export function framesPerSlab({ cpu, geometry }: Physical, cache: number): number {
  return cpu.plainLoad(cacheAt(geometry, cache) + slabFrames)
}

/** The numbers of the caches in use. */
export function* caches({ cpu, geometry }: Physical): Generator<number> {
  for (let cache = 0; cache < CACHE_COUNT; cache++) {
    if (cpu.load(cacheAt(geometry, cache) + kind) === 0) return
    yield cache
  }
}

/** What a status means, for people. */
export function describeStatus(status: number): string {
  if (status === 0) return 'free'
  if (status < 0) return `live, generation ${-status}`
  const thread = slotIndexOf(status)
  return (status & RETIRED_CELL) === 0 ? `being built by thread ${thread}` : `retired by thread ${thread}`
}
