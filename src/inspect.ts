/** pageframe/inspect: what a machine's memory is used for, as objects, and as texts: Linux's own where it has one. */

export { faults, type Faults } from './inspect/faults.ts'
export { frame, type FrameInfo, type FrameMapping, type FrameUse } from './inspect/frame.ts'
export { deadlocks, lockOrder } from './inspect/lock-order.ts'
export type { LockInversion, LockOrder, LockOrders } from './inspect/lock-order.ts'
export { lockStatistics } from './inspect/lock-statistics.ts'
export type { Durations, LockStatistics } from './inspect/lock-statistics.ts'
export type { Mapping } from './inspect/mapping.ts'
export { maps, vmaCount } from './inspect/maps.ts'
export type { MemoryUse } from './inspect/memory-use.ts'
export { overhead, type Overhead, type OverheadParts } from './inspect/overhead.ts'
export type { Smap, SmapsRollup } from './inspect/smap.ts'
export { smaps, smapsRollup } from './inspect/smaps.ts'
export type { Texted } from './inspect/text.ts'
export { waitGraph } from './inspect/wait-graph.ts'
export type {
  GraphLock,
  GraphThread,
  HoldEdge,
  WaitCycle,
  WaitEdge,
  WaitGraph,
} from './inspect/wait-graph.ts'
export type { Where } from './inspect/where.ts'
