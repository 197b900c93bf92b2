/** Which object a word of the memory belongs to: for those who look at waits and locks from outside. */

import { cacheOf, cellAround, signatureOf, slabOf } from '../frames/slab.ts'
import type { Attachment } from './attachment.ts'
import { knownKinds, type AnyKind } from './kind.ts'
import { labelOf } from './object.ts'

/** A cell of a kind that this thread has loaded. */
export interface Around {
  readonly kind: AnyKind
  readonly at: number
}

/** The object that a word lies in, live or not; or undefined. Any number may be asked. */
export function objectAround({ frames }: Attachment, word: number): Around | undefined {
  const at = cellAround(frames, word)
  if (at === 0) return undefined
  const signature = signatureOf(frames, cacheOf(frames, slabOf(frames, at)))
  for (const kind of knownKinds()) if (kind.layout.signature === signature) return { kind, at }
  return undefined
}

/** `Mutex 'jobs'`. */
export function labelAround(attachment: Attachment, { kind, at }: Around): string {
  return labelOf(attachment, kind.name, at)
}

/** Every object of those kinds whose objects are held by threads. */
export function* everyLock({ frames }: Attachment): Generator<Around> {
  for (const kind of knownKinds()) {
    if (kind.holders === undefined) continue
    for (const at of frames.cellsOf(kind.layout.signature)) yield { kind, at }
  }
}
