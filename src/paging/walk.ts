/** A step of a page-table walk, as people look at it: one entry of one table. */

import { LEVEL_NAMES } from './addresses.ts'
import { isPresent, pfnOf } from './pte.ts'

/** One table on the way. */
export interface WalkStep {
  readonly level: (typeof LEVEL_NAMES)[number]
  /** The frame that the table lies in. */
  readonly table: number
  /** Which of its 512 entries: 9 bits of the address. */
  readonly index: number
  /** The entry as it stands there, an int32: pte.ts says what its bits mean. */
  readonly entry: number
  /** The frame that it leads to: of the next table, of the page; null if it is not present. */
  readonly frame: number | null
}

/** What an entry of a table says, for walk(). `level` counts from 0, the page's. */
export function stepOf(level: number, tableFrame: number, index: number, entry: number): WalkStep {
  const frame = isPresent(entry) ? pfnOf(entry) : null
  return { level: LEVEL_NAMES[level], table: tableFrame, index, entry, frame }
}
