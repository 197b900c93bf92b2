/** pageframe: shared memory for Node's worker threads. */

import './memory/start.ts'

export * from './sync.ts'
export * from './channel.ts'
export { SharedMemory } from './memory/shared-memory.ts'
export type { SharedMemoryOptions } from './memory/shared-memory.ts'
export { Region } from './memory/region.ts'
export type { RegionOptions } from './memory/region.ts'
export { revive } from './memory/revive.ts'
export type { Handle, Place } from './memory/kind.ts'
export { ErrnoError } from './words/errno.ts'
export type { Size } from './words/usage.ts'
