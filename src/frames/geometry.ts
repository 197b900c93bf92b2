/**
 * Geometry: where the allocator's own words lie in a memory, computed from its size alone.
 *
 *   areaAt   ┌──────┬────────────┬───────────┬─────────────────────────┬────────────────────────────
 *            │ Zone │ slab table │ chunk map │ frame table             │ frames that can be allocated
 *            └──────┴────────────┴───────────┴─────────────────────────┴────────────────────────────
 *             384 B  4 KiB        4 B a chunk  32 B a frame, aligned     from reservedFrames on
 *
 * For 4 GiB the chunk map takes 4 KiB, and the frame table 32 MiB, most of which is never touched.
 */

import { alignUp } from '../words/bits.ts'
import { LINE_WORDS, PAGE_WORDS } from '../words/constants.ts'
import { combine } from '../words/layout.ts'
import type { FrameGeometry } from './access.ts'
import { Frame } from './frame.ts'
import { CACHE_COUNT, SlabCache } from './slab-table.ts'
import { Cell } from './slab.ts'
import { chunkCount, Zone } from './zone.ts'

export type { FrameGeometry } from './access.ts'

/** The allocator's area, for the map of the memory and for the signature in the superblock. */
export const framesArea = {
  signature: combine(Zone, Frame, SlabCache, Cell),

  /** Places the parts from word `areaAt` on; all frames up to the end of the frame table are reserved. */
  place(
    areaAt: number,
    frameCount: number,
    slotsAt: number,
    slotCount: number,
    debug: boolean,
  ): FrameGeometry {
    const zoneAt = alignUp(areaAt, LINE_WORDS)
    const slabTableAt = zoneAt + Zone.sizeof
    const chunkMapAt = slabTableAt + CACHE_COUNT * SlabCache.sizeof
    const tableAt = alignUp(chunkMapAt + chunkCount({ frameCount }), LINE_WORDS)
    const reservedFrames = Math.ceil((tableAt + frameCount * Frame.sizeof) / PAGE_WORDS)
    return {
      zoneAt,
      tableAt,
      chunkMapAt,
      slabTableAt,
      frameCount,
      reservedFrames,
      slotsAt,
      slotCount,
      debug,
    }
  },
}
