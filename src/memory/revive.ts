/** revive(): handles in a message become objects again. */

import { usageError } from '../words/usage.ts'
import { fromOf, handleIn, type Handle } from './kind.ts'

/**
 * Turns every handle in a message, however deep, into the object that it stands for. Arrays, plain objects, Maps and Sets
 * are changed in place; the same message is returned, or the object if the message is a handle itself.
 *
 * Throws ERR_PAGEFRAME_KIND for a handle whose class this thread has not loaded, ESTALE for one that was destroyed.
 */
export function revive<T>(message: T): T {
  return reviveValue(message, new Set()) as T
}

function reviveValue(value: unknown, seen: Set<unknown>): unknown {
  if (typeof value !== 'object' || value === null || seen.has(value)) return value
  const handle = handleIn(value)
  if (handle !== undefined) return reviveHandle(handle, value)
  seen.add(value)

  const tag = Object.prototype.toString.call(value)
  if (Array.isArray(value)) {
    value.forEach((each: unknown, i) => {
      value[i] = reviveValue(each, seen)
    })
  } else if (tag === '[object Map]') {
    const map = value as Map<unknown, unknown>
    const entries = [...map]
    map.clear()
    for (const [key, each] of entries) map.set(reviveValue(key, seen), reviveValue(each, seen))
  } else if (tag === '[object Set]') {
    const set = value as Set<unknown>
    const entries = [...set]
    set.clear()
    for (const each of entries) set.add(reviveValue(each, seen))
  } else if (tag === '[object Object]') {
    const object = value as Record<string, unknown>
    for (const [key, each] of Object.entries(object)) {
      const revived = reviveValue(each, seen)
      if (revived !== each) object[key] = revived
    }
  }
  return value
}

function reviveHandle(handle: Handle, value: object): unknown {
  const make = fromOf(handle.$pageframe)
  if (make === undefined) {
    throw usageError(
      'ERR_PAGEFRAME_KIND',
      `this message holds a ${handle.$pageframe}, but the worker has not loaded it: import ${homeOf(handle.$pageframe)}`,
    )
  }
  return make(value)
}

function homeOf(kindName: string): string {
  return kindName === 'Channel' || kindName === 'Topic' ? "'pageframe/channel'" : "'pageframe'"
}
