/**
 * Runs: contiguous frames, exactly as many as asked for, from one up to all that a memory has.
 *
 *   chunk          4 SPLIT                5 INSIDE              6 SPLIT
 *                ┌──────────┬───────────┬─────────────────────┬──────────┬──────┬──────────┐
 *   a run        │ ...      │ FLOATING  │                     │ REST 300 │ FREE │ FREE ... │
 *   of 1824      └──────────┴─count─1824┴─────────────────────┴──────────┴──────┴──────────┘
 *                             500         1024                  300        what is left, given back as buddies
 *
 * Where to take it, in this order:
 *   1. up to a chunk: the smallest free block that holds it
 *   2. more: whole free chunks side by side, the shortest such row (best fit)
 *   3. any row of free frames, the shortest that holds it. This reads the whole table; it finds what alignment hides
 *
 * A run is put together from its end to its beginning, and the last store, the flags of its first frame, is the commit:
 *
 *   last chunk   splits at the boundary, then flags = REST      nobody's count reaches it: it is free still, but in no list
 *   in between   map = INSIDE                                   likewise
 *   first chunk  splits at the boundary, count, owner; flags = FLOATING: the run exists, all of it
 *
 * and is taken apart in the same direction: each time `count` shrinks (the commit), then what is behind it becomes free
 * blocks, the smallest and last first. A thread that dies in between leaves REST and INSIDE that no count reaches, which
 * the takeover of the lock makes free, and a shorter run, which is still FLOATING and which the reaper frees.
 *
 * All functions want the zone lock.
 */

import { assert } from '../words/assert.ts'
import { log2Ceil, log2Floor } from '../words/bits.ts'
import {
  assignLocked,
  countTakenLocked,
  freeBlockLocked,
  freeOrderAround,
  linkLocked,
  splitLocked,
  unlinkLocked,
} from './buddy.ts'
import { blockFlags, FLOATING, FREE, Frame, kindOf, orderOf, REST, runFlags, TAIL, VIRGIN } from './frame.ts'
import { visitChunk } from './truth.ts'
import type { Access, Physical } from './access.ts'
import {
  CHUNK_FREE,
  CHUNK_FRAMES,
  CHUNK_INSIDE,
  CHUNK_RESERVED,
  CHUNK_SHIFT,
  chunkCount,
  chunkOf,
  chunkState,
  chunkVirgin,
  countLocked,
  endOf,
  flagsOf,
  frameAt,
  MAX_ORDER,
  setChunk,
  setFlags,
  Zone,
} from './zone.ts'

const { count } = Frame
const { heads, free, freeChunks } = Zone

/** Takes a run for this thread, FLOATING. Returns its first frame, or 0 if no such row of frames is free. */
export function takeRunLocked(access: Access, frames: number, slackBytes: number): number {
  const pfn = findRunLocked(access, frames)
  if (pfn !== 0) carveLocked(access, pfn, frames, slackBytes)
  return pfn
}

function findRunLocked(physical: Physical, frames: number): number {
  const { cpu, geometry } = physical
  if (cpu.plainLoad(geometry.zoneAt + free) < frames) return 0
  if (frames <= CHUNK_FRAMES) {
    for (let order = log2Ceil(frames); order < MAX_ORDER; order++) {
      const pfn = cpu.plainLoad(geometry.zoneAt + heads + order)
      if (pfn !== 0) return pfn
    }
  }
  return shortestRow(physical, frames, true) || shortestRow(physical, frames, false)
}

/** The first frame of the shortest row of free frames, or of free chunks, that holds `frames`. 0 if there is none. */
function shortestRow(physical: Physical, frames: number, wholeChunks: boolean): number {
  let best = 0
  let bestFrames = Infinity
  const rows = new FreeRows(physical, (pfn, length) => {
    if (length < frames || length >= bestFrames) return
    best = pfn
    bestFrames = length
  })
  for (let chunk = 0; chunk < chunkCount(physical.geometry); chunk++) {
    if (wholeChunks && chunkState(physical, chunk) !== CHUNK_FREE) rows.end()
    else rows.add(chunk)
  }
  rows.end()
  return best
}

/** Puts rows of adjacent free frames together, from chunks added in order of their addresses. */
export class FreeRows {
  readonly #physical: Physical
  readonly #visit: (pfn: number, frames: number) => void
  #start = 0
  #length = 0

  constructor(physical: Physical, visit: (pfn: number, frames: number) => void) {
    this.#physical = physical
    this.#visit = visit
  }

  add(chunk: number): void {
    const state = chunkState(this.#physical, chunk)
    if (state === CHUNK_INSIDE || state === CHUNK_RESERVED) this.end()
    visitChunk(this.#physical, chunk, (pfn, flags, frames) => {
      if (kindOf(flags) === FREE) this.#extend(pfn, frames)
      else this.end()
    })
  }

