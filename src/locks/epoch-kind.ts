/**
 * What an epoch is made of.
 *
 *   EpochObject   0 .. 3            4
 *               ┌─────────────────┬──────────┐
 *               │ object header   │ RawEpoch │     128 bytes: a line of its own, which sections do not write
 *               └─────────────────┴──────────┘
 */

import type { Attachment } from '../memory/attachment.ts'
import { objectHeader, type Found, type Kind, type Met, type Place } from '../memory/kind.ts'
import { RawEpoch, releaseDeadSections } from '../sync/epoch.ts'
import { dropReads } from '../sync/readers.ts'
import { layout, newLine, words } from '../words/layout.ts'

export const EpochObject = layout('Epoch', 128, {
  ...objectHeader,
  raw: words(RawEpoch.sizeof),
  _end: newLine,
})

const { raw } = EpochObject

export function epochKind<X extends Met>(make: (found: Found) => X): Kind<Place, X> {
  return {
    name: 'Epoch',
    layout: EpochObject,
    read: () => ({}),
    build: () => 0,
    compare() {
      // Epochs are all alike.
    },
    demolish: dropSections,
    noMemory: (attachment, { name }) =>
      attachment.noMemory(name === undefined ? 'Epoch' : `Epoch '${name}'`, EpochObject.sizeof * 4),
    make,
  }
}

/** An epoch that is destroyed while somebody is in a section: what comes to lie there has nobody in it. */
export function dropSections({ lot }: Attachment, at: number): void {
  dropReads(lot, at + raw + RawEpoch.set, at + raw, 2)
}

/** The reaper: the sections of the dead have ended. */
export function epochAfterDeath({ lot }: Attachment, at: number, dead: number): void {
  releaseDeadSections(lot, at + raw, dead)
}
