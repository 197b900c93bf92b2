/** A SpinLock of a memory whose locks are watched: the same, and each step is noted (watch.ts). */

import type { UnlockToken, Wait } from '../lockable.ts'
import { SpinLock } from '../spin-lock.ts'
import { heldBySync } from '../tokens.ts'
import { readWait, watchAs, watchOf } from './watched.ts'

class WatchedSpinLock extends SpinLock {
  override lock(wait?: Wait): UnlockToken {
    const { read, isEndless } = readWait('SpinLock.lock()', wait)
    const block = () => super.lock(read)
    // An owner that locks again is told at once.
    const attempt = this[heldBySync] ? block : () => super.tryLock()
    return watchOf(this).take(attempt, block, { isEndless })
  }

  override tryLock(): UnlockToken | null {
    return watchOf(this).tryTake(() => super.tryLock())
  }

  override unlock(): void {
    super.unlock()
    watchOf(this).isGivenBack(false)
  }
}

watchAs('SpinLock', SpinLock, WatchedSpinLock)
