/** SpaceAreas: what mmap(), munmap() and mprotect() work on. Areas (areas.ts) is put together of it. */

import type { AddressLayout } from '../paging/addresses.ts'
import type { AreaTable } from './area-table.ts'
import type { Kernel } from './kernel.ts'
import type { Zapper } from './zap.ts'

export interface SpaceAreas {
  readonly kernel: Kernel
  readonly layout: AddressLayout
  readonly table: AreaTable
  readonly zapper: Zapper
  /** The page below which mmap() looks first. */
  readonly base: number
  /** True if that many private writable pages may be mapped at a time. */
  mayPromise(pages: number): boolean
  /** Populates when the call is over, and foreign readers may look again. */
  populateLater(from: number, to: number): void
}
