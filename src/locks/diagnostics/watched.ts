/** How an object of a watched memory comes to its watch, and how the methods of its second prototype read their options. */

import { registerWatcher, type Watched } from '../../memory/watchers.ts'
import { present, timeoutOf } from '../../words/usage.ts'
import type { AsyncWait, Wait } from '../lockable.ts'
import { Watch } from './watch.ts'

const watches = new WeakMap<object, Watch>()

/** What this thread notes about an object, if it is watched. */
export function findWatch(object: object): Watch | undefined {
  return watches.get(object)
}

/** The same, inside of it. */
export function watchOf(object: object): Watch {
  const watch = findWatch(object)
  if (watch === undefined) throw new Error('a watched lock without a watch')
  return watch
}

/**
 * Objects of a kind are watched from now on: they get the prototype of `watched`, a subclass of their class. Its constructor
 * never runs, so it has no fields. Objects of a user's own subclass are left alone.
 */
export function watchAs(
  kindName: string,
  plain: { readonly prototype: object },
  watched: { readonly prototype: object },
): void {
  registerWatcher(kindName, (object: Watched, attachment, isNew) => {
    if (Object.getPrototypeOf(object) !== plain.prototype) return
    Object.setPrototypeOf(object, watched.prototype)
    const watch = new Watch(attachment, object, kindName)
    watches.set(object, watch)
    if (isNew) watch.isMadeHere()
  })
}

/** A part of a watched object, which is watched as it. */
export function watchPart<T extends object>(
  whole: object,
  part: T,
  watched: { readonly prototype: object },
): T {
  if (watches.has(part)) return part
  watches.set(part, watchOf(whole))
  return Object.setPrototypeOf(part, watched.prototype) as T
}

export interface ReadWait<W> {
  /** The options, each asked once. */
  readonly read: W
  /** Nothing but the lock ends the wait. */
  readonly isEndless: boolean
}

export function readWait(call: string, wait: Wait | undefined): ReadWait<Wait | undefined> {
  const timeoutMs = timeoutOf(call, wait)
  const isEndless = timeoutMs === Infinity
  return { read: isEndless ? undefined : { timeoutMs }, isEndless }
}

export function readAsyncWait(call: string, wait: AsyncWait | undefined): ReadWait<AsyncWait> {
  const timeoutMs = timeoutOf(call, wait)
  const { signal, ref } = wait ?? {}
  const isEndless = timeoutMs === Infinity && signal === undefined
  return { read: present<AsyncWait>({ timeoutMs, signal, ref }), isEndless }
}
