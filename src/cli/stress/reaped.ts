/** Whether a dead thread's slot has returned: until then the reaper may still give back what it held. */

import { defaultAttachment } from '../../memory/inventory.ts'
import { FREE, stateOf, ThreadSlot } from '../../threads/slot.ts'

const LOOK_EVERY_MS = 1
const MOST_MS = 5000

/** Resolves when nothing of the thread is left in the default memory, or after five seconds. `nodeThreadId`: Worker.threadId. */
export async function untilReaped(nodeThreadId: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < MOST_MS && hasSlot(nodeThreadId); waitedMs += LOOK_EVERY_MS) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
}

function hasSlot(nodeThreadId: number): boolean {
  const { cpu, map } = defaultAttachment()
  for (let index = 0; index < map.frames.slotCount; index++) {
    const slot = map.slotsAt + index * ThreadSlot.sizeof
    if (cpu.load(slot + ThreadSlot.threadId) !== nodeThreadId) continue
    if (stateOf(cpu.load(slot + ThreadSlot.state)) !== FREE) return true
  }
  return false
}
