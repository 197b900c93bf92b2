/**
 * Where the process slots of a machine lie: what the floors below `machine` know of processes. Each slot begins with the
 * words of the lowest floor that has any: TlbState (presence.ts), then those of `space`, `ipc`, `machine`.
 */

export interface ProcessTable {
  /** Word index of the first slot. */
  readonly firstAt: number
  /** Words from one slot to the next. */
  readonly stride: number
  readonly count: number
}

/** Slots of a machine: processes that there can be at a time. */
export const PROCESS_COUNT = 128

/** Word index of a process slot. */
export function processAt(table: ProcessTable, index: number): number {
  return table.firstAt + index * table.stride
}

export function processIndexOf(table: ProcessTable, at: number): number {
  return (at - table.firstAt) / table.stride
}
