/**
 * A lock of the user's: what `--lock FILE` names, a module whose default export is a class.
 *
 *   export default class {
 *     constructor(words, worker) {}       // Int32Array of 1,024 zeroes that all workers share; this worker's number, from 1
 *     lock() {}                           // blocks. True: the last owner died holding it
 *     unlock() {}
 *     static afterDeath(words, worker) {} // optional: that worker was killed; called once, by a thread that may not block
 *   }
 */

import type { Lock } from './exclusion.ts'
import { describeThrown } from './thrown.ts'

export const OWN_WORDS = 1024

interface OwnLock {
  lock(): unknown
  unlock(): unknown
}

export interface OwnLockClass {
  new (words: Int32Array<SharedArrayBuffer>, worker: number): OwnLock
  afterDeath?: (words: Int32Array<SharedArrayBuffer>, worker: number) => unknown
}

export async function loadOwnLock(url: string): Promise<OwnLockClass> {
  return checkOwnLock((await import(url)) as { default?: unknown })
}

/** The class in a module. Throws, saying why, if it is none of these. */
export function checkOwnLock(found: { readonly default?: unknown }): OwnLockClass {
  const type = found.default as OwnLockClass | undefined
  if (typeof type !== 'function') throw new Error('its default export is no class')
  const inherited = (type.prototype ?? {}) as Partial<OwnLock>
  for (const name of ['lock', 'unlock'] as const) {
    // A field that is an arrow function shows on an object only.
    if (typeof inherited[name] !== 'function' && typeof exampleOf(type)[name] !== 'function')
      throw new Error(`its class has no method ${name}()`)
  }
  const { afterDeath } = type as { afterDeath?: unknown }
  if (afterDeath !== undefined && typeof afterDeath !== 'function')
    throw new Error('its static afterDeath is no function')
  return type
}

function exampleOf(type: OwnLockClass): Partial<OwnLock> {
  try {
    return new type(new Int32Array(new SharedArrayBuffer(OWN_WORDS * 4)), 1)
  } catch (error) {
    throw new Error(`its constructor failed: ${describeThrown(error)}`, { cause: error })
  }
}

export function byOwnLock(own: OwnLock): Lock {
  return {
    lock: () => {
      const answer = own.lock()
      if (isPromise(answer)) throw promised('lock')
      return answer === true
    },
    unlock: () => {
      if (isPromise(own.unlock())) throw promised('unlock')
    },
  }
}

function isPromise(answer: unknown): boolean {
  return typeof (answer as { then?: unknown } | null | undefined)?.then === 'function'
}

function promised(method: string): TypeError {
  return new TypeError(`${method}() returned a promise: what is tested is a lock that blocks its thread`)
}
