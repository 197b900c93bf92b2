/** What a memory's frames are used for, in figures: the sources of meminfo, buddyinfo and the texts of ENOMEM. */

import { ThreadSlot } from '../threads/slot.ts'
import { visitFreeRows } from './runs.ts'
import type { Access } from './geometry.ts'
import { lockZone, MAX_ORDER, unlockZone, Zone } from './zone.ts'

export interface FrameStatistics {
  readonly totalFrames: number
  readonly reservedFrames: number
  /** In the buddy allocator and in magazines. */
  readonly freeFrames: number
  /** Of these, in the magazines of threads: not available to others. */
  readonly magazineFrames: number
  /** The longest run that can be allocated. */
  readonly largestRun: number
  /** The most frames that were ever out of the buddy allocator at one time. */
  readonly peakFrames: number
  /** Free blocks of orders 0 to 10, as /proc/buddyinfo has them. */
  readonly blocks: readonly number[]
}

/** Reads the chunk map and, under the zone lock, the Frames of chunks that are split. */
export function statisticsOf(access: Access): FrameStatistics {
  const { cpu, geometry } = access
  let magazineFrames = 0
  for (let index = 0; index < geometry.slotCount; index++) {
    // A hint: other threads are using theirs.
    magazineFrames += cpu.load(geometry.slotsAt + index * ThreadSlot.sizeof + ThreadSlot.magazine)
  }

  lockZone(access)
  const blocks = []
  for (let order = 0; order < MAX_ORDER; order++) {
    blocks.push(cpu.plainLoad(geometry.zoneAt + Zone.blocks + order))
  }
  blocks.push(cpu.plainLoad(geometry.zoneAt + Zone.freeChunks))
  const free = cpu.plainLoad(geometry.zoneAt + Zone.free)
  const peakFrames = cpu.plainLoad(geometry.zoneAt + Zone.peak)
  let largestRun = 0
  visitFreeRows(access, false, (_pfn, frames) => {
    largestRun = Math.max(largestRun, frames)
  })
  unlockZone(access)

  return {
    totalFrames: geometry.frameCount,
    reservedFrames: geometry.reservedFrames,
    freeFrames: free + magazineFrames,
    magazineFrames,
    largestRun,
    peakFrames,
    blocks,
  }
}
