/** pageframe/testing: code on shared memory under every interleaving, and memories of their own for ordinary tests. */

import './memory/start.ts'

export type { Cpu } from './host/cpu.ts'
export { onAtomics, type AtomicsView } from './testing/atomics.ts'
export { assertHolds, explore, outcomesOf, replay, type Replayed } from './testing/explore.ts'
export { HistoryLog, type LoggedCall } from './testing/history-log.ts'
export { isolated, type IsolatedOptions, type LeftBehind } from './testing/isolated.ts'
export {
  linearize,
  type HistoryCall,
  type Linearization,
  type SequentialModel,
} from './testing/linearizable.ts'
export { litmus, type LitmusName, type LitmusOptions, type LitmusReport } from './testing/litmus.ts'
export type {
  Bounds,
  GatedOperation,
  GhostUpdate,
  Model,
  ModelThread,
  Operation,
  ReaperOperation,
  Run,
  Snapshot,
  Tasks,
  ThreadModel,
  Words,
} from './testing/model.ts'
export { formatReport, type Failure, type Report, type Trouble } from './testing/report.ts'
export type { Thread } from './threads/thread.ts'
