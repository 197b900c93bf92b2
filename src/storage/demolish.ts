/**
 * The end of an object: its pages go to limbo, its tables are retired. Nothing refers to it, so nobody maps it; but a
 * window may have its frames pinned, and another thread may be walking its tables.
 *
 * May be repeated: what is gone is not found again. A death between unlinking a table and retiring it leaves a frame that
 * is OWNED by the object and lies in no index: who takes over a torn end looks for those in the frame table.
 */

import { framesOwnedBy } from '../frames/owned.ts'
import { takeRun, type Resizing } from './resize.ts'
import { ShmObject } from './shm-object.ts'

const { run, cutting } = ShmObject

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
      // A cut that nobody could finish (resize.ts): who has unmapped it since may have found entries that were empty already.
      if (cpu.load(at + cutting) !== 0) volley.shootEverybody()
    } finally {
      volley.close()
    }
    index.clear(at)
  }
  if (isTorn) for (const pfn of framesOwnedBy(frames, at)) frames.retireFrame(pfn)
  return 0
}
