/**
 * lockOrder(): in which order the threads of a watched memory have taken its locks, and where two orders contradict each
 * other: deadlocks that have not happened yet. deadlocks(): those that would have, and became EDEADLK.
 */

import '../locks/diagnostics/index.ts'
import type { Notes, SeenOrder } from '../locks/diagnostics/notes.ts'
import { findNotes } from '../locks/diagnostics/notes-region.ts'
import { describeInversion, inversionsOf, showClass } from '../locks/diagnostics/order.ts'
import type { Attachment } from '../memory/attachment.ts'
import type { Handle } from '../memory/kind.ts'
import { DEADLOCKS } from '../memory/lock-switch.ts'
import { assertWatched, attachmentFor } from './asked.ts'
import { withText, type Texted } from './text.ts'

/** One lock was taken while another was held: the first time that it was seen. */
export interface LockOrder {
  /** `Mutex 'a'`: what was held. */
  readonly held: string
  readonly heldSince: readonly string[]
  /** `Mutex 'b'`: what was taken then. */
  readonly taken: string
  readonly takenAt: readonly string[]
  /** `thread 3 'parser'`. */
  readonly thread: string
}

/** What is taken in each is held in the next, and the last leads back to the first. */
export interface LockInversion {
  readonly orders: readonly LockOrder[]
  /** What it means, and where it was seen. */
  readonly text: string
}

export interface LockOrders {
  readonly orders: readonly LockOrder[]
  readonly inversions: readonly LockInversion[]
}

/**
 * The orders in which locks were taken. `memory` is a SharedMemory, the default one if absent. As a text: its inversions.
 * TypeError ERR_PAGEFRAME_NOT_WATCHED if nothing is noted there.
 */
export function lockOrder(memory?: Handle): LockOrders & Texted {
  const attachment = attachmentFor('lockOrder()', memory)
  assertWatched('lockOrder()', attachment, DEADLOCKS)
  return withText(ordersOf(attachment), textOf)
}

/** The deadlocks that were found, the last sixteen, the oldest first: what their EDEADLK said. */
export function deadlocks(memory?: Handle): readonly string[] {
  const attachment = attachmentFor('deadlocks()', memory)
  assertWatched('deadlocks()', attachment, DEADLOCKS)
  return findNotes(attachment)?.reports() ?? []
}

function ordersOf(attachment: Attachment): LockOrders {
  const notes = findNotes(attachment)
  if (notes === undefined) return { orders: [], inversions: [] }
  const seen = [...notes.orders()]
  return {
    orders: seen.map((order) => shown(notes, order)),
    inversions: inversionsOf(seen).map((ring) => ({
      orders: ring.map((order) => shown(notes, order)),
      text: describeInversion(notes, ring),
    })),
  }
}

function shown(notes: Notes, { from, to, thread, fromStack, toStack }: SeenOrder): LockOrder {
  return {
    held: showClass(notes.describe(from)),
    heldSince: linesOf(fromStack),
    taken: showClass(notes.describe(to)),
    takenAt: linesOf(toStack),
    thread,
  }
}

function linesOf(stack: string): readonly string[] {
  return stack === '' ? [] : stack.split('\n')
}

function textOf({ orders, inversions }: LockOrders): string {
  if (inversions.length > 0) return inversions.map(({ text }) => `${text}\n`).join('\n')
  return `no contradiction in ${orders.length} ${orders.length === 1 ? 'order' : 'orders'}\n`
}
