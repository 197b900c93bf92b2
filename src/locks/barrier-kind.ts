/**
 * What a barrier is made of, who its members are, and what a death does to it.
 *
 *   BarrierObject   0 .. 3            4                                  8                16
 *                 ┌─────────────────┬──────┬─────────┬────────┬───────┬────────────────┬──────┐
 *                 │ object header   │ word │ parties │ broken │ spins │ members        │ dead │   128 bytes: a line of its own
 *                 └─────────────────┴──────┴─────────┴────────┴───────┴────────────────┴──────┘
 *
 *   members  a bit for each slot (sync/barrier-members.ts): threads that have ever arrived here, and live
 *   dead     for messages: Node's threadId of the member whose death broke it last. The reaper's
 */

import type { Attachment } from '../memory/attachment.ts'
import { runningThreads } from '../memory/check.ts'
import { objectHeader, type Found, type Kind, type Met, type Place } from '../memory/kind.ts'
import { initBarrier, RawBarrier } from '../sync/barrier.ts'
import { isMember, memberDied } from '../sync/barrier-members.ts'
import { SLOT_COUNT, slotIndexOf } from '../threads/slot.ts'
import { EEXIST, ErrnoError } from '../words/errno.ts'
import { i32, layout, newLine, words } from '../words/layout.ts'
import { integer } from '../words/usage.ts'

export const BarrierObject = layout('Barrier', 128, {
  ...objectHeader,
  raw: words(4),
  members: words(8),
  dead: i32,
  _end: newLine,
})

const { raw, members: membersAt, dead: deadAt } = BarrierObject
const { parties: partiesAt } = RawBarrier

/** Threads and asynchronous arrivals; a phase number that comes again is 16,384 phases away at least (sync/barrier.ts). */
const MOST_PARTIES = 0xffff

export interface BarrierOptions extends Place {
  parties?: number
}

export function barrierKind<X extends Met>(make: (found: Found) => X): Kind<BarrierOptions, X> {
  return {
    name: 'Barrier',
    layout: BarrierObject,
    read: (call, { parties }) => ({ parties: integer(call, 'parties', parties, 1, MOST_PARTIES) }),
    build(attachment, at, { parties = 1 }) {
      initBarrier(attachment.cpu, at + raw, parties)
      return 0
    },
    compare,
    demolish() {
      // A barrier has nothing but its cell.
    },
    noMemory: (attachment, { name }) =>
      attachment.noMemory(name === undefined ? 'Barrier' : `Barrier '${name}'`, BarrierObject.sizeof * 4),
    make,
    check: barrierProblems,
  }
}

function compare({ cpu }: Attachment, at: number, name: string, { parties }: BarrierOptions): void {
  const theirs = cpu.load(at + raw + partiesAt)
  if (parties === theirs) return
  throw new ErrnoError(
    EEXIST,
    'open',
    `Barrier '${name}' exists and is for ${theirs} parties; this thread asked for ${parties}`,
  )
}

/** The reaper: a barrier whose member died breaks, if there are others. */
export function breakBarrier(attachment: Attachment, at: number, dead: number): void {
  const { cpu, lot } = attachment
  if (!isMember(lot, at + membersAt, dead)) return
  cpu.plainStore(at + deadAt, attachment.threadIdOf(dead)) // published by the word, which becomes BROKEN
  memberDied(lot, at + raw, at + membersAt, dead)
}

/** What does not add up in a barrier at rest. */
export function* barrierProblems(attachment: Attachment, at: number): Generator<string> {
  const slots = new Set([...runningThreads(attachment)].map((tid) => slotIndexOf(tid)))
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    if (isMember(attachment.lot, at + membersAt, slot) && !slots.has(slot))
      yield `a Barrier at ${at} has a member in slot ${slot}, where no thread runs`
  }
}
