/** An RwLock of a memory whose locks are watched: both sides are the same, and each step is noted (watch.ts). */

import type { AsyncWait, Lockable, UnlockToken, Wait } from '../lockable.ts'
import { ReadLock } from '../read-lock.ts'
import { RwLock } from '../rwlock.ts'
import { unlockAsync } from '../tokens.ts'
import { WriteLock } from '../write-lock.ts'
import { readAsyncWait, readWait, watchAs, watchOf, watchPart } from './watched.ts'

class WatchedReadLock extends ReadLock {
  override lock(wait?: Wait): UnlockToken {
    const { read, isEndless } = readWait('RwLock.read.lock()', wait)
    const attempt = () => orNull(() => super.tryLock())
    return watchOf(this).take(attempt, () => super.lock(read), { isEndless, isReading: true })
  }

  override tryLock(): UnlockToken | null {
    return watchOf(this).tryTake(() => super.tryLock(), { isReading: true })
  }

  override async lockAsync(wait?: AsyncWait): Promise<UnlockToken> {
    const { read, isEndless } = readAsyncWait('RwLock.read.lockAsync()', wait)
    return watchOf(this).takeAsync(() => super.lockAsync(read), { isEndless, isReading: true })
  }

  override unlock(): void {
    super.unlock()
    watchOf(this).isGivenBack(false, true)
  }

  override [unlockAsync](): void {
    super[unlockAsync]()
    watchOf(this).isGivenBack(true, true)
  }

  override runAsync<T>(section: (held: UnlockToken) => T | PromiseLike<T>, wait?: AsyncWait): Promise<T> {
    return super.runAsync((held) => watchOf(this).runSection(held, () => section(held)), wait)
  }
}

class WatchedWriteLock extends WriteLock {
  override lock(wait?: Wait): UnlockToken {
    const { read, isEndless } = readWait('RwLock.write.lock()', wait)
    const attempt = () => orNull(() => super.tryLock())
    return watchOf(this).take(attempt, () => super.lock(read), { isEndless })
  }

  override tryLock(): UnlockToken | null {
    return watchOf(this).tryTake(() => super.tryLock())
  }

  override async lockAsync(wait?: AsyncWait): Promise<UnlockToken> {
    const { read, isEndless } = readAsyncWait('RwLock.write.lockAsync()', wait)
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

  override runAsync<T>(section: (held: UnlockToken) => T | PromiseLike<T>, wait?: AsyncWait): Promise<T> {
    return super.runAsync((held) => watchOf(this).runSection(held, () => section(held)), wait)
  }
}

class WatchedRwLock extends RwLock {
  override get read(): Lockable {
    return watchPart(this, super.read, WatchedReadLock)
  }

  override get write(): Lockable {
    return watchPart(this, super.write, WatchedWriteLock)
  }
}

/** What tryLock() throws lock() says too, and in its own name. */
function orNull<T>(attempt: () => T | null): T | null {
  try {
    return attempt()
  } catch {
    return null
  }
}

watchAs('RwLock', RwLock, WatchedRwLock)
