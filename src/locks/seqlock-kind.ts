/**
 * What a sequence lock is made of.
 *
 *   SeqLockObject   0 .. 3            4
 *                 ┌─────────────────┬────────────┐
 *                 │ object header   │ RawSeqLock │     128 bytes: a line of its own
 *                 └─────────────────┴────────────┘
 */

import type { Attachment } from '../memory/attachment.ts'
import { objectHeader, type Found, type Kind, type Met, type Place } from '../memory/kind.ts'
import { RawSeqLock, releaseDeadSeqWriter } from '../sync/seqlock.ts'
import { layout, newLine, words } from '../words/layout.ts'

export const SeqLockObject = layout('SeqLock', 128, {
  ...objectHeader,
  raw: words(RawSeqLock.sizeof),
  _end: newLine,
})

export function seqLockKind<X extends Met>(make: (found: Found) => X): Kind<Place, X> {
  return {
    name: 'SeqLock',
    layout: SeqLockObject,
    read: () => ({}),
    build: () => 0,
    compare() {
      // Sequence locks are all alike.
    },
    demolish() {
      // It has nothing but its cell.
    },
    noMemory: (attachment, { name }) =>
      attachment.noMemory(name === undefined ? 'SeqLock' : `SeqLock '${name}'`, SeqLockObject.sizeof * 4),
    make,
  }
}

/** The reaper: a dead writer's lock goes on with notice. */
export function seqLockAfterDeath({ lot }: Attachment, at: number, dead: number): void {
  releaseDeadSeqWriter(lot, at + SeqLockObject.raw, dead)
}
