/**
 * World: the model in one state, the steps that are possible in it, and what each does.
 *
 *   cells   0         words      + ghosts    + tasks      + tasks    + threads   + threads   + 5        (+ words)
 *          ┌─────────┬──────────┬───────────┬────────────┬──────────┬───────────┬───────────┬──────────────┐
 *          │ memory  │ ghosts   │ position  │ rank       │ isDead   │ reapRank  │ budgets   │ note writers │
 *          └─────────┴──────────┴───────────┴────────────┴──────────┴───────────┴───────────┴──────────────┘
 *
 *   position      where the task stands; GONE once its thread is dead
 *   rank          0: not asleep; else its place, from 1, among those asleep on the same word
 *   reapRank      0: alive or reaped; else its place, from 1, among the dead that the reaper still has to see to
 *   budgets       kills, time-outs and spurious wake-ups used; preemptions used, and who ran last (if bounded)
 *   note writers  who wrote each note last (if races fail)
 *
 *   step          possible                                          effect
 *   RUN           its instruction could return now                  executes it
 *   KILL          the thread is alive, killable, in the budget      its tasks are gone; the reaper has work
 *   TIME_OUT      asleep with a deadline, in the budget             sleep() returns false
 *   SPURIOUS      asleep, in the budget                             sleep() returns true
 *
 * The order of steps that cannot tell each other apart is not explored. Two kinds of state have only some of their steps:
 *
 *  - Somebody is to make a choice (or to start one of several tasks that wait for nothing). That reads and writes nothing
 *    but the task's own position, so it commutes with every step of all others, and a death before it leaves what a death
 *    after it leaves: only the alternatives are explored.
 *  - Somebody is to access a note. By contract no step of a living thread, nor of a reaper while this thread lives, looks
 *    at the word, so the access commutes with all of them; what it does not commute with is the death of its own thread.
 *    Those two are explored: {access, its kill} is a persistent set (Godefroid 1996, chapter 4). It is not one if the
 *    death of somebody else could come first and leave room for this one as well, since the reaper sees the order of the
 *    deaths: with two kills to go and two who may die, everything is explored. Nor may a ghost update hang on the access.
 *    There are no cycles, so no step is put off for ever. Such steps are no preemptions: taking them out of a schedule
 *    never adds one, so a bounded search covers what it covered without the reduction.
 *
 * Invariants
 *  1. Everything that a later step depends on is in the cells, so equal cells have equal futures.
 *  2. Ranks are dense: the sleepers of a word have ranks 1, 2, 3 ... in the order in which they came.
 *  3. No task stands at a 'ghost', nor at an 'end' with operations to come: those follow at once.
 */

import { atomicsCpu } from '../host/cpu.ts'
import { tidOf } from '../threads/slot.ts'
import { Cells } from './cells.ts'
import type { Access } from './instructions.ts'
import type { Trouble } from './judge.ts'
import type { GatedOperation, Snapshot } from './model.ts'
import { Positions, type Position, type Program } from './positions.ts'
import { describeError, type Request } from './replay.ts'
import type { Setting } from './setting.ts'
import { snapshotOf } from './snapshot.ts'
import {
  alternativeOf, KILL, kindOf, RUN, SPURIOUS, taskOf, TIME_OUT, transition, type Transition,
} from './transition.ts' // prettier-ignore

const GONE = -1

/** A task of a thread, or the reaper. */
export interface Task {
  readonly index: number
  readonly thread: number
  readonly name: string
}

export class World {
  readonly setting: Setting
  readonly cells: Cells
  readonly ghosts: Int32Array
  readonly snapshot: Snapshot
  readonly tasks: readonly Task[]
  /** Of the last step: what its instruction returned, whether it fell asleep, whom it woke, what went wrong. */
  result = 0
  fellAsleep = false
  woken: Task | undefined = undefined
  trouble: Trouble | undefined = undefined
  /** Rings that found nobody asleep, in all steps so far. */
  emptyRings = 0

  readonly #positions: Positions
  readonly #reaper: Task | undefined = undefined
  /** What the reaper does, by dead thread. */
  readonly #reaps: readonly Program[]
  readonly #idle: Position
  readonly #tasksOf: readonly (readonly Task[])[]

