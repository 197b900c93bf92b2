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

import type { Cells } from './cells.ts'
import { assertModel } from './check-model.ts'
import { fold } from './fold.ts'
import { judge } from './judge.ts'
import type { Model, Snapshot } from './model.ts'
import { formatReport, type Failure, type Report, type Trouble } from './report.ts'
import { Seen } from './seen.ts'
import { settingOf, type Setting } from './setting.ts'
import { walk } from './trace.ts'
import { parseSchedule, scheduleOf, type Transition } from './transition.ts'
import { World } from './world.ts'

const MOST_PREEMPTIONS_TO_FOLLOW = 4
const MOST_STATES_TO_FOLLOW = 100_000

/**
 * Explores every interleaving of a model within its bounds. The report has no failures if each of them is right.
 *
 * Throws a TypeError or RangeError if the model is none. What is wrong with the code that it runs is in the report.
 */
export function explore(model: Model): Report {
  assertModel('explore()', model)
  const report = new Search(settingOf(model)).run()
  return { ...report, failures: simplest(model, report.failures) }
}

/** As explore(), for tests: throws an Error with the report, as formatReport() writes it, if anything is wrong. */
export function assertHolds(model: Model): Report {
  const report = explore(model)
  if (report.failures.length > 0) throw new Error(formatReport(report))
  return report
}

/** The different ends that a model's runs have, as `describe` puts them, in order. Throws as assertHolds() does. */
export function outcomesOf(model: Model, describe: (state: Snapshot) => string): readonly string[] {
  const outcomes = new Set<string>()
  const final = (state: Snapshot): void => {
    outcomes.add(describe(state))
    model.final?.(state)
  }
  assertHolds({ ...model, final })
  return [...outcomes].sort()
}

/** What replay() saw: the steps, and what is wrong with the state they led to. */
export interface Replayed {
  /** As Failure.trace. */
  readonly trace: readonly string[]
  readonly trouble: Trouble | undefined
}

/**
 * Runs one schedule of a model, as the report of a failure states it.
 *
 * Throws a SyntaxError if it is no schedule, a RangeError if one of its steps is not possible there, and what explore()
 * throws.
 */
