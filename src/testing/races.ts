/**
 * Data races, found by looking at states.
 *
 * Two accesses race when no order between them is enforced by others. If some execution has a race, then some sequentially
 * consistent one comes to a state in which both are about to happen (Boehm and Adve, "Foundations of the C++ concurrency
 * memory model", PLDI 2008, section 8; take the shortest run with a race, and drop from it what happens after neither). The
 * explorer visits all those states, so it need not follow clocks, which would tell states apart that are equal.
 */

import type { Task } from './cast.ts'
import type { Access } from './instructions.ts'
import type { Setting } from './setting.ts'
import type { State } from './state.ts'

/** Two threads that could now access a word at the same time, at least one of them plainly and one writing. */
export function findRace(setting: Setting, state: State): string | undefined {
  const { tasks } = state.cast
  for (const left of tasks) {
    for (let i = left.index + 1; i < tasks.length; i++) {
      const at = racingWord(setting, state, left, tasks[i])
      if (at < 0) continue
      const word = setting.model.label?.(at) ?? `word ${at}`
      return `${left.name} and ${tasks[i].name} may access ${word} at the same time, one of them plainly`
    }
  }
  return undefined
}

function racingWord(setting: Setting, state: State, left: Task, right: Task): number {
  const one = state.positionOf(left)
  const other = state.positionOf(right)
  if (one === undefined || other === undefined || left.thread === right.thread) return -1
  if (state.isAsleep(left) || state.isAsleep(right)) return -1
  if (!one.instruction?.isPlain && !other.instruction?.isPlain) return -1
  for (const mine of one.touches) {
    for (const theirs of other.touches) {
      const at = conflict(setting, mine, theirs)
      if (at >= 0) return at
    }
  }
  return -1
}

function conflict({ isRacy, isNote }: Setting, mine: Access, theirs: Access): number {
  if (!mine.writes && !theirs.writes) return -1
  for (let at = Math.max(mine.first, theirs.first); at < Math.min(mine.end, theirs.end); at++) {
    if (!isRacy(at) && !isNote(at)) return at
  }
  return -1
}
