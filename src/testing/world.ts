/**
 * World: a model in one state, and what each step does to it.
 *
 *   step          effect
 *   RUN           executes what the task asks for: its instruction, or the choice of an alternative
 *   TIME_OUT      sleep() returns false
 *   SPURIOUS      sleep() returns true, awaitChange() and spinWhileEqual() return, though nothing has happened
 *   KILL          the thread is gone; the reaper gets it to see to
 *
 * Ghost updates and the beginning of the next operation belong to the step before them. A ring and the return of the
 * sleep() that it ends are one step: until its next instruction, nobody can tell when a thread woke.
 *
 * Invariants
 *  1. No task stands at a 'ghost', nor at an 'end' with operations to come.
 *  2. A step changes cells only, so the search can take it back.
 */

import { atomicsCpu } from '../host/cpu.ts'
import { castOf, type Task } from './cast.ts'
import type { Snapshot } from './model.ts'
import { Positions, type Position } from './positions.ts'
import type { Trouble } from './report.ts'
import { describeError, DIFFERED, RUNG, tellsApart, TIMED_OUT, type Verb } from './rerun.ts'
import type { Setting } from './setting.ts'
import { snapshotOf } from './snapshot.ts'
import { KILLS, PREEMPTIONS, SPURIOUS_WAKES, State, TIMEOUTS } from './state.ts'
import { Steps } from './steps.ts'
import { alternativeOf, KILL, kindOf, RUN, taskOf, TIME_OUT, type Transition } from './transition.ts'

const NOBODY: readonly Task[] = []

const TROUBLES: Partial<Record<Verb, Trouble['kind']>> = {
  failed: 'assertion',
  threw: 'exception',
  endless: 'endless',
}

export class World {
  readonly setting: Setting
  readonly state: State
  readonly steps: Steps
  readonly snapshot: Snapshot
  readonly tasks: readonly Task[]
  /** Of the last step: what its instruction returned, whom it woke, what went wrong. */
  result = 0
  /** A bit for each task that stands elsewhere now. */
  moved = 0
  woken: readonly Task[] = NOBODY
  trouble: Trouble | undefined = undefined
  /** Rings that found nobody asleep, in all steps so far. */
  emptyRings = 0
  readonly #positions: Positions

  constructor(setting: Setting) {
    const cast = castOf(setting)
    this.setting = setting
    this.tasks = cast.tasks
    this.#positions = new Positions(setting)
    this.state = new State(setting, cast, this.#positions)
    this.snapshot = snapshotOf(setting, this.state)
    this.steps = new Steps(setting, this.state, this.#positions, this.snapshot)

    const memory = new SharedArrayBuffer(setting.words * 4)
    try {
      setting.model.init?.(atomicsCpu(memory))
    } catch (error) {
      setting.broken.note('init', error)
    }
    this.state.cells.values.set(new Int32Array(memory))
    this.#positions.guessFrom(this.state.cells)
    for (const task of cast.tasks) this.#settle(task, this.#positions.root(cast.programs[task.index], 0))
  }

  /** True when all threads have finished or died and the reaper is through. */
  isAtEnd(): boolean {
    return this.tasks.every((task) => this.state.isThrough(task))
  }

  /** Takes one step, which must be possible. */
  take(step: Transition): void {
    const task = this.tasks[taskOf(step)]
    const kind = kindOf(step)
    this.result = 0
    this.moved = 0
    this.woken = NOBODY
    this.trouble = undefined
    if (kind === RUN) this.#run(task, alternativeOf(step))
    else if (kind === KILL) this.#kill(task.thread)
    else if (kind === TIME_OUT) this.#timeOut(task)
    else this.#wakeSpuriously(task)

    // A thread that cannot go on is not preempted, whoever runs next.
    const last = this.state.lastThread
    if (last >= 0 && !this.steps.canThreadRun(last)) this.state.lastThread = -1
  }

  #run(task: Task, alternative: number): void {
    const position = this.state.standsAt(task)
    const { a, b, c } = position.request
    if (this.setting.bounds.preemptions !== Infinity && !this.steps.isFree(position)) {
      this.state.use(PREEMPTIONS, this.steps.costOf(task))
      this.state.lastThread = task.thread
    }
    switch (position.verb) {
      case 'sleep':
        if (this.state.word(a) === b) {
          this.state.fallAsleep(task)
          return
        }
        this.result = tellsApart(c) ? DIFFERED : RUNG
        break
      case 'ring':
        this.#ring(a, b)
        if (c === 1) this.result = this.woken.length
        break
      case 'choose':
        this.result = alternative
        break
      default:
        this.result = position.instruction?.execute(this.state.cells, a, b, c) ?? 0
    }
    this.#goOn(task, this.result)
  }

  #ring(at: number, most: number): void {
    const woken: Task[] = []
    for (let first = this.state.firstAsleepOn(at); first !== undefined && woken.length < most;) {
      this.state.leaveQueue(first)
      woken.push(first)
      first = this.state.firstAsleepOn(at)
    }
    if (woken.length === 0) this.emptyRings++
    this.woken = woken
    // All of them have left before one goes on: it may be asleep on the same word again at once.
    for (const task of woken) this.#goOn(task, RUNG)
  }

