/** revive(): handles in a message become objects again. */

import { usageError } from '../words/usage.ts'
import { fromOf, handleIn, type Handle } from './kind.ts'

/**
 * Turns every handle in a message, however deep, into the object that it stands for. Arrays, plain objects, Maps and Sets
 * are changed in place; the same message is returned, or the object if the message is a handle itself.
 *
 * Throws ERR_PAGEFRAME_KIND for a handle whose class this thread has not loaded, ESTALE for one that was destroyed,
 * ERR_PAGEFRAME_INVALID_ARGUMENT for one in a frozen array or object. Then nothing in the message has changed.
 */
export function revive<T>(message: T): T {
  const walk: Walk = { seen: new Set(), changes: [] }
  const revived = reviveValue(message, walk) as T
  for (const change of walk.changes) change()
  return revived
}

interface Walk {
  readonly seen: Set<unknown>
  /** What is to be done when all handles have been found good. None of it throws. */
  readonly changes: (() => void)[]
}

/** What a value becomes: itself, with changes to come, or the object of a handle. */
function reviveValue(value: unknown, walk: Walk): unknown {
  if (typeof value !== 'object' || value === null || walk.seen.has(value)) return value
  const handle = handleIn(value)
  if (handle !== undefined) return reviveHandle(handle, value)
  walk.seen.add(value)

  const tag = Object.prototype.toString.call(value)
  if (Array.isArray(value)) {
    value.forEach((each: unknown, i) => {
      reviveProperty(value, i, each, walk)
    })
  } else if (tag === '[object Object]') {
    for (const [key, each] of Object.entries(value)) reviveProperty(value, key, each, walk)
  } else if (tag === '[object Map]') reviveMap(value as Map<unknown, unknown>, walk)
  else if (tag === '[object Set]') reviveSet(value as Set<unknown>, walk)
  return value
}

function reviveProperty(object: object, key: string | number, value: unknown, walk: Walk): void {
  const revived = reviveValue(value, walk)
  if (revived === value) return
  if (Object.getOwnPropertyDescriptor(object, key)?.writable !== true) {
    throw usageError(
      'ERR_PAGEFRAME_INVALID_ARGUMENT',
      `revive(): '${key}' holds a handle, and cannot be changed: is the message frozen?`,
    )
  }
  walk.changes.push(() => {
    ;(object as Record<string | number, unknown>)[key] = revived
  })
}

function reviveMap(map: Map<unknown, unknown>, walk: Walk): void {
  const before = [...map]
  const after = before.map(([key, value]) => [reviveValue(key, walk), reviveValue(value, walk)] as const)
  if (after.every(([key, value], i) => key === before[i][0] && value === before[i][1])) return
  walk.changes.push(() => {
    map.clear()
    for (const [key, value] of after) map.set(key, value)
  })
}

function reviveSet(set: Set<unknown>, walk: Walk): void {
  const before = [...set]
  const after = before.map((value) => reviveValue(value, walk))
  if (after.every((value, i) => value === before[i])) return
  walk.changes.push(() => {
    set.clear()
    for (const value of after) set.add(value)
  })
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
