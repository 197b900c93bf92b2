/** What smaps() and smapsRollup() answer: mappings, and what they take. */

import type { Mapping } from './mapping.ts'
import type { MemoryUse } from './memory-use.ts'

/** A mapping, and what it takes. Bytes. */
export interface Smap extends Mapping, MemoryUse {
  readonly size: number
  readonly kernelPageSize: number
  readonly mmuPageSize: number
  /** Two letters each, as in VmFlags: `rd`, `wr`, `sh`, `mr` ... */
  readonly vmFlags: readonly string[]
}

/** All mappings of a process together. */
export interface SmapsRollup extends MemoryUse {
  /** The first address that is mapped and the one behind the last; 0 and 0 if there is none. */
  readonly start: number
  readonly end: number
}