export function replay(model: Model, schedule: string): Replayed {
  assertModel('replay()', model)
  const world = new World(settingOf(model))
  const trace = fold(walk(world, parseSchedule(schedule)))
  return { trace, trouble: judge(world, world.steps.list([], 0)) }
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

/** A state on the way from the first one to the present one. */
class Frame {
  low = 0
  high = 0
  /** Its steps, in the search's row of steps: [first, end). */
  first = 0
  end = 0
  next = 0
  /** Where the journal and the path stood before the steps that led here. */
  mark = 0
  depth = 0
  /** Whether there is one step only, which commutes with all others. */
  isForced = false
  /** Ways to end that were found from here. */
  ways = 0
}

/** What it needs for each state is kept in rows that grow and are used again: a search makes no garbage. */
class Search {
  readonly #setting: Setting
  readonly #world: World
  readonly #cells: Cells
  readonly #seen = new Seen()
  readonly #frames: Frame[] = []
  readonly #path: Transition[] = []
  readonly #steps: Transition[] = []
  readonly #failures: Failure[] = []
  /** How many entries of the rows are in use. */
  #height = 0
  #pathLength = 0
  #stepsEnd = 0
  /** Of the state that was looked at last: whether there is one step only, which commutes; whether a run may end there. */
  #isForced = false
  #isEnding = false
  #transitions = 0
  #endings = 0
  #depth = 0

  constructor(setting: Setting) {
    this.#setting = setting
    this.#world = new World(setting)
    this.#cells = this.#world.state.cells
  }

  run(): Report {
    const begun = performance.now()
    const { model, bounds } = this.#setting
    this.#seen.meet(this.#cells.low, this.#cells.high)
    this.#enter(this.#cells.mark(), 0, this.#look())
    const first = this.#frames[0]
    while (this.#height > 0 && !this.#isOver()) {
      const frame = this.#frames[this.#height - 1]
      if (frame.next < frame.end) this.#take(frame, this.#steps[frame.next++])
      else this.#leave(frame)
    }
    return {
      name: model.name,
      bound: bounds.preemptions === Infinity ? 'full' : `preemptions ${bounds.preemptions}`,
      states: this.#seen.size,
      transitions: this.#transitions,
      endings: this.#endings,
      interleavings: this.#height === 0 ? first.ways : 0,
      depth: this.#depth,
      emptyRings: this.#world.emptyRings,
      ms: performance.now() - begun,
      failures: this.#failures,
    }
  }

  #take(from: Frame, step: Transition): void {
    const cells = this.#cells
    const mark = cells.mark()
    const depth = this.#pathLength
    const first = this.#stepsEnd
    this.#step(step)
    if (from.isForced) this.#passOn()

    const ways = this.#seen.meet(cells.low, cells.high)
    if (ways < 0 || this.#world.trouble !== undefined) {
      this.#enter(mark, depth, from.isForced ? first : this.#look())
    } else {
      from.ways += ways
      this.#pathLength = depth
      this.#stepsEnd = first
      cells.rewind(mark)
    }
  }

  /** Takes the steps that leave no choice, one after another: the states in between are judged, but not remembered. */
  #passOn(): void {
    let first = this.#look()
    while (this.#isForced) {
      this.#stepsEnd = first
      this.#step(this.#steps[first])
      first = this.#look()
    }
  }

  #step(step: Transition): void {
    this.#transitions++
    this.#path[this.#pathLength++] = step
    this.#world.take(step)
  }

  /** Judges the present state, and puts the steps that lead on behind the others. Returns where they begin. */
  #look(): number {
    const first = this.#stepsEnd
    const { steps } = this.#world
    const progress = steps.list(this.#steps, first)
    this.#stepsEnd = steps.end
    const trouble = judge(this.#world, progress)
    this.#isForced = steps.areLocal && steps.end === first + 1
    this.#isEnding = progress === 0
    if (trouble !== undefined) {
      this.#fail(trouble)
      this.#stepsEnd = first
      this.#isForced = false
      this.#isEnding = true
    }
    return first
  }

  /** Puts the state that was looked at last on top of the others. */
  #enter(mark: number, depth: number, first: number): void {
    if (this.#isEnding) this.#endings++
    if (this.#pathLength > this.#depth) this.#depth = this.#pathLength
    if (this.#height === this.#frames.length) this.#frames.push(new Frame())
    const frame = this.#frames[this.#height++]
    frame.low = this.#cells.low
    frame.high = this.#cells.high
    frame.first = first
    frame.next = first
    frame.end = this.#stepsEnd
    frame.mark = mark
    frame.depth = depth
    frame.isForced = this.#isForced
    frame.ways = this.#isEnding ? 1 : 0
    const { states } = this.#setting.bounds
    if (this.#seen.size > states) {
      const message = `there are more than ${states} states: not all were explored`
      this.#fail({ kind: 'unfinished', message })
    }
  }

  #leave(frame: Frame): void {
    this.#seen.count(frame.low, frame.high, frame.ways)
    this.#cells.rewind(frame.mark)
    this.#pathLength = frame.depth
    this.#stepsEnd = frame.first
    this.#height--
    if (this.#height > 0) this.#frames[this.#height - 1].ways += frame.ways
  }

  #fail(trouble: Trouble): void {
    const path = this.#path.slice(0, this.#pathLength)
    const setting = this.#setting
    const found = { trace: fold(walk(new World(setting), path)), schedule: scheduleOf(path) }
    this.#failures.push({ ...trouble, ...found })
    // To tell it, more of the model was asked: labels. What init() throws, it throws again.
    const broken = setting.broken.take()
    if (broken !== undefined && broken.message !== trouble.message)
      this.#failures.push({ ...broken, ...found })
  }

  #isOver(): boolean {
    const { failures, states } = this.#setting.bounds
    return this.#failures.length >= failures || this.#seen.size > states
  }
}
