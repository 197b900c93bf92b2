/** A Mutex of a memory whose locks are watched: the same, and each step is noted (watch.ts). */

import { assertFunction } from '../../words/usage.ts'
import type { AsyncWait, UnlockToken, Wait } from '../lockable.ts'
import { MutexObject, NORMAL } from '../mutex-kind.ts'
import { Mutex } from '../mutex.ts'
import { heldByAsync, heldBySync, unlockAsync } from '../tokens.ts'
import { readAsyncWait, readWait, watchAs, watchOf } from './watched.ts'

class WatchedMutex extends Mutex {
  override lock(wait?: Wait): UnlockToken {
    const { read, isEndless } = readWait('Mutex.lock()', wait)
    const block = () => super.lock(read)
    const attempt = () => {
      try {
        return super.tryLock()
      } catch {
        return null // lock() says why
      }
    }
    // An owner that locks again is told at once; but for a normal mutex, where it waits for itself.
    const isNormal = this.attachment.cpu.load(this.at + MutexObject.type) === NORMAL
    const isOwn = this[heldByAsync] || (this[heldBySync] && !isNormal)
    return watchOf(this).take(isOwn ? block : attempt, block, { isEndless })
  }

  override tryLock(): UnlockToken | null {
    return watchOf(this).tryTake(() => super.tryLock())
  }

  override async lockAsync(wait?: AsyncWait): Promise<UnlockToken> {
    const { read, isEndless } = readAsyncWait('Mutex.lockAsync()', wait)
    return watchOf(this).takeAsync(() => super.lockAsync(read), { isEndless })
  }

  override unlock(): void {
    super.unlock()
    watchOf(this).isGivenBack(false)
  }

  override [unlockAsync](): void {
    super[unlockAsync]()
    watchOf(this).isGivenBack(true)
  }

  override async runAsync<T>(
    section: (held: UnlockToken) => T | PromiseLike<T>,
    wait?: AsyncWait,
  ): Promise<T> {
    assertFunction('Mutex.runAsync()', 'section', section)
    return super.runAsync((held) => watchOf(this).runSection(held, () => section(held)), wait)
  }
}

watchAs('Mutex', Mutex, WatchedMutex)
