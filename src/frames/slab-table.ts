/**
 * The slab table: the kinds of small objects that a memory has, up to 64, each with the slabs its cells lie in.
 *
 *   SlabCache   0           1           2             3            4              5       6
 *             ┌───────────┬───────────┬─────────────┬────────────┬──────────────┬───────┬──────┬─────┐
 *             │ kind      │ cellWords │ strideWords │ slabFrames │ cellsPerSlab │ first │ life │ ... │   64 bytes
 *             └───────────┴───────────┴─────────────┴────────────┴──────────────┴───┬───┴──────┴─────┘
 *                                        slab ◄──Frame.link── slab ◄──Frame.link────┘  (pfn; 0 ends)
 *
 *   kind        a signature; 0: unused. Stored last, under the zone lock; all words but `first` never change after it
 *   first       the newest slab. Stored under the zone lock, read by all
 *   life        a word of each cell, beside its status, that is 0 unless the cell is live: for kinds whose fast paths look at
 *               that one alone. 0: the kind has none
 *
 * Slabs are never given back, not even empty ones: memory that has held cells of a kind does so for ever. So a stale handle
 * can be looked up at any time without a lock. Linux's SLAB_TYPESAFE_BY_RCU gives slabs back after a grace period; ours
 * would have no end. A thread keeps an object of a class for as long as it likes, without being inside the kernel, and its
 * fast paths look only at the cell's status before they change the words behind it (Mutex.lock(): two instructions).
 * If others' bytes lay there, one that looks like the status would let a lock be taken in the middle of their data.
 * What this costs is bounded by the most objects of a kind that there ever were at one time.
 */

import { EINVAL, ENOSPC } from '../words/errno.ts'
import { alignUp } from '../words/bits.ts'
import { LINE_WORDS, PAGE_WORDS } from '../words/constants.ts'
import { i32, layout, words } from '../words/layout.ts'
import type { Access, Physical } from './access.ts'
import { lockZone, unlockZone } from './zone.ts'

export const SlabCache = layout('SlabCache', 64, {
  kind: i32,
  cellWords: i32,
  strideWords: i32,
  slabFrames: i32,
  cellsPerSlab: i32,
  first: i32,
  life: i32,
  _spare: words(9),
})

export const CACHE_COUNT = 64
export const MAX_CELL_WORDS = 512
const LEAST_CELL_WORDS = 2
const MOST_SLAB_FRAMES = 8

const { kind, cellWords, strideWords, slabFrames, cellsPerSlab, life: lifeWord, sizeof } = SlabCache

export function cacheAt(geometry: Physical['geometry'], cache: number): number {
  return geometry.slabTableAt + cache * sizeof
}

/**
 * The cache for a kind, made if it is new. `words` is the size of a cell with its status and generation; `ownLines`
 * gives each cell cache lines of its own; `life` is that of SlabCache.
 *
 * Returns its number, or
 *  -EINVAL  words is below 2 or above 512, or the kind is known with another size
 *  -ENOSPC  there are 64 kinds already
 */
export function openCache(
  access: Access,
  signature: number,
  words: number,
  ownLines: boolean,
  life = 0,
): number {
  if (words < LEAST_CELL_WORDS || words > MAX_CELL_WORDS) return -EINVAL
  const stride = alignUp(words, ownLines ? LINE_WORDS : 2)
  let cache = findCache(access, signature)
  if (cache < 0) {
    lockZone(access)
    cache = findCache(access, signature)
    if (cache < 0) cache = addCacheLocked(access, signature, words, stride, life)
    unlockZone(access)
  }
  if (cache < 0) return -ENOSPC
  const at = cacheAt(access.geometry, cache)
  const fits =
    access.cpu.plainLoad(at + cellWords) === words && access.cpu.plainLoad(at + strideWords) === stride
  return fits ? cache : -EINVAL
}

/** The cache of a kind, or -1. */
export function findCache({ cpu, geometry }: Physical, signature: number): number {
  for (let cache = 0; cache < CACHE_COUNT; cache++) {
    // Acquire: pairs with the store in addCacheLocked(). Caches are never taken away, so the first 0 ends them.
    const found = cpu.load(cacheAt(geometry, cache) + kind)
    if (found === signature) return cache
    if (found === 0) return -1
  }
  return -1
}

function addCacheLocked(
  { cpu, geometry }: Access,
  signature: number,
  words: number,
  stride: number,
  life: number,
): number {
  for (let cache = 0; cache < CACHE_COUNT; cache++) {
    const at = cacheAt(geometry, cache)
    if (cpu.load(at + kind) !== 0) continue
    const frames = slabFramesFor(stride)
    cpu.plainStore(at + cellWords, words)
    cpu.plainStore(at + strideWords, stride)
    cpu.plainStore(at + slabFrames, frames)
    cpu.plainStore(at + cellsPerSlab, Math.floor((frames * PAGE_WORDS) / stride))
    cpu.plainStore(at + lifeWord, life)
    // Release: pairs with the load in findCache(). The commit; before it the words above are nobody's.
    cpu.store(at + kind, signature)
    return cache
  }
  return -1
}

/** Frames of a slab: a power of two, the least that wastes at most an eighth, and at most 8. */
function slabFramesFor(stride: number): number {
  let frames = 1
  while (frames < MOST_SLAB_FRAMES && ((frames * PAGE_WORDS) % stride) * 8 > frames * PAGE_WORDS) frames *= 2
  return frames
}
