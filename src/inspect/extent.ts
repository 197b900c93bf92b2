/** The extent that a frame lies in, for people: what the frame table says of it (frames/frame.ts). */

import { kindOf, REST } from '../frames/frame.ts'
import type { Frames } from '../frames/frames.ts'
import { visitChunk } from '../frames/truth.ts'
import { CHUNK_INSIDE, chunkOf, chunkState, lockZone, unlockZone } from '../frames/zone.ts'

export interface Extent {
  readonly first: number
  /** As Frame.flags. */
  readonly flags: number
}

/** Undefined for a frame that the allocator does not manage: its own words lie there. Outside the kernel: it may wait. */
export function extentAround(frames: Frames, pfn: number): Extent | undefined {
  if (pfn < frames.geometry.reservedFrames) return undefined
  lockZone(frames)
  try {
    // A run may begin in an earlier chunk: then TAIL chunks and a REST lie between.
    for (let chunk = chunkOf(pfn); chunk >= chunkOf(frames.geometry.reservedFrames); chunk--) {
      const found = chunkState(frames, chunk) === CHUNK_INSIDE ? undefined : extentIn(frames, chunk, pfn)
      if (found !== undefined && kindOf(found.flags) !== REST) return found
    }
    return undefined
  } finally {
    unlockZone(frames)
  }
}

/** The last extent of a chunk that begins at pfn or before it. */
function extentIn(frames: Frames, chunk: number, pfn: number): Extent | undefined {
  let found: Extent | undefined
  visitChunk(frames, chunk, (first, flags) => {
    if (first <= pfn) found = { first, flags }
  })
  return found
}
