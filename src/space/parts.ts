/** SpaceParts: what the branches of a fault and windows work on. Space (space.ts) is put together of them. */

import type { Frames } from '../frames/frames.ts'
import type { Cpu } from '../host/cpu.ts'
import type { Mmu } from '../paging/mmu.ts'
import type { PageTable } from '../paging/table.ts'
import type { ObjectStore } from '../storage/objects.ts'
import type { Areas } from './areas.ts'
import type { Kernel } from './kernel.ts'

export interface SpaceParts {
  readonly kernel: Kernel
  /** Word index of its SpaceState: who it is in Frame.object and in its areas. */
  readonly at: number
  readonly cpu: Cpu
  readonly frames: Frames
  readonly objects: Pick<ObjectStore, 'pages' | 'sequence' | 'pageAt'>
  readonly table: PageTable
  readonly areas: Pick<Areas, 'find' | 'ensureAnonId'>
  readonly mmu: Pick<Mmu, 'forget'>
  /** The entries that a fault has put around the page it was for, while it may still take them out again. */
  readonly around: Int32Array
  /** A fault was resolved without I/O. The process only. */
  countMinorFault(): void
}
