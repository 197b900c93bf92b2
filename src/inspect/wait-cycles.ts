/**
 * The circles in a set of waits: each waits for what the next one's thread holds, and the last for what the first one's
 * does.
 */

import type { SeenWait, WaitEdge } from './wait-snapshot.ts'

/**
 * The cycles that two looks have in common, one after the other. Who waits all the time in between gives nothing back, so
 * at the moment in between each of them was there.
 */
export function lastingCycles(first: readonly SeenWait[], again: () => readonly SeenWait[]): SeenWait[][] {
  const suspected = cyclesOf(first)
  if (suspected.length === 0) return []
  const later = cyclesOf(again())
  return suspected.filter((cycle) => later.some((other) => isSameCycle(cycle, other)))
}

/** Every cycle that some wait is in, each once: the shortest that leads back to its first wait. */
export function cyclesOf<W extends WaitEdge>(waits: readonly W[]): W[][] {
  const byThread = new Map<number, W[]>()
  for (const wait of waits) {
    const before = byThread.get(wait.thread.id)
    if (before === undefined) byThread.set(wait.thread.id, [wait])
    else before.push(wait)
  }
  const cycles: W[][] = []
  const known = new Set<W>()
  for (const wait of waits) {
    if (known.has(wait)) continue
    const cycle = shortestBack(wait, byThread)
    if (cycle === undefined) continue
    cycles.push(cycle)
    for (const each of cycle) known.add(each)
  }
  return cycles
}

/** Breadth first from a wait to one for what its own thread holds. */
function shortestBack<W extends WaitEdge>(
  first: W,
  byThread: ReadonlyMap<number, readonly W[]>,
): W[] | undefined {
  const cameFrom = new Map<W, W | undefined>([[first, undefined]])
  const queue = [first]
  for (const wait of queue) {
    for (const holder of wait.heldBy) {
      // A task that waits for another task of its own thread is no cycle: the thread goes on.
      const isBack = holder.id === first.thread.id && !(wait === first && first.isAsync)
      if (isBack) return pathTo(wait, cameFrom)
      if (holder.id === wait.thread.id) continue
      for (const next of byThread.get(holder.id) ?? []) {
        if (cameFrom.has(next)) continue
        cameFrom.set(next, wait)
        queue.push(next)
      }
    }
  }
  return undefined
}

function pathTo<W>(last: W, cameFrom: ReadonlyMap<W, W | undefined>): W[] {
  const path: W[] = []
  for (let wait: W | undefined = last; wait !== undefined; wait = cameFrom.get(wait)) path.unshift(wait)
  return path
}

/** Whether two looks have seen the same waits. Tickets are counted by bucket, so the lock tells waits apart as well. */
function isSameCycle(cycle: readonly SeenWait[], other: readonly SeenWait[]): boolean {
  const key = (waits: readonly SeenWait[]) =>
    waits
      .map(({ record, ticket, since, lock }) => `${record} ${ticket} ${since} ${lock.byte}`)
      .sort()
      .join()
  return key(cycle) === key(other)
}