  readonly #position: number
  readonly #rank: number
  readonly #isDead: number
  readonly #reapRank: number
  readonly #kills: number
  readonly #timeouts: number
  readonly #spurious: number
  readonly #preemptions: number
  readonly #last: number
  readonly #writers: number

  constructor(setting: Setting) {
    const threads = setting.threads.length
    const reaps = setting.model.reaper ?? []
    this.setting = setting
    this.#positions = new Positions(setting)
    this.#idle = this.#positions.root(program(threads, []), 0)
    this.#reaps = setting.threads.map((_, dead) => program(threads, reaps.map((reap) => ({ run: (thread) => { reap(thread, tidOf(dead, 1)) } })))) // prettier-ignore

    const tasks: Task[] = []
    const starts: Position[] = []
    const add = (thread: number, name: string, start: Position): Task => {
      const task = { index: tasks.length, thread, name }
      tasks.push(task)
      starts.push(start)
      return task
    }
    const tasksOf = setting.threads.map((each, thread) =>
      each.map((operations, which) => {
        const name = each.length > 1 ? `T${thread}.${which}` : `T${thread}`
        return add(thread, name, this.#positions.root(program(thread, operations, each.length > 1), 0))
      }),
    )
    if (reaps.length > 0) {
      this.#reaper = add(threads, 'REAPER', this.#idle)
      tasksOf.push([this.#reaper])
    }
    this.tasks = tasks
    this.#tasksOf = tasksOf

    let count = setting.words
    const take = (cells: number): number => (count += cells) - cells
    const ghosts = take(setting.ghostWords)
    this.#position = take(tasks.length)
    this.#rank = take(tasks.length)
    this.#isDead = take(threads + 1)
    this.#reapRank = take(threads + 1)
    this.#kills = take(1)
    this.#timeouts = take(1)
    this.#spurious = take(1)
    this.#preemptions = take(1)
    this.#last = take(1)
    this.#writers = take(setting.model.races === 'fail' ? setting.words : 0)
    this.cells = new Cells(count)
    this.ghosts = this.cells.values.subarray(ghosts, ghosts + setting.ghostWords)
    this.snapshot = snapshotOf(this)

    const memory = new SharedArrayBuffer(setting.words * 4)
    setting.model.init?.(atomicsCpu(memory))
    this.cells.values.set(new Int32Array(memory))
    for (const task of tasks) this.#settle(task, starts[task.index])
  }

  isDead(thread: number): boolean {
    return this.cells.values[this.#isDead + thread] !== 0
  }

  isAsleep(thread: number): boolean {
    return this.#tasksOf[thread].some((task) => this.#rankOf(task) !== 0)
  }

  isFinished(thread: number): boolean {
    return this.#tasksOf[thread].every((task) => this.isThrough(task))
  }

  /** True when a task has finished its operations, or its thread is dead. */
  isThrough(task: Task): boolean {
    const position = this.#positionOf(task)
    return (
      position === undefined ||
      (position.verb === 'end' && position.operation === position.program.operations.length)
    )
  }

  /** What a task is about to ask for; undefined once its thread is dead. */
  requestOf(task: Task): Request | undefined {
    return this.#positionOf(task)?.request
  }

  /** True when all threads have finished or died and the reaper is through. */
  isAtEnd(): boolean {
    return this.tasks.every((task) => this.isThrough(task))
  }

  /**
   * Fills in the steps to explore from here, in order. Returns how many of them are progress: a state with none, that is
   * not the end, waits for something that nobody will do. Neither deaths nor spurious wake-ups are to be waited for.
   */
  possible(into: Transition[]): number {
    into.length = 0
    if (this.#addChoice(into) || this.#addNote(into)) return into.length

    for (const task of this.tasks) {
      if (this.#canRun(task) && this.#isWithinBound(task)) into.push(transition(RUN, task.index))
    }
    if (this.#isLeft(this.#timeouts, this.setting.bounds.timeouts)) {
      for (const task of this.tasks) {
        if (this.#rankOf(task) !== 0 && this.#hasDeadline(task)) into.push(transition(TIME_OUT, task.index))
      }
    }
    const progress = into.length
    if (this.#isLeft(this.#spurious, this.setting.bounds.spurious)) {
      for (const task of this.tasks) {
        if (this.#rankOf(task) !== 0) into.push(transition(SPURIOUS, task.index))
      }
    }
    for (const thread of this.setting.kill) {
      if (this.#mayDie(thread)) into.push(transition(KILL, this.#tasksOf[thread][0].index))
    }
    return progress
  }

  /** Takes one step, which must be possible. */
  step(step: Transition): void {
    const task = this.tasks[taskOf(step)]
    this.result = 0
    this.fellAsleep = false
    this.woken = undefined
    this.trouble = undefined
    const kind = kindOf(step)
    if (kind === RUN) this.#run(task, alternativeOf(step))
    else if (kind === KILL) this.#kill(task.thread)
    else if (kind === TIME_OUT) this.#wake(task, 0, this.#timeouts)
    else this.#wake(task, 1, this.#spurious)

    // A thread that cannot go on is not preempted, whoever runs next.
    if (this.#lastThread() >= 0 && !this.#canAnyRun(this.#lastThread())) this.cells.set(this.#last, 0)
  }

  /** Two threads that could now access one word at the same time, at least one of them plainly and one writing. */
  findRace(): string | undefined {
    for (const left of this.tasks) {
      for (let right = left.index + 1; right < this.tasks.length; right++) {
        if (this.#race(left, this.tasks[right])) {
          return `${left.name} and ${this.tasks[right].name} access the same word, unordered`
        }
      }
    }
    return undefined
  }

  #run(task: Task, alternative: number): void {
    const position = this.#stands(task)
    const { verb, request, instruction } = position
    const { a, b, c } = request
    if (this.setting.bounds.preemptions !== Infinity && !isFree(position)) this.#charge(task)

    if (instruction !== undefined) {
      this.result = instruction.execute(this.cells, a, b, c)
      if (position.touchesNote) this.#checkNote(task, position)
    } else if (verb === 'sleep' && this.cells.values[a] === b) {
      this.fellAsleep = true
      this.cells.set(this.#rank + task.index, 1 + this.#sleepersOn(a))
      return
    } else if (verb === 'sleep') {
      this.result = 1
    } else if (verb === 'ring') {
      this.#ring(a)
    } else if (verb === 'choose') {
      this.result = alternative
    }
    this.#settle(task, this.#positions.after(position, this.result))
  }

  #ring(at: number): void {
    const sleeper = this.tasks.find((task) => this.#rankOf(task) === 1 && this.#stands(task).request.a === at)
    if (sleeper === undefined) this.emptyRings++
    else this.#wake(sleeper, 1)
    this.woken = sleeper
  }

  #wake(task: Task, result: number, budget?: number): void {
    if (budget !== undefined) this.cells.set(budget, this.cells.values[budget] + 1)
    this.#leaveQueue(task)
    this.#settle(task, this.#positions.after(this.#stands(task), result))
  }

  #kill(thread: number): void {
    for (const task of this.#tasksOf[thread]) {
      if (this.#rankOf(task) !== 0) this.#leaveQueue(task)
      this.cells.set(this.#position + task.index, GONE)
    }
    this.cells.set(this.#isDead + thread, 1)
    this.cells.set(this.#kills, this.cells.values[this.#kills] + 1)
    if (this.#reaper === undefined) return
    let rank = 1
    for (let other = 0; other < this.setting.threads.length; other++) {
      if (this.cells.values[this.#reapRank + other] !== 0) rank++
    }
    this.cells.set(this.#reapRank + thread, rank)
    if (rank === 1) this.#settle(this.#reaper, this.#positions.root(this.#reaps[thread], 0))
  }

  /** Puts a task where it stops next: at an instruction or a choice, at its end, or at what went wrong. */
  #settle(task: Task, from: Position): void {
    let at = from
    for (;;) {
      if (at.verb === 'ghost') {
        at = this.#positions.after(at, this.#runGhost(at))
      } else if (at.verb === 'end' && at.operation < at.program.operations.length) {
        at = this.#positions.root(at.program, at.operation + 1)
      } else if (at.verb === 'end' && task === this.#reaper && at !== this.#idle) {
        at = this.#nextReap()
      } else {
        break
      }
    }
    if (at.verb === 'failed')
      this.trouble ??= { kind: 'assertion', message: `${task.name}: ${at.request.name}` }
    if (at.verb === 'threw')
      this.trouble ??= { kind: 'exception', message: `${task.name}: ${at.request.name}` }
    this.cells.set(this.#position + task.index, at.id)
  }

  #runGhost({ request }: Position): number {
    const first = this.setting.words
    try {
      const update = request.update
      if (update === undefined) return 0
      return this.cells.rewrite(first, first + this.setting.ghostWords, () => update(this.ghosts) | 0)
    } catch (error) {
      this.trouble = { kind: 'exception', message: describeError(error) }
      return 0
    }
  }

  #nextReap(): Position {
    let next = this.#idle
    for (let dead = 0; dead < this.setting.threads.length; dead++) {
      const rank = this.cells.values[this.#reapRank + dead]
      if (rank !== 0) this.cells.set(this.#reapRank + dead, rank - 1)
      if (rank === 2) next = this.#positions.root(this.#reaps[dead], 0)
    }
    return next
  }

  #addChoice(into: Transition[]): boolean {
    for (const task of this.tasks) {
      const position = this.#positionOf(task)
      if (position?.verb !== 'choose') continue
      for (let i = 0; i < position.request.a; i++) into.push(transition(RUN, task.index, i))
      return true
    }
    for (const tasks of this.#tasksOf) {
      if (tasks.length === 1) continue
      const open = tasks.filter((task) => !this.isThrough(task))
      if (open.length === 0 || !open.every((task) => this.#startsFreely(task))) continue
      for (const task of open) into.push(transition(RUN, task.index))
      return true
    }
    return false
  }

  #addNote(into: Transition[]): boolean {
    for (const task of this.tasks) {
      const position = this.#positionOf(task)
      if (!position?.touchesNote || this.#leadsToGhost(task, position)) continue
      const canDie = this.#mayDie(task.thread)
      if (canDie && this.#killsLeft() > 1 && this.#canAnotherDie(task.thread)) continue
      into.push(transition(RUN, task.index))
      if (canDie) into.push(transition(KILL, this.#tasksOf[task.thread][0].index))
      return true
    }
    return false
  }

  #leadsToGhost(task: Task, position: Position): boolean {
    const { name, a } = position.request
    let next = this.#positions.after(position, name === 'plainLoad' ? this.cells.values[a] : 0)
    while (next.verb === 'end') {
      if (next.operation === next.program.operations.length) return task === this.#reaper
      next = this.#positions.root(next.program, next.operation + 1)
    }
    return next.verb === 'ghost'
  }

  #checkNote(task: Task, { request: { name, a } }: Position): void {
    if (this.setting.model.races !== 'fail') return
    const writer = this.cells.values[this.#writers + a] - 1
    if (name === 'plainStore') this.cells.set(this.#writers + a, task.thread + 1)
    else if (writer >= 0 && writer !== task.thread && !this.isDead(writer)) {
      this.trouble = { kind: 'race', message: `${task.name} reads a note of T${writer}, which is alive` }
    }
  }

  #race(left: Task, right: Task): boolean {
    if (left.thread === right.thread || this.#rankOf(left) !== 0 || this.#rankOf(right) !== 0) return false
    const one = this.#positionOf(left)
    const other = this.#positionOf(right)
    if (one === undefined || other === undefined) return false
    if (!one.instruction?.isPlain && !other.instruction?.isPlain) return false
    return one.touches.some((mine) => other.touches.some((theirs) => this.#conflict(mine, theirs)))
  }

  #conflict(mine: Access, theirs: Access): boolean {
    if (!mine.writes && !theirs.writes) return false
    for (let at = Math.max(mine.first, theirs.first); at < Math.min(mine.end, theirs.end); at++) {
      if (!this.setting.isRacy(at) && !this.setting.isNote(at)) return true
    }
    return false
  }

  #canRun(task: Task): boolean {
    const position = this.#positionOf(task)
    if (position === undefined || this.#rankOf(task) !== 0) return false
    const { verb, request } = position
    if (position.awaitsChange) return this.cells.values[request.a] !== request.b
    if (verb === 'start') return this.#canStart(task, position)
    return verb !== 'end' && verb !== 'failed' && verb !== 'threw'
  }

  #canStart(task: Task, { program, operation }: Position): boolean {
    if (program.hasSiblings && !this.#tasksOf[task.thread].every((each) => this.#isBetweenOperations(each)))
      return false
    const { when } = program.operations[operation]
    return when === undefined || when(this.snapshot)
  }

  #startsFreely(task: Task): boolean {
    const position = this.#positionOf(task)
    return position?.verb === 'start' && position.program.operations[position.operation].when === undefined
  }

  #isBetweenOperations(task: Task): boolean {
    const verb = this.#positionOf(task)?.verb
    return verb === 'start' || verb === 'end' || verb === undefined
  }

  #canAnyRun(thread: number): boolean {
    return this.#tasksOf[thread].some((task) => this.#canRun(task))
  }

  #isWithinBound(task: Task): boolean {
    return this.cells.values[this.#preemptions] + this.#costOf(task) <= this.setting.bounds.preemptions
  }

  #costOf(task: Task): number {
    const last = this.#lastThread()
    return last >= 0 && last !== task.thread && this.#canAnyRun(last) ? 1 : 0
  }

  #charge(task: Task): void {
    this.cells.set(this.#preemptions, this.cells.values[this.#preemptions] + this.#costOf(task))
    this.cells.set(this.#last, task.thread + 1)
  }

  #lastThread(): number {
    return this.cells.values[this.#last] - 1
  }

  #mayDie(thread: number): boolean {
    if (!this.setting.kill.has(thread) || this.isDead(thread) || this.#killsLeft() <= 0) return false
    const tasks = this.#tasksOf[thread]
    const { operation, steps } = this.#stands(
      tasks.find((task) => !this.#isBetweenOperations(task)) ?? tasks[0],
    )
    return this.setting.model.mayKill?.(thread, operation, steps) ?? true
  }

  #canAnotherDie(thread: number): boolean {
    for (const other of this.setting.kill) {
      if (other !== thread && !this.isDead(other)) return true
    }
    return false
  }

  #killsLeft(): number {
    return this.setting.bounds.kills - this.cells.values[this.#kills]
  }

  #isLeft(budget: number, bound: number): boolean {
    return this.cells.values[budget] < bound
  }

  #hasDeadline(task: Task): boolean {
    return this.#stands(task).request.c === 1
  }

  #sleepersOn(at: number): number {
    return this.tasks.filter((task) => this.#rankOf(task) !== 0 && this.#stands(task).request.a === at).length
  }

  #leaveQueue(task: Task): void {
    const rank = this.#rankOf(task)
    const at = this.#stands(task).request.a
    for (const other of this.tasks) {
      const behind = this.#rankOf(other)
      if (behind > rank && this.#stands(other).request.a === at)
        this.cells.set(this.#rank + other.index, behind - 1)
    }
    this.cells.set(this.#rank + task.index, 0)
  }

  #rankOf(task: Task): number {
    return this.cells.values[this.#rank + task.index]
  }

  #positionOf(task: Task): Position | undefined {
    const id = this.cells.values[this.#position + task.index]
    return id === GONE ? undefined : this.#positions.at(id)
  }

  /** The position of a task whose thread is alive. */
  #stands(task: Task): Position {
    return this.#positions.at(this.cells.values[this.#position + task.index])
  }
}

function program(thread: number, operations: readonly GatedOperation[], hasSiblings = false): Program {
  return { thread, operations, hasSiblings, roots: [] }
}

/** Steps that commute with all others, or only start an operation: no preemption, as the header says. */
function isFree({ verb, touchesNote }: Position): boolean {
  return verb === 'choose' || verb === 'start' || touchesNote
}
