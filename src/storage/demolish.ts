/**
 * The end of an object: its pages go to limbo, its tables are retired. Nothing refers to it, so nobody maps it; but a
 * window may have its frames pinned, and another thread may be walking its tables.
 *
 * May be repeated: what is gone is not found again. A death between unlinking a table and retiring it leaves a frame that
 * is OWNED by the object and lies in no index: who takes over a torn end looks for those in the frame table.
 */

import type { Frames } from '../frames/frames.ts'
import { Frame, kindOf, OWNED } from '../frames/frame.ts'
import { visitChunk } from '../frames/truth.ts'
import { chunkCount, frameAt, lockZone, unlockZone } from '../frames/zone.ts'
import { takeRun, type Resizing } from './resize.ts'
import { ShmObject } from './shm-object.ts'

const { run } = ShmObject

/** Gives back all frames of an object. 0, or -ENOMEM: not all of them, for limbo had no room; to be tried again. */
export function demolishLocked({ frames, limbo, index }: Resizing, at: number, isTorn: boolean): number {
  const { cpu } = frames
  const isEmpty = cpu.load(at + run) === 0 && cpu.load(at + ShmObject.root) === 0
  if (!isEmpty) {
    const volley = limbo.open()
    if (typeof volley === 'number') return volley
    try {
      takeRun(frames, at, volley)
      index.cut(at, 0, volley)
    } finally {
      volley.close()
    }
    index.clear(at)
  }
  if (isTorn) for (const pfn of framesOwnedBy(frames, at)) frames.retireFrame(pfn)
  return 0
}

/** Frames that belong to an object by the frame table: nothing else refers to them any more. */
export function framesOwnedBy(frames: Frames, at: number): readonly number[] {
  const { cpu, geometry } = frames
  const found: number[] = []
  for (let chunk = 0; chunk < chunkCount(geometry); chunk++) {
    lockZone(frames)
    visitChunk(frames, chunk, (pfn, flags) => {
      if (kindOf(flags) === OWNED && cpu.plainLoad(frameAt(geometry, pfn) + Frame.object) === at)
        found.push(pfn)
    })
    unlockZone(frames)
  }
  return found
}
