/**
 * Data races, found by looking at states.
 *
 * Two accesses race when no order between them is enforced by others. If some execution has a race, then some
 * sequentially consistent one comes to a state in which both are about to happen (Boehm and Adve, "Foundations of the C++
 * concurrency memory model", PLDI 2008, section 8: take the shortest run with a race, and drop what happens before neither
 * access). No clocks need to be followed, which would tell states apart that are equal.
 *
 * Plain accesses are executed as soon as they can be (steps.ts), so those two are seldom still about to happen. But until
 * a thread executes its next instruction with order, all that it has accessed plainly since the last one could as well
 * happen now: it is in flight. The state looked for is passed in this form: its first thread waits before its next
 * instruction with order, as it does in some run, while the other one comes to its access.
 */

import type { Task } from './cast.ts'
import type { Access } from './instructions.ts'
import type { Setting } from './setting.ts'
import type { State } from './state.ts'

/** A race that one of the tasks that moved (a bit each) has with a task of another thread. */
export function findRace(setting: Setting, state: State, moved: number): string | undefined {
  for (const one of state.cast.tasks) {
    if ((moved & (1 << one.index)) === 0) continue
    for (const other of state.cast.tasks) {
      const at = one.thread === other.thread ? -1 : racingWord(setting, state, one, other)
      if (at < 0) continue
      const word = setting.labelOf(at) ?? `word ${at}`
      return `${one.name} and ${other.name} access ${word} without order, one of them plainly`
    }
  }
  return undefined
}

function racingWord(setting: Setting, state: State, left: Task, right: Task): number {
  const one = state.positionOf(left)
  const other = state.positionOf(right)
  if (one === undefined || other === undefined) return -1
  if (one.unordered.length === 0 && other.unordered.length === 0) return -1
  const plainly = conflict(setting, one.unordered, other.unordered)
  if (plainly >= 0) return plainly
  return Math.max(
    conflict(setting, one.unordered, other.ordered),
    conflict(setting, one.ordered, other.unordered),
  )
}

function conflict({ isRacy }: Setting, ours: readonly Access[], others: readonly Access[]): number {
  for (const mine of ours) {
    for (const theirs of others) {
      if (!mine.writes && !theirs.writes) continue
      for (let at = Math.max(mine.first, theirs.first); at < Math.min(mine.end, theirs.end); at++) {
        if (!isRacy(at)) return at
      }
    }
  }
  return -1
}
