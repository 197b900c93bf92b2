/** What a memory's frames are used for, in figures: the sources of meminfo, buddyinfo and the texts of ENOMEM. */

import { FREE as FREE_SLOT, stateOf, ThreadSlot } from '../threads/slot.ts'
import type { Access, Physical } from './access.ts'
import { framesInMagazine } from './magazine.ts'
import { FreeRows } from './runs.ts'
import { chunkCount, lockZone, MAX_ORDER, unlockZone, Zone } from './zone.ts'

export interface FrameStatistics {
  readonly totalFrames: number
  readonly reservedFrames: number
  /** In the buddy allocator and in magazines. */
  readonly freeFrames: number
  /** Of these, in the magazines of threads: others get at them when nothing else is left. */
  readonly magazineFrames: number
  /** The longest run that can be allocated. */
  readonly largestRun: number
  /** The most frames that were ever out of the buddy allocator at one time. */
  readonly peakFrames: number
  /** Free blocks of orders 0 to 10, as /proc/buddyinfo has them. */
  readonly blocks: readonly number[]
}

/** Free frames, those in magazines included. As good as the moment it was asked in. */
export function freeFramesOf({ cpu, geometry }: Physical): number {
  return cpu.load(geometry.zoneAt + Zone.free) + magazineFramesOf({ cpu, geometry })
}

function magazineFramesOf(physical: Physical): number {
  const { cpu, geometry } = physical
  let frames = 0
  for (let index = 0; index < geometry.slotCount; index++) {
    const slot = geometry.slotsAt + index * ThreadSlot.sizeof
    // Slots that nobody has are not touched beyond their first line.
    if (stateOf(cpu.load(slot + ThreadSlot.state)) !== FREE_SLOT)
      frames += framesInMagazine(physical, index).size
  }
  return frames
}

/** All figures. The Frames of split chunks are read, a chunk at a time under the zone lock. */
export function statisticsOf(access: Access): FrameStatistics {
  const { cpu, geometry } = access
  let largestRun = 0
  const rows = new FreeRows(access, (_pfn, frames) => {
    largestRun = Math.max(largestRun, frames)
  })
  for (let chunk = 0; chunk < chunkCount(geometry); chunk++) {
    lockZone(access)
    rows.add(chunk)
    unlockZone(access)
  }
  rows.end()

  const blocks = []
  for (let order = 0; order < MAX_ORDER; order++) {
    blocks.push(cpu.load(geometry.zoneAt + Zone.blocks + order))
  }
  blocks.push(cpu.load(geometry.zoneAt + Zone.freeChunks))
  return {
    totalFrames: geometry.frameCount,
    reservedFrames: geometry.reservedFrames,
    freeFrames: freeFramesOf(access),
    magazineFrames: magazineFramesOf(access),
    largestRun,
    peakFrames: cpu.load(geometry.zoneAt + Zone.peak),
    blocks,
  }
}
