/**
 * explore(): every state that a model can reach, by depth-first search.
 *
 * A step of the search is a step of the world: it changes cells in place, and is taken back when everything behind it
 * has been seen. A state that was met before is not entered again, since equal cells have equal futures (state.ts).
 *
 * What is explored is sequential consistency: an order of instructions that all threads agree on. All but the plain ones
 * have that order in JavaScript, and a program without data races behaves as if all had (Watt et al., "Repairing and
 * mechanising the JavaScript relaxed memory model", PLDI 2020). With raceCheck, a race is a failure (races.ts).
 *
 * A search may be bounded by the number of preemptions, as in CHESS (Musuvathi and Qadeer, "Iterative context bounding",
 * PLDI 2007): most bugs need two or fewer, and their traces are the ones that people can follow. So a failure that was
 * found by a full search is looked for once more with as few as possible.
 */

import { judge } from './judge.ts'
import type { Model } from './model.ts'
import type { Failure, Report, Trouble } from './report.ts'
import { Seen } from './seen.ts'
import { settingOf, type Setting } from './setting.ts'
import { walk } from './trace.ts'
import { parseSchedule, scheduleOf, type Transition } from './transition.ts'
import { World } from './world.ts'

const MOST_PREEMPTIONS_TO_FOLLOW = 4
const MOST_STATES_TO_FOLLOW = 100_000

/** Explores every interleaving of a model within its bounds. The report has no failures if each of them is right. */
export function explore(model: Model): Report {
  const report = new Search(settingOf(model)).run()
  return { ...report, failures: simplest(model, report.failures) }
}

/** What replay() saw: the steps, and what is wrong with the state they led to. */
export interface Replayed {
  readonly trace: readonly string[]
  readonly trouble: Trouble | undefined
}

/**
 * Runs one schedule of a model, as the report of a failure states it.
 *
 * Throws a SyntaxError if it is no schedule, a RangeError if one of its steps is not possible there.
 */
export function replay(model: Model, schedule: string): Replayed {
  const world = new World(settingOf(model))
  const trace = walk(world, parseSchedule(schedule))
  return { trace, trouble: judge(world, world.steps.add([])) }
}

/** The failure that a full search ended with, or one of its kind with as few preemptions as it takes. */
function simplest(model: Model, failures: readonly Failure[]): readonly Failure[] {
  const isBounded = model.bounds?.preemptions !== undefined
  if (failures.length !== 1 || failures[0].kind === 'unfinished' || isBounded) return failures
  for (let preemptions = 0; preemptions <= MOST_PREEMPTIONS_TO_FOLLOW; preemptions++) {
    const bounds = { ...model.bounds, preemptions, states: MOST_STATES_TO_FOLLOW, failures: 1 }
    const found = new Search(settingOf({ ...model, bounds })).run().failures
    if (found.some((failure) => failure.kind === failures[0].kind)) return found
  }
  return failures
}

/** What follows a state. */
interface Outlook {
  readonly steps: readonly Transition[]
  /** Whether there is one step only, which commutes with all others. */
  readonly isForced: boolean
  /** Whether a run may end here. */
  readonly isEnding: boolean
}

/** A state on the way from the first one to the present one. */
interface Frame {
  readonly state: number
  readonly outlook: Outlook
  /** Where the journal and the path stood before the steps that led here. */
  readonly mark: number
  readonly depth: number
  next: number
  /** Ways to end that were found from here. */
  interleavings: number
}

class Search {
  readonly #setting: Setting
  readonly #world: World
  readonly #seen = new Seen()
  readonly #frames: Frame[] = []
  readonly #path: Transition[] = []
  readonly #failures: Failure[] = []
  #transitions = 0
  #endings = 0
  #interleavings = 0
  #depth = 0

  constructor(setting: Setting) {
    this.#setting = setting
    this.#world = new World(setting)
  }

  run(): Report {
    const begun = performance.now()
    const { model, bounds } = this.#setting
    const { cells } = this.#world.state
    this.#enter(this.#seen.add(cells.low, cells.high), cells.mark(), 0, this.#look())
    while (this.#frames.length > 0 && !this.#isOver()) {
      const frame = this.#frames[this.#frames.length - 1]
      if (frame.next < frame.outlook.steps.length) this.#take(frame, frame.outlook.steps[frame.next++])
      else this.#leave(frame)
    }
    return {
      name: model.name,
      bound: bounds.preemptions === Infinity ? 'full' : `preemptions ${bounds.preemptions}`,
      states: this.#seen.size,
      transitions: this.#transitions,
      endings: this.#endings,
      interleavings: this.#interleavings,
      depth: this.#depth,
      emptyRings: this.#world.emptyRings,
      ms: performance.now() - begun,
      failures: this.#failures,
    }
  }

  #take(from: Frame, first: Transition): void {
    const { cells } = this.#world.state
    const mark = cells.mark()
    const depth = this.#path.length
    this.#step(first)
    const end = from.outlook.isForced ? this.#passOn() : undefined

    const known = this.#seen.size
    const state = this.#seen.add(cells.low, cells.high)
    if (state === known || this.#world.trouble !== undefined) {
      this.#enter(state, mark, depth, end ?? this.#look())
    } else {
      from.interleavings += this.#seen.interleavings(state)
      this.#path.length = depth
      cells.rewind(mark)
    }
  }

  /** Takes the steps that leave no choice, one after another: the states in between are judged, but not remembered. */
  #passOn(): Outlook {
    let outlook = this.#look()
    while (outlook.isForced) {
      this.#step(outlook.steps[0])
      outlook = this.#look()
    }
    return outlook
  }

  #step(step: Transition): void {
    this.#transitions++
    this.#path.push(step)
    this.#world.take(step)
  }

  /** Judges the present state, and looks for the steps that lead on. */
  #look(): Outlook {
    const steps: Transition[] = []
    const progress = this.#world.steps.add(steps)
    const trouble = judge(this.#world, progress)
    if (trouble === undefined) {
      return { steps, isForced: this.#world.steps.areLocal && steps.length === 1, isEnding: progress === 0 }
    }
    this.#fail(trouble)
    return { steps: [], isForced: false, isEnding: true }
  }

  #enter(state: number, mark: number, depth: number, outlook: Outlook): void {
    if (outlook.isEnding) this.#endings++
    this.#depth = Math.max(this.#depth, this.#path.length)
    this.#frames.push({ state, outlook, mark, depth, next: 0, interleavings: outlook.isEnding ? 1 : 0 })
    const { states } = this.#setting.bounds
    if (this.#seen.size > states) {
      const message = `there are more than ${states} states: not all were explored`
      this.#fail({ kind: 'unfinished', message })
    }
  }

  #leave({ state, mark, depth, interleavings }: Frame): void {
    this.#frames.pop()
    this.#path.length = depth
    this.#world.state.cells.rewind(mark)
    this.#seen.setInterleavings(state, interleavings)
    const before = this.#frames.at(-1)
    if (before === undefined) this.#interleavings = interleavings
    else before.interleavings += interleavings
  }

  #fail(trouble: Trouble): void {
    const trace = walk(new World(this.#setting), this.#path)
    this.#failures.push({ ...trouble, trace, schedule: scheduleOf(this.#path) })
  }

  #isOver(): boolean {
    const { failures, states } = this.#setting.bounds
    return this.#failures.length >= failures || this.#seen.size > states
  }
}
