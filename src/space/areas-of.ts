/**
 * areasOf(): all areas of a space, for whoever is not its mutator: a copy that was whole at one moment.
 *
 * It reads as a seqlock's reader does: the cells, and again if `sequence` of the space was odd or has moved meanwhile. A
 * mutator that dies in a change leaves it odd until the reaper comes: then what is read last is what there is.
 */

import type { Kernel } from './kernel.ts'
import { SpaceState } from './space-state.ts'
import { cellsOfSpace, type AreaInfo } from './vma-cells.ts'

export type { AreaInfo } from './vma-cells.ts'

const { sequence } = SpaceState

/** How often it tries again; it naps in between. */
const MOST_ROUNDS = 100

/** The areas of a space in the order of addresses. Not with an object's lock held: the mutator may wait for it. */
export function areasOf(kernel: Kernel, spaceAt: number): AreaInfo[] {
  const { cpu, thread } = kernel.attachment
  for (let round = 1; ; round++) {
    // Acquire: pairs with the stores in AreaTable.begin() and end().
    const before = cpu.load(spaceAt + sequence)
    const found = (before & 1) === 0 || round === MOST_ROUNDS ? cellsOfSpace(kernel, spaceAt) : []
    if (round === MOST_ROUNDS || ((before & 1) === 0 && cpu.load(spaceAt + sequence) === before)) return found
    if ((before & 1) === 1) thread.awaitChange(spaceAt + sequence, before)
  }
}
