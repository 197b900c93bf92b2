/** Bytes that pageframe copied: what send() and receive() add to their thread's counter. loan() and read() copy none. */

import { BYTES_COPIED } from '../../channel/end.ts'
import type { Attachment } from '../../memory/attachment.ts'
import { ThreadSlot } from '../../threads/slot.ts'

/** By all threads on a memory, so far. */
export function copiedBytes({ buffer, map }: Attachment): number {
  let sum = 0
  for (let slot = 0; slot < map.frames.slotCount; slot++) {
    const at = map.slotsAt + slot * ThreadSlot.sizeof + ThreadSlot.counters
    sum += new Float64Array(buffer, at * 4, BYTES_COPIED + 1)[BYTES_COPIED]
  }
  return sum
}
