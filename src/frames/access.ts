/** What the functions of this floor take first: a memory's frames, and who looks at them. */

import type { Cpu } from '../host/cpu.ts'
import type { Thread } from '../threads/thread.ts'

/** Where the parts lie, as word indices, and how large they are. The same for all threads of a memory. */
export interface FrameGeometry {
  readonly zoneAt: number
  readonly tableAt: number
  readonly chunkMapAt: number
  readonly slabTableAt: number
  /** Frames of the memory, from its byte 0 on. */
  readonly frameCount: number
  /** The first so many are the kernel's: never allocated. At least 1, for pfn 0 ends the lists. */
  readonly reservedFrames: number
  readonly slotsAt: number
  readonly slotCount: number
  /** Poison what is free and put red zones behind runs (poison.ts). */
  readonly debug: boolean
}

/** A memory's frames, without anybody who looks at them. */
export interface Physical {
  readonly cpu: Cpu
  readonly geometry: FrameGeometry
}

/** A memory's frames as one thread sees them. */
export interface Access extends Physical {
  readonly thread: Thread
}
