/** Which frames belong to an object, by the frame table alone: for those who take apart what a death has left. */

import { Frame, kindOf, OWNED } from './frame.ts'
import type { Access } from './access.ts'
import { visitChunk } from './truth.ts'
import { CHUNK_SPLIT, chunkCount, chunkState, frameAt, lockZone, unlockZone } from './zone.ts'

/** Every frame that is OWNED by an object. Chunk by chunk, so that the others do not wait for the whole table to be read. */
export function framesOwnedBy(access: Access, objectAt: number): number[] {
  const { cpu, geometry } = access
  const found: number[] = []
  for (let chunk = 0; chunk < chunkCount(geometry); chunk++) {
    // A chunk where the object has frames stays SPLIT until they are freed, so it need not be locked to be passed over.
    if (chunkState(access, chunk) !== CHUNK_SPLIT) continue
    lockZone(access)
    visitChunk(access, chunk, (pfn, flags) => {
      if (kindOf(flags) === OWNED && cpu.plainLoad(frameAt(geometry, pfn) + Frame.object) === objectAt) {
        found.push(pfn)
      }
    })
    unlockZone(access)
  }
  return found
}
