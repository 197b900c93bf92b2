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

export const OWN_WORDS = 1024

interface OwnLock {
  lock(): unknown
  unlock(): unknown
}

export interface OwnLockClass {
  new (words: Int32Array<SharedArrayBuffer>, worker: number): OwnLock
  afterDeath?: (words: Int32Array<SharedArrayBuffer>, worker: number) => void
}

export async function loadOwnLock(url: string): Promise<OwnLockClass> {
  return checkOwnLock((await import(url)) as { default?: unknown })
}

/** The class in a module. Throws, saying why, if it is none of these. */
export function checkOwnLock(found: { readonly default?: unknown }): OwnLockClass {
  const type = found.default as OwnLockClass | undefined
  const has = (name: string) =>
    typeof (type?.prototype as Record<string, unknown> | undefined)?.[name] === 'function'
  if (typeof type !== 'function') throw new Error('its default export is no class')
  for (const name of ['lock', 'unlock']) {
    if (!has(name)) throw new Error(`its class has no method ${name}()`)
  }
  return type
}

export function byOwnLock(own: OwnLock): Lock {
  return {
    lock: () => {
      const answer = own.lock()
      if (typeof (answer as { then?: unknown } | undefined)?.then === 'function') {
        throw new TypeError('lock() returned a promise: what is tested is a lock that blocks its thread')
      }
      return answer === true
    },
    unlock: () => {
      own.unlock()
    },
  }
}
