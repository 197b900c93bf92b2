/**
 * Forgetting: how a thread lets go of a memory that was destroyed, whoever did it. The host gets the bytes back when the
 * last thread has.
 *
 *   who destroys ── poison ──► all           ── Forget ──► supervisor ── Forgotten, by every private port ──► all
 *
 * The message reaches whose event loop turns. The others see the poison:
 *
 *   a use of the memory       forgets that one (Attachment.onDestroyed)
 *   an attach to another one  forgets all that are no more
 *   a blocked wait            the same, once a second
 *
 * Invariants
 *  1. What leaves `known` is in `destroyed` first, so a thread that asks for it again gets ESTALE and never attaches twice.
 *  2. After that nothing of pageframe holds the bytes in this thread. What the user still holds does: objects, views.
 */

import { bufferOf } from '../host/buffer.ts'
import { wordsOf } from '../host/cpu.ts'
import { collectSoon } from './collection.ts'
import { poisonOf } from './poison.ts'
import { POISON_DESTROYED, Superblock } from './superblock.ts'
import type { Known, ThreadMemories } from './thread-memories.ts'

/** Lets go of a memory that was destroyed, if this thread knows it. */
export function forget(state: ThreadMemories, id: string): void {
  const known = state.known.get(id)
  if (known === undefined) return
  state.destroyed.add(id)
  state.known.delete(id)
  const { attachment, offer } = known
  if (attachment !== undefined) {
    attachment.waits.failAll(poisonOf(attachment.cpu, attachment.label))
    attachment.objects.clear() // one of them, if the user holds it, keeps the attachment, but not the others
  }
  collectSoon(bufferOf(offer.backing).byteLength)
}

/** Lets go of every memory that was destroyed. True if there was any. */
export function forgetDestroyed(state: ThreadMemories): boolean {
  const before = state.known.size
  for (const [id, known] of state.known) if (isDestroyed(known)) forget(state, id)
  return state.known.size < before
}

/** A hint: read plainly, and without a slot in the memory. */
function isDestroyed({ attachment, offer }: Known): boolean {
  const words = attachment?.words ?? wordsOf(bufferOf(offer.backing))
  return words[Superblock.poison] === POISON_DESTROYED
}
