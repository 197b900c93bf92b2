/**
 * explain(): how an address is translated, level by level, as one would draw it on a blackboard.
 *
 *   0x7f3c5a1e2123
 *     pgd  frame 301 [254] -> frame 302
 *     pud  frame 302 [241] -> frame 303
 *     pmd  frame 303 [208] -> frame 304
 *     pte  frame 304 [482] -> frame 310, writable, accessed, dirty
 *     offset 0x123 -> byte 0x136123 of the memory
 *
 * It changes nothing, not even ACCESSED, and fills no TLB. The walk ends where a table or the page is missing.
 */

import { PAGE_SIZE } from '../words/constants.ts'
import { showAddress } from './addresses.ts'
import { ACCESSED, DIRTY, WRITE } from './pte.ts'
import type { PageTable } from './table.ts'
import type { WalkStep } from './walk.ts'

export interface Walk {
  readonly address: number
  readonly steps: readonly WalkStep[]
  /** Bytes from the beginning of the page: the lowest 12 bits of the address. */
  readonly offset: number
  /** The frame of the page, or null: the next access faults. */
  readonly frame: number | null
  /** Where it lies in the memory's buffer, or null. */
  readonly byte: number | null
  readonly writable: boolean
  readonly accessed: boolean
  readonly dirty: boolean
  /** The same as a text of several lines. */
  toString(): string
}

/** The walk of an address, which is a whole number below the table's taskSize. The mutator's, or inside the kernel. */
export function explainAddress(table: PageTable, address: number): Walk {
  const offset = address % PAGE_SIZE
  const steps = table.walk((address - offset) / PAGE_SIZE)
  const last = steps.at(-1)
  const page = last?.level === 'pte' && last.frame !== null ? last : undefined
  const has = (bit: number): boolean => page !== undefined && (page.entry & bit) !== 0
  const walk = {
    address,
    steps,
    offset,
    frame: page?.frame ?? null,
    byte: page?.frame == null ? null : page.frame * PAGE_SIZE + offset,
    writable: has(WRITE),
    accessed: has(ACCESSED),
    dirty: has(DIRTY),
  }
  return Object.defineProperty(walk, 'toString', { value: () => textOf(walk) })
}

function textOf(walk: Omit<Walk, 'toString'>): string {
  const lines = [showAddress(walk.address)]
  for (const { level, table, index, frame } of walk.steps) {
    const bits = level === 'pte' ? bitNames(walk) : ''
    const goal = frame === null ? 'nothing' : `frame ${frame}${bits}`
    lines.push(`  ${level}  frame ${table} [${index}] -> ${goal}`)
  }
  if (walk.steps.length === 0) lines.push('  no table at all')
  if (walk.byte !== null) {
    lines.push(`  offset ${showAddress(walk.offset)} -> byte ${showAddress(walk.byte)} of the memory`)
  }
  return lines.join('\n')
}

function bitNames(walk: Pick<Walk, 'writable' | 'accessed' | 'dirty'>): string {
  return (['writable', 'accessed', 'dirty'] as const)
    .filter((bit) => walk[bit])
    .map((bit) => `, ${bit}`)
    .join('')
}
