/**
 * State: what the cells of a model mean.
 *
 *   cells   words     ghost words   tasks        tasks    threads    threads     5
 *          ┌─────────┬─────────────┬────────────┬────────┬──────────┬───────────┬──────────┐
 *          │ memory  │ ghosts      │ position   │ rank   │ isDead   │ reapRank  │ budgets  │
 *          └─────────┴─────────────┴────────────┴────────┴──────────┴───────────┴──────────┘
 *
 *   position      number of the position where the task stands; GONE once its thread is dead
 *   rank          0: not asleep; else its place, from 1, among those asleep on the same word
 *   reapRank      0: alive, or reaped; else its place, from 1, among the dead that the reaper has not finished
 *   budgets       deaths, time-outs, spurious wake-ups and preemptions so far; who ran last (thread + 1, or 0)
 *
 * Invariants
 *  1. All that a later step depends on is in the cells, so equal cells have equal futures.
 *  2. Ranks are dense: those asleep on a word have 1, 2, 3 ... in the order in which they came.
 *  3. A dead thread's cells are the same whatever it was doing: no state differs by what cannot matter any more.
 */

import type { Cast, Task } from './cast.ts'
import { Cells } from './cells.ts'
import type { Position, Positions } from './positions.ts'
import type { Setting } from './setting.ts'

const GONE = -1

export type Budget = 0 | 1 | 2 | 3
export const KILLS = 0
export const TIMEOUTS = 1
export const SPURIOUS_WAKES = 2
export const PREEMPTIONS = 3
const LAST = 4
const BUDGETS = 5

export class State {
  readonly cells: Cells
  readonly ghosts: Int32Array
  readonly cast: Cast
  readonly #positions: Positions
  readonly #firstGhost: number
  readonly #position: number
  readonly #rank: number
  readonly #isDead: number
  readonly #reapRank: number
  readonly #budgets: number

  constructor(setting: Setting, cast: Cast, positions: Positions) {
    this.cast = cast
    this.#positions = positions
    let count = setting.words
    const take = (cells: number): number => (count += cells) - cells
    this.#firstGhost = take(setting.ghostWords)
    this.#position = take(cast.tasks.length)
    this.#rank = take(cast.tasks.length)
    this.#isDead = take(cast.threads)
    this.#reapRank = take(cast.threads)
    this.#budgets = take(BUDGETS)
    this.cells = new Cells(count)
    this.ghosts = this.cells.values.subarray(this.#firstGhost, this.#position)
  }

  word(at: number): number {
    return this.cells.values[at]
  }

  changeGhosts(update: (ghosts: Int32Array) => number): number {
    return this.cells.rewrite(this.#firstGhost, this.#position, () => update(this.ghosts) | 0)
  }

  /** Undefined once the task's thread is dead. */
  positionOf(task: Task): Position | undefined {
    const id = this.cells.values[this.#position + task.index]
    return id === GONE ? undefined : this.#positions.at(id)
  }

  /** The position of a task whose thread is alive. */
  standsAt(task: Task): Position {
    return this.#positions.at(this.cells.values[this.#position + task.index])
  }

  stand(task: Task, position: Position): void {
    this.cells.set(this.#position + task.index, position.id)
  }

  /** True when a task has finished its operations, or its thread is dead. */
  isThrough(task: Task): boolean {
    const position = this.positionOf(task)
    return position === undefined || (position.verb === 'end' && position.isLast)
  }

  isBetweenOperations(task: Task): boolean {
    return this.isThrough(task) || this.standsAt(task).verb === 'start'
  }

  isAsleep(task: Task): boolean {
    return this.cells.values[this.#rank + task.index] !== 0
  }

  /** Who came first of those asleep on a word. */
  firstAsleepOn(at: number): Task | undefined {
    for (const task of this.cast.tasks) {
      const isFirst = this.cells.values[this.#rank + task.index] === 1
      if (isFirst && this.standsAt(task).request.a === at) return task
    }
    return undefined
  }

  /** Puts a task that stands at a sleep() behind those asleep on the same word. */
  fallAsleep(task: Task): void {
    this.cells.set(this.#rank + task.index, 1 + this.#countBehind(task, 0))
  }

  /** Takes a task out of its queue; those behind it move up. */
  leaveQueue(task: Task): void {
    const rank = this.cells.values[this.#rank + task.index]
    if (rank === 0) return
    this.#countBehind(task, rank, -1)
    this.cells.set(this.#rank + task.index, 0)
  }

  /** How many sleep on the task's word with a rank above `rank`; moves each of them by `move`. */
  #countBehind(task: Task, rank: number, move = 0): number {
    const at = this.standsAt(task).request.a
    let count = 0
    for (const other of this.cast.tasks) {
      const theirs = this.cells.values[this.#rank + other.index]
      if (theirs <= rank || this.standsAt(other).request.a !== at) continue
      count++
      this.cells.set(this.#rank + other.index, theirs + move)
    }
    return count
  }

  isDead(thread: number): boolean {
    return this.cells.values[this.#isDead + thread] === 1
  }

  /** Ends a thread. Returns its place among those that the reaper has to see to. */
  bury(thread: number): number {
    for (const task of this.cast.tasksOf[thread]) {
      this.leaveQueue(task)
      this.cells.set(this.#position + task.index, GONE)
    }
    this.cells.set(this.#isDead + thread, 1)
    let rank = 1
    for (let other = 0; other < this.cast.threads; other++) {
      if (this.cells.values[this.#reapRank + other] !== 0) rank++
    }
    if (this.cast.reaper !== undefined) this.cells.set(this.#reapRank + thread, rank)
    return rank
  }

  /** Strikes out the dead thread that was reaped. Returns the next one, or -1. */
  finishReap(): number {
    let next = -1
    for (let dead = 0; dead < this.cast.threads; dead++) {
      const rank = this.cells.values[this.#reapRank + dead]
      if (rank === 2) next = dead
      if (rank !== 0) this.cells.set(this.#reapRank + dead, rank - 1)
    }
    return next
  }

  used(budget: Budget): number {
    return this.cells.values[this.#budgets + budget]
  }

  use(budget: Budget, count = 1): void {
    this.cells.set(this.#budgets + budget, this.used(budget) + count)
  }

  /** The thread that took the last step, as far as preemptions are counted; -1 if none, or if it cannot go on. */
  get lastThread(): number {
    return this.cells.values[this.#budgets + LAST] - 1
  }

  set lastThread(thread: number) {
    this.cells.set(this.#budgets + LAST, thread + 1)
  }
}
