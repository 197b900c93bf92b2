/**
 * explore(): every state that a model can reach, by depth-first search.
 *
 * A step of the search is a step of the world: it changes the cells in place, and is undone when everything behind it has
 * been seen. A state that was met before is not entered again, since equal cells have equal futures (world.ts).
 *
 * What is explored is sequential consistency: an order of instructions that all threads agree on. Instructions other than
 * the plain ones have that order in JavaScript too, and a program without data races behaves as if all had (SC-DRF;
 * Watt et al., "Repairing and mechanising the JavaScript relaxed memory model", PLDI 2020). Whether plain accesses race is
 * found by looking at states: if some execution has a data race, then some sequentially consistent one comes to a state in
 * which two threads are about to touch the word (Boehm and Adve, "Foundations of the C++ concurrency memory model", PLDI
 * 2008), and all those states are visited. No vector clocks are needed, which would tell equal states apart.
 *
 * See: Yang et al., "Inspect"; Musuvathi and Qadeer, "Iterative context bounding", PLDI 2007 (preemptions).
 */

import { judge, type Trouble } from './judge.ts'
import type { Model } from './model.ts'
import type { Failure, Report } from './report.ts'
import { Seen } from './seen.ts'
import { settingOf, type Setting } from './setting.ts'
import { traceOf } from './trace.ts'
import { scheduleOf, type Transition } from './transition.ts'
import { World } from './world.ts'

/** Explores every interleaving of the model within its bounds. The report has no failures if all of them are right. */
export function explore(model: Model): Report {
  return new Search(settingOf(model)).run()
}

/** A state on the way from the first to the present one. */
interface Frame {
  readonly state: number
  /** Undoes the step that led here. */
  readonly mark: number
  readonly steps: Transition[]
  next: number
  endings: number
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
    const { cells } = this.#world
    this.#enter(this.#seen.add(cells.low, cells.high), cells.mark())
    while (this.#frames.length > 0 && !this.#isOver()) {
      const frame = this.#frames[this.#frames.length - 1]
      if (frame.next < frame.steps.length) this.#take(frame, frame.steps[frame.next++])
      else this.#leave(frame)
    }
    return {
      name: this.#setting.model.name,
      bound:
        this.#setting.bounds.preemptions === Infinity
          ? 'full'
          : `${this.#setting.bounds.preemptions} preemptions`,
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

  #take(from: Frame, step: Transition): void {
    const { cells } = this.#world
    const mark = cells.mark()
    this.#transitions++
    this.#path.push(step)
    this.#world.step(step)
    if (this.#world.trouble !== undefined) {
      this.#fail(this.#world.trouble)
    } else {
      const known = this.#seen.size
      const state = this.#seen.add(cells.low, cells.high)
      if (state === known) {
        this.#enter(state, mark)
        return
      }
      from.endings += this.#seen.endings(state)
    }
    this.#path.pop()
    cells.rewind(mark)
  }

  /** Looks at a state for the first time. */
  #enter(state: number, mark: number): void {
    const steps: Transition[] = []
    const progress = this.#world.possible(steps)
    const trouble = judge(this.#world, progress)
    if (trouble !== undefined) {
      this.#fail(trouble)
      steps.length = 0
    }
    const isEnding = progress === 0
    if (isEnding) this.#endings++
    this.#frames.push({ state, mark, steps, next: 0, endings: isEnding ? 1 : 0 })
    this.#depth = Math.max(this.#depth, this.#path.length)
    const { states } = this.#setting.bounds
    if (this.#seen.size > states) {
      this.#fail({ kind: 'unfinished', message: `more than ${states} states: not everything was explored` })
    }
  }

  #leave({ state, mark, endings }: Frame): void {
    this.#frames.pop()
    this.#path.pop()
    this.#world.cells.rewind(mark)
    this.#seen.setEndings(state, endings)
    const before = this.#frames.at(-1)
    if (before === undefined) this.#interleavings = endings
    else before.endings += endings
  }

  #fail(trouble: Trouble): void {
    const trace = traceOf(this.#setting, this.#path)
    this.#failures.push({ ...trouble, trace, schedule: scheduleOf(this.#path) })
  }

  #isOver(): boolean {
    return (
      this.#failures.length >= this.#setting.bounds.failures || this.#seen.size > this.#setting.bounds.states
    )
  }
}
