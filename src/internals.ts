/** pageframe/internals: for our own benches and tests. Not documented, and different in every version. */

export { attachmentById, defaultAttachment } from './memory/inventory.ts'
export { threadMemories } from './memory/thread-memories.ts'
export { atomicsCpu, compileCpu, wasmCpu } from './host/cpu.ts'
export type { Cpu } from './host/cpu.ts'
export { debugCpu } from './host/debug-cpu.ts'
export { Doorbells } from './host/doorbells.ts'
export { cores } from './host/workers.ts'
export { sumCounters } from './threads/counters.ts'
export { memoryMap, overhead, structures } from './inspect/memory-map.ts'
export { bucketCount, bucketOf, lowestOf, quantile } from './words/histogram.ts'
