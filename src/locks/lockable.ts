/** What every lock offers, in its three forms, and the options of a wait. */

export interface Wait {
  /** Milliseconds until ErrnoError ETIMEDOUT; for ever if absent. */
  timeoutMs?: number
}

export interface AsyncWait extends Wait {
  /** Aborted: the promise rejects with signal.reason. */
  signal?: AbortSignal
  /** False: the wait does not keep the process alive. */
  ref?: boolean
}

/** What a lock gives: whoever has it may unlock. Disposing it unlocks too. */
export interface UnlockToken extends Disposable {
  /** True while this token holds the lock. */
  readonly locked: boolean
  /** The last owner died holding it: repair what it protects, then call markConsistent(), after which this is false. */
  readonly ownerDied: boolean
  unlock(): void
}

export interface Lockable {
  lock(wait?: Wait): UnlockToken
  tryLock(): UnlockToken | null
  lockAsync(wait?: AsyncWait): Promise<UnlockToken>
  unlock(): void
  run<T>(section: (held: UnlockToken) => T, wait?: Wait): T
  runAsync<T>(section: (held: UnlockToken) => T | PromiseLike<T>, wait?: AsyncWait): Promise<T>
}

/** What is waited for and not held. */
export interface Waitable {
  wait(wait?: Wait): void
  tryWait(): boolean
  waitAsync(wait?: AsyncWait): Promise<void>
}
