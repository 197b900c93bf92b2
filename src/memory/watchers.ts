/**
 * Watchers: what a class of locks does to an object of a memory whose locks are watched (lock-switch.ts).
 *
 * A watcher gives the object another prototype, whose methods note what they do and then do it. So a lock that is not
 * watched has no line of code for it. It is called once for each object that a thread meets, by the constructor of
 * SharedObject: the fields of the class itself are not there yet.
 */

import type { Attachment } from './attachment.ts'

export interface Watched {
  readonly at: number
  readonly generation: number
}

/** `isNew`: this thread has just made it, without a name, and nobody else knows it. */
export type Watcher = (object: Watched, attachment: Attachment, isNew: boolean) => void

const watchers = new Map<string, Watcher>()

/** Has objects of a kind watched. Called by the module that says how. */
export function registerWatcher(kindName: string, watcher: Watcher): void {
  watchers.set(kindName, watcher)
}

export function watcherOf(kindName: string): Watcher | undefined {
  return watchers.get(kindName)
}
