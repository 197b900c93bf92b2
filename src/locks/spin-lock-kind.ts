/**
 * What a spin lock is made of.
 *
 *   SpinLockObject   0 .. 3            4
 *                  ┌─────────────────┬──────┐
 *                  │ object header   │ word │    128 bytes: a line of its own
 *                  └─────────────────┴──────┘
 */

import type { Attachment } from '../memory/attachment.ts'
import { runningThreads } from '../memory/check.ts'
import { objectHeader, type Found, type Kind, type Met, type Place } from '../memory/kind.ts'
import { RawSpin, spinOwner } from '../sync/spin-lock.ts'
import { layout, newLine, words } from '../words/layout.ts'

export const SpinLockObject = layout('SpinLock', 128, {
  ...objectHeader,
  raw: words(RawSpin.sizeof),
  _end: newLine,
})

export function spinLockKind<X extends Met>(make: (found: Found) => X): Kind<Place, X> {
  return {
    name: 'SpinLock',
    layout: SpinLockObject,
    read: () => ({}),
    build: () => 0,
    compare() {
      // Spin locks are all alike.
    },
    demolish() {
      // A spin lock has nothing but its cell.
    },
    noMemory: (attachment, { name }) =>
      attachment.noMemory(name === undefined ? 'SpinLock' : `SpinLock '${name}'`, SpinLockObject.sizeof * 4),
    make,
    holders: ({ lot }, at) => {
      const tid = spinOwner(lot, at + SpinLockObject.raw)
      return tid === 0 ? [] : [{ tid, isAsync: false }]
    },
    check: spinLockProblems,
  }
}

/** What does not add up in a spin lock at rest. */
export function* spinLockProblems(attachment: Attachment, at: number): Generator<string> {
  const tid = spinOwner(attachment.lot, at + SpinLockObject.raw)
  if (tid !== 0 && !runningThreads(attachment).has(tid)) {
    yield `a SpinLock at ${at} is held by a thread (${tid}) that does not run`
  }
}
