/**
 * Sections: functions that run with a lock held, and what becomes of the lock when they are over.
 *
 *   the section               the lock             the caller gets
 *   returns                   unlocked             what it returned; EPERM if it had unlocked by itself
 *   throws                    unlocked, if held    what it threw, whatever the lock would say
 *   returns a promise, and    unlocked             ERR_PAGEFRAME_INVALID_ARGUMENT: what runs on does so without the lock
 *     was to end at once
 */

import { assertFunction, atOnce } from '../words/usage.ts'
import type { AsyncWait, UnlockToken, Wait } from './lockable.ts'

interface Locks {
  lock(wait?: Wait): UnlockToken
  unlock(): void
}

interface LocksAsync {
  lockAsync(wait?: AsyncWait): Promise<UnlockToken>
}

/** What run() of a lock does. `instead`: what to do with a section that is asynchronous. */
export function runSection<T>(
  call: string,
  lock: Locks,
  section: (held: UnlockToken) => T,
  wait: Wait | undefined,
  instead = 'use await runAsync()',
): T {
  assertFunction(call, 'section', section)
  const held = lock.lock(wait)
  let result: T
  try {
    result = section(held)
  } catch (error) {
    if (held.locked) lock.unlock() // not if it has unlocked, or a condition could not get it back
    throw error
  }
  lock.unlock()
  return atOnce(call, 'section', result, instead)
}

/** What runAsync() of a lock does. */
export async function runSectionAsync<T>(
  call: string,
  lock: LocksAsync,
  section: (held: UnlockToken) => T | PromiseLike<T>,
  wait: AsyncWait | undefined,
): Promise<T> {
  assertFunction(call, 'section', section)
  const held = await lock.lockAsync(wait)
  let result: T
  try {
    result = await section(held)
  } catch (error) {
    if (held.locked) held.unlock()
    throw error
  }
  held.unlock()
  return result
}
