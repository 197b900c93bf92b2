/**
 * The order in which locks are taken: an inversion is a deadlock that has not happened yet.
 *
 *   one thread:      holds a, takes b        noted as  a ─► b
 *   another, later:  holds b, takes a        noted as  b ─► a: there is a way back, so the two may meet one day
 *
 * After lockdep. Between classes of locks (notes.ts), whatever the threads and however long ago. What tryLock() takes
 * cannot be waited for and leads to nothing; what it holds counts.
 */

import { warn } from '../../host/workers.ts'
import type { Attachment } from '../../memory/attachment.ts'
import { placed } from './deadlock.ts'
import { withGraph } from './graph.ts'
import { OTHERS, type ClassName, type Notes, type SeenOrder } from './notes.ts'

/** One lock that is held while another is taken. */
export interface HeldBefore {
  readonly classIndex: number
  readonly stack: string
}

/** Notes that a lock of a class is about to be taken while others are held. Warns of the first inversion of each pair. */
export function noteOrder(
  attachment: Attachment,
  notes: Notes,
  held: readonly HeldBefore[],
  to: number,
  stack: string,
): void {
  for (const { classIndex: from, stack: fromStack } of held) {
    // Two of one class: which of them comes first is not to be told.
    if (from === to || from === OTHERS || to === OTHERS || notes.isKnown(from, to)) continue
    const thread = attachment.threadName(attachment.thread.tid)
    const order: SeenOrder = { from, to, thread, fromStack, toStack: stack }
    const before = withGraph(attachment, () => notes.addOrderLocked(order))
    if (before < 0) continue
    // Those before it only: of several threads that close one ring at a time, the last one finds it, and no other.
    const back = wayBack([...notes.orders(before)], to, from)
    if (back !== undefined) warn(describeInversion(notes, [order, ...back]))
  }
}

/** Orders that lead from one class to another, as few as possible. */
function wayBack(orders: readonly SeenOrder[], from: number, to: number): readonly SeenOrder[] | undefined {
  const cameBy = new Map<number, SeenOrder | undefined>([[from, undefined]])
  const queue = [from]
  for (const here of queue) {
    if (here === to) return pathTo(here, cameBy)
    for (const order of orders) {
      if (order.from !== here || cameBy.has(order.to)) continue
      cameBy.set(order.to, order)
      queue.push(order.to)
    }
  }
  return undefined
}

function pathTo(last: number, cameBy: ReadonlyMap<number, SeenOrder | undefined>): SeenOrder[] {
  const path: SeenOrder[] = []
  for (let order = cameBy.get(last); order !== undefined; order = cameBy.get(order.from)) path.unshift(order)
  return path
}

/** Every inversion: rings of orders, each once. */
export function inversionsOf(orders: readonly SeenOrder[]): SeenOrder[][] {
  const rings: SeenOrder[][] = []
  const known = new Set<SeenOrder>()
  for (const order of orders) {
    if (known.has(order)) continue
    const back = wayBack(orders, order.to, order.from)
    if (back === undefined) continue
    const ring = [order, ...back]
    rings.push(ring)
    for (const each of ring) known.add(each)
  }
  return rings
}

/** `Mutex 'jobs'`, `Mutex made at work (src/a.js:3:5)`. */
export function showClass({ kind, name, isNamed }: ClassName): string {
  if (isNamed) return `${kind} '${name}'`
  return name === '' ? kind : `${kind} made at ${name}`
}

/** An inversion in lines. */
export function describeInversion(notes: Notes, ring: readonly SeenOrder[]): string {
  const label = (index: number) => showClass(notes.describe(index))
  const first = label(ring[0].from)
  const way = ring.map(({ to }) => label(to)).join(', then ')
  const lines = ring.flatMap(({ from, to, thread, fromStack, toStack }) => [
    ...placed(`${thread} had ${label(from)}, taken`, linesOf(fromStack)),
    ...placed(`and took ${label(to)}`, linesOf(toStack)),
  ])
  return [
    `locks are taken in orders that contradict each other: ${first}, then ${way}. Threads that do so at one time wait for ` +
      'each other for ever; decide on one order.',
    ...lines,
  ].join('\n')
}

function linesOf(stack: string): string[] {
  return stack === '' ? [] : stack.split('\n')
}