  #extend(pfn: number, frames: number): void {
    if (this.#length === 0) this.#start = pfn
    this.#length += frames
  }

  /** What follows is not free. */
  end(): void {
    if (this.#length > 0) this.#visit(this.#start, this.#length)
    this.#length = 0
  }
}

/** Makes the free frames [pfn, pfn + frames) one FLOATING run of this thread. */
function carveLocked(access: Access, pfn: number, frames: number, slackBytes: number): void {
  const { geometry } = access
  const end = pfn + frames
  for (let chunk = chunkOf(end - 1); chunk > chunkOf(pfn); chunk--) {
    const first = chunk << CHUNK_SHIFT
    const part = Math.min(end - first, CHUNK_FRAMES)
    if (part === CHUNK_FRAMES) {
      setChunk(access, chunk, CHUNK_INSIDE, chunkVirgin(access, chunk))
      countLocked(access, freeChunks, -1)
    } else {
      carvePartLocked(access, first, part, part, runFlags(REST, 0, 0))
    }
  }
  const part = Math.min(end, endOf(geometry, chunkOf(pfn))) - pfn
  carvePartLocked(access, pfn, part, frames, runFlags(FLOATING, slackBytes, 0))
  countTakenLocked(access, frames)
}

/** Makes the free frames [pfn, pfn + part) of one chunk an extent with the given count and flags. */
function carvePartLocked(access: Access, pfn: number, part: number, frames: number, flags: number): void {
  const chunk = chunkOf(pfn)
  if (chunkState(access, chunk) === CHUNK_FREE) unlinkLocked(access, chunk << CHUNK_SHIFT, MAX_ORDER)
  splitAtLocked(access, pfn)
  if (pfn + part < endOf(access.geometry, chunk)) splitAtLocked(access, pfn + part)

  let virgin = VIRGIN
  const inner: number[] = []
  for (let block = pfn; block < pfn + part;) {
    const found = flagsOf(access, block)
    assert(kindOf(found) === FREE, `frame ${block} is not free, and was found to be`)
    if (orderOf(found) < MAX_ORDER) unlinkLocked(access, block, orderOf(found))
    if (block !== pfn) inner.push(block)
    virgin &= found
    block += 2 ** orderOf(found)
  }
  assignLocked(access, pfn, frames, flags | virgin)
  for (const block of inner) setFlags(access, block, TAIL)
}

/** Splits the free block around a frame until a block begins there. Nothing happens if it lies in none. */
function splitAtLocked(physical: Physical, boundary: number): void {
  let order = freeOrderAround(physical, boundary)
  let left = boundary & -(1 << order)
  if (order < 0 || left === boundary) return
  if (order < MAX_ORDER) unlinkLocked(physical, left, order)
  while (left !== boundary) {
    const right = splitLocked(physical, left, order)
    order--
    linkLocked(physical, boundary < right ? right : left, order)
    if (boundary >= right) left = right
  }
  linkLocked(physical, left, order)
}

/** Frees a run, FLOATING and owned by this thread or by a dead one. */
export function freeRunLocked(physical: Physical, pfn: number): void {
  const { cpu, geometry } = physical
  const countAt = frameAt(geometry, pfn) + count
  let end = pfn + cpu.plainLoad(countAt)
  while (chunkOf(end - 1) !== chunkOf(pfn)) {
    const chunk = chunkOf(end - 1)
    const first = chunk << CHUNK_SHIFT
    cpu.plainStore(countAt, first - pfn) // the commit: what lies behind is nobody's now
    if (end - first === CHUNK_FRAMES) freeInsideLocked(physical, chunk)
    else freePartLocked(physical, first, end - first)
    end = first
  }
  freePartLocked(physical, pfn, end - pfn)
}

/** Frees a chunk that is INSIDE and that no run's count reaches. */
export function freeInsideLocked(physical: Physical, chunk: number): void {
  setChunk(physical, chunk, CHUNK_FREE, 0)
  countLocked(physical, freeChunks, 1)
  countLocked(physical, free, CHUNK_FRAMES)
}

/** Frees the extent [pfn, pfn + frames) of one chunk, from its end: aligned blocks, as large as they can be. */
export function freePartLocked(physical: Physical, pfn: number, frames: number): void {
  const { cpu, geometry } = physical
  const countAt = frameAt(geometry, pfn) + count
  for (let left = frames; left > 0;) {
    const end = pfn + left
    const order = Math.min(log2Floor(end & -end), log2Floor(left), MAX_ORDER)
    const block = end - 2 ** order
    left -= 2 ** order
    if (left > 0) {
      setFlags(physical, block, blockFlags(order, 0)) // inside the extent as yet
      cpu.plainStore(countAt, left) // the commit: a free block begins behind the extent
    }
    freeBlockLocked(physical, block, order, 0)
  }
}
