/**
 * Steps: which steps are possible in a state, and which of them have to be explored.
 *
 *   step          possible while
 *   RUN           the task's instruction could return now, would not only turn a loop once more (turns.ts), and the
 *                 preemption it may be is within the bound
 *   TIME_OUT      the task is asleep with a deadline
 *   SPURIOUS      the task is asleep, or awaits a change
 *   KILL          the thread may be killed and is alive
 *
 * The order of steps that cannot tell each other apart is not explored. Some states get only some of their steps:
 *
 *  - Somebody is to make a choice, or to start one of several tasks that wait for nothing. That reads and writes nothing
 *    but its own position, so it commutes with every step of all others, and a death before it leaves what a death after
 *    it leaves: only the alternatives are explored.
 *  - Somebody is to access words plainly that no other thread can access before this one has gone on to an instruction
 *    with order: raceCheck proves it (races.ts), or the model promises it (notes). The access commutes with all that
 *    others do meanwhile. What it does not commute with is the death of its own thread, which is explored as well:
 *    {access, death} is a persistent set (Godefroid, LNCS 1032, 1996, chapter 4). It would not be one if somebody else
 *    could die first and leave room for this death too, since the reaper sees the order of the dead: with two deaths to
 *    go and two who may die, every step is explored. So it is if a ghost update hangs on the access.
 *  - Somebody may die whose next instruction could return now and changes no word: the death after it will do, since
 *    what a dead thread had read is gone with it.
 *
 * There are no cycles (positions.ts), so no step is put off for ever. Steps of the first two kinds are no preemptions: to
 * take a step out of a schedule adds no switch to it, so a bounded search covers what it covers without the reduction.
 */

import type { Task } from './cast.ts'
import type { Snapshot } from './model.ts'
import type { Position, Positions } from './positions.ts'
import { DIFFERED, MAY_TIME_OUT, RUNG, tellsApart } from './rerun.ts'
import type { Setting } from './setting.ts'
import { KILLS, PREEMPTIONS, SPURIOUS_WAKES, TIMEOUTS, type State } from './state.ts'
import { KILL, RUN, SPURIOUS, TIME_OUT, transition, type Transition } from './transition.ts'

export class Steps {
  /** Of the steps that were listed last: where they end, and whether they commute with all others. */
  end = 0
  areLocal = false
  readonly #setting: Setting
  readonly #state: State
  readonly #positions: Positions
  readonly #snapshot: Snapshot
  readonly #tasks: readonly Task[]
  /** The tasks of threads that have several. */
  readonly #shared: readonly (readonly Task[])[]
  readonly #mortals: readonly number[]
  readonly #isBounded: boolean

  constructor(setting: Setting, state: State, positions: Positions, snapshot: Snapshot) {
    this.#setting = setting
    this.#state = state
    this.#positions = positions
    this.#snapshot = snapshot
    this.#tasks = state.cast.tasks
    this.#shared = state.cast.tasksOf.filter((tasks) => tasks.length > 1)
    this.#mortals = [...setting.kill]
    this.#isBounded = setting.bounds.preemptions !== Infinity
  }