  #timeOut(task: Task): void {
    this.state.use(TIMEOUTS)
    this.state.leaveQueue(task)
    this.#goOn(task, TIMED_OUT)
  }

  #wakeSpuriously(task: Task): void {
    const { verb, request } = this.state.standsAt(task)
    this.state.use(SPURIOUS_WAKES)
    this.state.leaveQueue(task)
    this.#goOn(task, resultOfWaking(verb, request.b))
  }

  #kill(thread: number): void {
    this.state.use(KILLS)
    const { reaper, reaps } = this.state.cast
    const isNext = this.state.bury(thread) === 1
    if (!isNext || reaper === undefined) return
    this.#settle(reaper, this.#positions.root(reaps[thread], 0, this.state.standsAt(reaper).inFlight))
  }

  /** What the task asked for has returned. */
  #goOn(task: Task, result: number): void {
    this.#settle(task, this.#positions.after(this.state.standsAt(task), result))
  }

  /** Puts a task where it stops next: at what it asks for, at its end, or at what went wrong. */
  #settle(task: Task, from: Position): void {
    const { reaper, idle } = this.state.cast
    let at = from
    for (;;) {
      if (at.verb === 'ghost') {
        at = this.#positions.after(at, this.#changeGhosts(task, at))
      } else if (at.verb === 'end' && !at.isLast) {
        at = this.#positions.next(at)
      } else if (at.verb === 'end' && task === reaper && at.program !== idle) {
        at = this.#nextReap(at)
      } else {
        break
      }
    }
    const kind = TROUBLES[at.verb]
    if (kind !== undefined) this.trouble = { kind, message: `${task.name}: ${at.request.name}` }
    this.moved |= 1 << task.index
    this.state.stand(task, at)
  }

  #changeGhosts(task: Task, { request: { update } }: Position): number {
    try {
      return update === undefined ? 0 : this.state.changeGhosts(update)
    } catch (error) {
      this.trouble = { kind: 'exception', message: `${task.name}: ${describeError(error)}` }
      return 0
    }
  }

  #nextReap({ inFlight }: Position): Position {
    const { reaps, idle } = this.state.cast
    const dead = this.state.finishReap()
    return this.#positions.root(dead < 0 ? idle : reaps[dead], 0, inFlight)
  }
}

/** What a wait returns that ends for no reason: spinWhileEqual() the word that it has seen all the time. */
function resultOfWaking(verb: Verb, word: number): number {
  if (verb === 'sleep') return RUNG
  return verb === 'awaitChange' ? 0 : word
}
