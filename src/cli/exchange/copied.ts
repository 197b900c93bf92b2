/** Bytes that pageframe copied: what send() and receive() add to their thread's counter. loan() and read() copy none. */

import type { Attachment } from '../../memory/attachment.ts'
import { BYTES_COPIED, sumCounters } from '../../threads/counters.ts'

/** By all threads on a memory, so far. */
export function copiedBytes({ buffer, map }: Attachment): number {
  return sumCounters(buffer, map.slotsAt, map.frames.slotCount)[BYTES_COPIED]
}
