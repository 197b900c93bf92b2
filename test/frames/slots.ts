/** Who has a place in the default memory, and may have frames of it? Seen from outside. */

import { SharedMemory } from 'pageframe'
import { attachmentById } from 'pageframe/internals'
import {
  CLAIMED,
  FREE,
  MAKER_SLOT,
  SLOT_COUNT,
  stateOf,
  SUPERVISOR_SLOT,
  ThreadSlot,
} from '../../src/threads/slot.ts'

/** True when a thread of Node has nothing any more: neither while it runs, nor until it was reaped. */
export function isReaped(threadId: number): boolean {
  return owners().every((owner) => owner.threadId !== threadId)
}

/** True when nobody has anything but the memory's maker and the supervisor. */
export function isAlone(): boolean {
  return owners().every(({ index }) => index === MAKER_SLOT || index === SUPERVISOR_SLOT)
}

/** Slots that may own something. One that is CLAIMED owns nothing yet: if its thread has died, the claim lapses. */
function owners() {
  const { map, cpu } = attachmentById(SharedMemory.default.memory)
  return Array.from({ length: SLOT_COUNT }, (_, index) => {
    const at = map.slotsAt + index * ThreadSlot.sizeof
    return {
      index,
      state: stateOf(cpu.load(at + ThreadSlot.state)),
      threadId: cpu.load(at + ThreadSlot.threadId),
    }
  }).filter(({ state }) => state !== FREE && state !== CLAIMED)
}
