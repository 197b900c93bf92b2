/** Looks at thread slots from outside: when has a dead thread been reaped? */

import { SharedMemory } from 'pageframe'
import { attachmentById } from 'pageframe/internals'
import { FREE, SLOT_COUNT, stateOf, ThreadSlot } from '../../src/threads/slot.ts'
import { eventually, type Actor } from '../support.ts'

/** How many slots of the default memory belong to a thread, whatever their state. */
export function slotsOf(threadId: number): number {
  const { map, cpu } = attachmentById(SharedMemory.default.memory)
  let slots = 0
  for (let i = 0; i < SLOT_COUNT; i++) {
    const at = map.slotsAt + i * ThreadSlot.sizeof
    if (stateOf(cpu.load(at + ThreadSlot.state)) === FREE) continue
    if (cpu.load(at + ThreadSlot.threadId) === threadId) slots++
  }
  return slots
}

/** Ends an actor and waits until everything that it had has returned. */
export async function reaped(actor: Actor): Promise<void> {
  await actor.end()
  await eventually(() => slotsOf(actor.threadId) === 0, `the reaper of thread ${actor.threadId}`)
}
