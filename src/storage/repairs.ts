/**
 * The reaper's steps for shared memory objects, for the supervisor's bundle. They come after those of limbo and of links
 * (paging): a frame that the dead was taking, or had linked and not yet owned, is then where it belongs.
 */

import type { Attachment } from '../memory/attachment.ts'
import type { KindRepair } from '../memory/reaper.ts'
import { releaseDead } from '../sync/mutex.ts'
import { objectProblems } from './check.ts'
import type { ObjectStore } from './objects.ts'
import { ShmObject } from './shm-object.ts'

/** `storeOf` finds the store of a memory; undefined if that is no machine's. */
export function storageRepairs(
  storeOf: (attachment: Attachment) => ObjectStore | undefined,
): readonly KindRepair[] {
  return [
    {
      signature: ShmObject.signature,
      afterDeath: (attachment, at, dead) => {
        releaseDead(attachment.lot, at + ShmObject.lock, dead)
        storeOf(attachment)?.settle(at)
      },
      unfinished: (attachment, at) => {
        // Its status names the dead. An area of the dead may refer to it, and is yet to be dropped under its lock.
        releaseDead(attachment.lot, at + ShmObject.lock, attachment.cpu.load(at))
        storeOf(attachment)?.unfinished(at)
      },
      check: (attachment, at) => {
        const store = storeOf(attachment)
        return store === undefined ? [] : objectProblems(store, at)
      },
    },
  ]
}
