/** A Semaphore of a memory whose locks are watched. Permits have no owner: there is nothing to hold, and no circle. */

import { Semaphore } from '../semaphore.ts'
import type { AsyncWait, Wait } from '../lockable.ts'
import { readAsyncWait, readWait, watchAs, watchOf } from './watched.ts'

class WatchedSemaphore extends Semaphore {
  override acquire(wait?: Wait): void {
    const { read } = readWait('Semaphore.acquire()', wait)
    watchOf(this).pass(
      () => super.tryAcquire(),
      () => {
        super.acquire(read)
      },
    )
  }

  override tryAcquire(): boolean {
    return watchOf(this).tryPass(() => super.tryAcquire())
  }

  override async acquireAsync(wait?: AsyncWait): Promise<void> {
    const { read } = readAsyncWait('Semaphore.acquireAsync()', wait)
    await watchOf(this).passAsync(this.value === 0, () => super.acquireAsync(read))
  }
}

watchAs('Semaphore', Semaphore, WatchedSemaphore)
