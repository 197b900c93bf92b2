/** pageframe/machine: processes with address spaces of their own, in worker threads. Linux's calls, numbers and errors. */

import './memory/start.ts'
import './machine/adoptable.ts'

export { run } from './machine/adopt.ts'
export type { Child } from './machine/child.ts'
export { Machine } from './machine/machine.ts'
export type { BootOptions } from './machine/machine.ts'
export type { Timeout, TimeSpec } from './machine/arguments.ts'
export type { MutexAttributes } from './machine/sync/mutex-calls.ts'
export type { ConditionAttributes, RwLockAttributes } from './machine/sync/pthread-calls.ts'
export type {
  FutexBitsetOptions,
  FutexOptions,
  FutexWaiterOptions,
  FutexWaitOptions,
} from './machine/sync/futex-calls.ts'
export type { WakeOperation } from './machine/sync/futex.ts'
export {
  FUTEX_OP_ADD,
  FUTEX_OP_ANDN,
  FUTEX_OP_CMP_EQ,
  FUTEX_OP_CMP_GE,
  FUTEX_OP_CMP_GT,
  FUTEX_OP_CMP_LE,
  FUTEX_OP_CMP_LT,
  FUTEX_OP_CMP_NE,
  FUTEX_OP_OPARG_SHIFT,
  FUTEX_OP_OR,
  FUTEX_OP_SET,
  FUTEX_OP_XOR,
} from './sync/futex.ts'
export {
  PTHREAD_MUTEX_ADAPTIVE_NP,
  PTHREAD_MUTEX_ERRORCHECK,
  PTHREAD_MUTEX_NORMAL,
  PTHREAD_MUTEX_RECURSIVE,
} from './machine/sync/mutex.ts'
export type { Process } from './machine/process.ts'
export type { ProcessView } from './machine/process-view.ts'
export type { ExitStatus, SignalName } from './machine/signals.ts'
export type { SpawnOptions } from './machine/spawn.ts'
export type { Entry } from './machine/start.ts'
export { current } from './machine/current.ts'
export type { Stat } from './ipc/posix-shm.ts'
export * from './ipc/constants.ts'
export * from './space/constants.ts'
export { BusError, SegmentationFault } from './paging/signals.ts'
export type { Walk } from './paging/explain.ts'
export type { Window } from './space/window.ts'
export { EOWNERDEAD, ErrnoError } from './words/errno.ts'
