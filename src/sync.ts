/** pageframe/sync: locks that every thread sees at once. */

import './memory/start.ts'

export { Mutex } from './locks/mutex.ts'
export type { AsyncWait, Lockable, MutexOptions, UnlockToken, Wait } from './locks/mutex.ts'
export { Semaphore } from './locks/semaphore.ts'
