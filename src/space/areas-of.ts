/**
 * areasOf(): all areas of a space, for whoever is not its mutator: a copy that was whole at one moment.
 *
 * It reads as a seqlock's reader does: the cells, and again if `sequence` of the space was odd or has moved meanwhile. A
 * mutator that dies in a change leaves it odd until the reaper comes: then what is read last is what there is. One that
 * lives has only lost its core, and is waited for.
 */

import { TlbState } from '../paging/presence.ts'
import { isInState, RUNNING } from '../threads/slot.ts'
import type { Kernel } from './kernel.ts'
import { SpaceState } from './space-state.ts'
import { cellsOfSpace, type AreaInfo } from './vma-cells.ts'

export type { AreaInfo } from './vma-cells.ts'

const { sequence, tlb } = SpaceState

/** How often it tries again, for a mutator that does not run (any more); it naps in between. */
const ROUNDS = 100

/** And for one that does: ten seconds at least. */
const MOST_ROUNDS = 10_000

/** The areas of a space in the order of addresses. Not with an object's lock held: the mutator may wait for it. */
export function areasOf(kernel: Kernel, spaceAt: number): AreaInfo[] {
  const { cpu, thread } = kernel.attachment
  for (let round = 1; ; round++) {
    // Acquire: pairs with the stores in AreaTable.begin() and end().
    const before = cpu.load(spaceAt + sequence)
    const isLast = round >= ROUNDS && (round >= MOST_ROUNDS || !hasMutator(kernel, spaceAt))
    const found = (before & 1) === 0 || isLast ? cellsOfSpace(kernel, spaceAt) : []
    if (isLast || ((before & 1) === 0 && cpu.load(spaceAt + sequence) === before)) return found
    if ((before & 1) === 1) thread.awaitChange(spaceAt + sequence, before)
  }
}

/** True while a thread runs the process. */
function hasMutator({ attachment }: Kernel, spaceAt: number): boolean {
  const { cpu, map } = attachment
  const tid = cpu.load(spaceAt + tlb + TlbState.tid)
  return tid !== 0 && isInState(cpu, map.slotsAt, tid, RUNNING)
}
