/** pageframe/sync: locks that every thread sees at once. */

import './memory/start.ts'
import './locks/diagnostics/index.ts'

export { Condition } from './locks/condition.ts'
export type { Until } from './locks/condition.ts'
export { futex } from './locks/futex.ts'
export type { FutexBits, FutexRequeue, FutexWaiter, FutexWakeOp, FutexWords } from './locks/futex.ts'
export { Mutex } from './locks/mutex.ts'
export type { MutexOptions } from './locks/mutex-kind.ts'
export type { AsyncWait, Lockable, UnlockToken, Wait } from './locks/lockable.ts'
export { Semaphore } from './locks/semaphore.ts'
export { SpinLock } from './locks/spin-lock.ts'