  /**
   * Writes the steps to explore into a row of others, from `first` on. Returns how many of them are progress: a state
   * with none that is not the end waits for something that nobody will do. Neither deaths nor spurious wake-ups are to
   * be waited for.
   */
  list(into: Transition[], first: number): number {
    this.end = first
    this.areLocal = this.#addChoice(into) || this.#addPlain(into)
    if (this.areLocal) return this.end - first
    const tasks = this.#tasks
    const { bounds } = this.#setting
    for (const task of tasks) {
      if (this.canRun(task) && this.#isWithinBound(task)) into[this.end++] = transition(RUN, task.index)
    }
    if (this.#state.used(TIMEOUTS) < bounds.timeouts) {
      for (const task of tasks)
        if (this.#mayTimeOut(task)) into[this.end++] = transition(TIME_OUT, task.index)
    }
    const progress = this.end - first
    if (bounds.spurious > 0 && this.#state.used(SPURIOUS_WAKES) < bounds.spurious) {
      for (const task of tasks) if (this.#waits(task)) into[this.end++] = transition(SPURIOUS, task.index)
    }
    if (this.#killsLeft > 0) {
      for (const thread of this.#mortals) {
        if (this.#mayDie(thread) && !this.#hasLaterDeath(thread)) into[this.end++] = this.#kill(thread)
      }
    }
    return progress
  }

  /** True if what the task asks for could return now. */
  canRun(task: Task): boolean {
    const position = this.#state.positionOf(task)
    if (position === undefined || position.isOver || this.#state.isAsleep(task)) return false
    const { turn, request } = position
    if (turn !== undefined) return turn.some((look) => this.#state.word(look.request.a) !== look.saw)
    if (position.awaitsChange) return this.#state.word(request.a) !== request.b
    return position.verb !== 'start' || this.#canStart(task, position)
  }

  canThreadRun(thread: number): boolean {
    for (const task of this.#state.cast.tasksOf[thread]) if (this.canRun(task)) return true
    return false
  }

  /** How many preemptions it is if this task runs now. */
  costOf(task: Task): number {
    const last = this.#state.lastThread
    return last >= 0 && last !== task.thread && this.canThreadRun(last) ? 1 : 0
  }

  /** Whether the step is no preemption in any case: it commutes with all others, or only starts an operation. */
  isFree({ verb, commutes }: Position): boolean {
    return verb === 'choose' || verb === 'start' || commutes
  }

  #isWithinBound(task: Task): boolean {
    if (!this.#isBounded || this.isFree(this.#state.standsAt(task))) return true
    return this.#state.used(PREEMPTIONS) + this.costOf(task) <= this.#setting.bounds.preemptions
  }

  #addChoice(into: Transition[]): boolean {
    for (const task of this.#tasks) {
      const position = this.#state.positionOf(task)
      if (position?.verb !== 'choose') continue
      for (let i = 0; i < position.request.a; i++) into[this.end++] = transition(RUN, task.index, i)
      return true
    }
    for (const tasks of this.#shared) {
      const open = tasks.filter((task) => !this.#state.isThrough(task))
      if (open.length === 0 || !open.every((task) => this.#startsFreely(task))) continue
      for (const task of open) into[this.end++] = transition(RUN, task.index)
      return true
    }
    return false
  }

  #startsFreely(task: Task): boolean {
    const { verb, program, operation } = this.#state.standsAt(task)
    return verb === 'start' && program.operations[operation].when === undefined
  }

  #addPlain(into: Transition[]): boolean {
    for (const task of this.#tasks) {
      const position = this.#state.positionOf(task)
      if (!position?.commutes || this.#leadsToGhost(task, position)) continue
      const canDie = this.#mayDie(task.thread)
      if (canDie && this.#canAnotherDieFirst(task.thread)) continue
      into[this.end++] = transition(RUN, task.index)
      if (canDie && !this.#diesNoWorseLater(task, position)) into[this.end++] = this.#kill(task.thread)
      return true
    }
    return false
  }

  #hasLaterDeath(thread: number): boolean {
    const busy = this.#busyTask(thread)
    return busy !== undefined && this.#diesNoWorseLater(busy, this.#state.standsAt(busy))
  }

  /** The task of the thread that is within an operation. */
  #busyTask(thread: number): Task | undefined {
    for (const task of this.#state.cast.tasksOf[thread])
      if (!this.#state.isBetweenOperations(task)) return task
    return undefined
  }

  /** Whether a death after the next step leaves all that a death before it leaves. */
  #diesNoWorseLater(task: Task, position: Position): boolean {
    if (this.#setting.model.mayKill !== undefined || !this.#leavesMemory(position)) return false
    return this.canRun(task) && this.costOf(task) === 0 && !this.#leadsToGhost(task, position)
  }

  /** Whether executing it now would change no word. */
  #leavesMemory({ isReading, request }: Position): boolean {
    if (request.name === 'compareExchange') return this.#state.word(request.a) !== request.b
    return isReading
  }

  /** What the request will return, if it changes no word; else 0. */
  #resultOf(position: Position): number {
    const { verb, request, instruction } = position
    if (verb === 'sleep') return tellsApart(request.c) ? DIFFERED : RUNG
    if (instruction?.returns !== true || !this.#leavesMemory(position)) return 0
    return instruction.execute(this.#state.cells, request.a, request.b, request.c)
  }

  /** Whether a ghost update may follow at once; through a choice, or the start of an operation, it may. */
  #leadsToGhost(task: Task, position: Position): boolean {
    let next = this.#positions.after(position, this.#resultOf(position))
    while (next.verb === 'end') {
      if (next.isLast) return task === this.#state.cast.reaper
      next = this.#positions.next(next)
    }
    return next.verb === 'ghost' || next.verb === 'choose' || next.verb === 'start'
  }

  #canStart(task: Task, { program, operation }: Position): boolean {
    const tasks = this.#state.cast.tasksOf[task.thread]
    if (program.hasSiblings && !tasks.every((each) => this.#state.isBetweenOperations(each))) return false
    const { when } = program.operations[operation]
    if (when === undefined) return true
    try {
      return when(this.#snapshot)
    } catch (error) {
      this.#setting.broken.note('when', error)
      return false
    }
  }

  #mayTimeOut(task: Task): boolean {
    return this.#state.isAsleep(task) && (this.#state.standsAt(task).request.c & MAY_TIME_OUT) !== 0
  }

  #waits(task: Task): boolean {
    if (this.#state.isAsleep(task)) return true
    return this.#state.positionOf(task)?.awaitsChange === true && !this.canRun(task)
  }

  #kill(thread: number): Transition {
    return transition(KILL, this.#state.cast.tasksOf[thread][0].index)
  }

  #mayDie(thread: number): boolean {
    const { kill, model } = this.#setting
    if (this.#killsLeft <= 0 || !kill.has(thread) || this.#state.isDead(thread)) return false
    if (model.mayKill === undefined) return true
    const { operation, steps } = this.#state.standsAt(
      this.#busyTask(thread) ?? this.#state.cast.tasksOf[thread][0],
    )
    try {
      return model.mayKill(thread, operation, steps)
    } catch (error) {
      this.#setting.broken.note('mayKill', error)
      return false
    }
  }

  #canAnotherDieFirst(thread: number): boolean {
    if (this.#killsLeft < 2) return false
    return this.#mortals.some((other) => other !== thread && !this.#state.isDead(other))
  }

  get #killsLeft(): number {
    return this.#setting.bounds.kills - this.#state.used(KILLS)
  }
}
