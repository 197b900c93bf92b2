/** What is known of the locks of this process, as a file that `pageframe locks` reads. */

import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SharedMemory } from 'pageframe'
import {
  deadlocks,
  lockOrder,
  lockStatistics,
  waitGraph,
  type LockInversion,
  type LockOrder,
  type LockStatistics,
} from 'pageframe/inspect'
import { threadMemories } from 'pageframe/internals'

export interface MemoryReport {
  readonly memory: string
  readonly locks: readonly LockStatistics[]
  /** The same as a table. */
  readonly table: string
  readonly orders: readonly LockOrder[]
  readonly inversions: readonly LockInversion[]
  readonly deadlocks: readonly string[]
  /** Who waits for what at this moment, a line each, with the circles in it. */
  readonly waits: string
  readonly waitCount: number
}

export interface LocksReport {
  readonly memories: readonly MemoryReport[]
}

/** Whoever reads sees a whole file or the one before. */
export function writeReport(folder: string, file: string): void {
  try {
    const path = join(folder, file)
    writeFileSync(`${path}.new`, JSON.stringify(report()))
    renameSync(`${path}.new`, path)
  } catch {
    // The memory is gone, or the folder: nobody waits for it then.
  }
}

function report(): LocksReport {
  return { memories: memories().map(reportOf) }
}

/** Those that this thread has met: the default one, and in the main thread those that it made itself. */
function memories(): SharedMemory[] {
  const met = [SharedMemory.default]
  for (const { attachment } of threadMemories.known.values()) {
    if (attachment === undefined || attachment.lockDiagnostics === 0) continue
    const memory = SharedMemory.from({
      $pageframe: 'SharedMemory',
      memory: attachment.id,
      at: 0,
      generation: 0,
    })
    if (!met.includes(memory)) met.push(memory)
  }
  return met
}

function reportOf(memory: SharedMemory): MemoryReport {
  const locks = lockStatistics(memory)
  const { orders, inversions } = lockOrder(memory)
  const graph = waitGraph(memory)
  return {
    memory: memory.name ?? memory.memory,
    locks: [...locks],
    table: String(locks),
    orders,
    inversions,
    deadlocks: deadlocks(memory),
    waits: String(graph),
    waitCount: graph.waits.length,
  }
}
