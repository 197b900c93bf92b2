/**
 * Positions: where a task can stand, each found once.
 *
 * A position is an operation and the results it has got so far. All positions of a task form a tree: a root for each
 * operation, and below each position one child for every result that its request ever had. What a task asks for at a
 * position never changes, so the operation is run once for each position and not once for each state; and as each run
 * goes on until somebody might come in between, not even that often (rerun.ts).
 *
 *   operation 0    load(3) ──┬─ 0 ──  compareExchange(3, 0, 1) ──┬─ 0 ──  end  ──  root of operation 1
 *                            └─ 1 ──  sleep(3, 1) ── ...         └─ 1 ──  load(3) ── ...
 *
 * Invariants
 *  1. Each step moves some task down its tree or to its next operation, or ends a thread. So the graph of states has no
 *     cycles: code that never ends shows as a tree without end, and each state has a number of ways to end.
 *  2. Positions are numbered in the order of the search, which is deterministic.
 */

import type { Cells } from './cells.ts'
import { Guesser } from './guess.ts'
import { instructions, type Access, type Instruction, type InstructionName } from './instructions.ts'
import type { GatedOperation } from './model.ts'
import { ThreadDouble } from './model-thread.ts'
import { isSame, Rerun, request, TIMED_OUT, whatChanged, type Request, type Verb } from './rerun.ts'
import type { Setting } from './setting.ts'
import { turnBefore, type Turn } from './turns.ts'

/** The operations of one task, or of the reaper for one dead thread. */
export interface Program {
  readonly thread: number
  readonly operations: readonly GatedOperation[]
  /** Whether other tasks run on its thread. */
  readonly hasSiblings: boolean
  readonly roots: Map<string, Position>
}

const NOTHING: readonly Access[] = []
/** A loop that turns so often turns for ever. */
const MOST_TURNED = 1000
const OVER: ReadonlySet<Verb> = new Set(['end', 'failed', 'threw', 'endless'])

export class Position {
  readonly id: number
  readonly program: Program
  /** Index of the operation; the number of operations when all have ended. */
  readonly operation: number
  readonly parent: Position | undefined
  /** What the parent's request returned. */
  readonly result: number
  /** Shared instructions of the operation that have been executed. */
  readonly steps: number
  readonly request: Request
  readonly verb: Verb
  readonly instruction: Instruction | undefined
  /** Whether there is nothing more to do: the end of all operations, or what went wrong. */
  readonly isOver: boolean
  /** Whether executing it changes no word, whatever the words are. */
  readonly isReading: boolean
  /** Whether it goes on only when word `a` differs from `b`. */
  readonly awaitsChange: boolean
  /** A turn of a loop that has seen the same twice already: it goes on only when one of those words is another. */
  readonly turn: Turn | undefined
  /** Whether it commutes with all that other threads can do before this one goes on (steps.ts). */
  readonly commutes: boolean
  /** What it is about to access, if that has an order. */
  readonly ordered: readonly Access[]
  /** What it is about to access plainly, or has accessed since its last ordered instruction; with raceCheck only. */
  readonly unordered: readonly Access[]
  /** By result. Most have one: no map is made for that. */
  #firstResult = 0
  #first: Position | undefined = undefined
  #others: Map<number, Position> | undefined = undefined

  constructor(at: Place, id: number, request: Request, turn: Turn | undefined, setting: Setting) {
    const { verb, name, a, b, c } = request
    this.id = id
    this.program = at.program
    this.operation = at.operation
    this.parent = at.parent
    this.result = at.result
    this.steps = at.parent === undefined ? 0 : at.parent.steps + (isShared(at.parent.verb) ? 1 : 0)
    this.request = request
    this.verb = verb
    this.instruction = verb === 'cpu' ? instructions[name as InstructionName] : undefined
    this.turn = turn
    this.awaitsChange = name === 'awaitChange' || name === 'spinWhileEqual'
    this.isOver = OVER.has(verb)
    const isPlain = this.instruction?.isPlain === true
    const waits = verb === 'sleep' || verb === 'awaitChange'
    const looks = waits ? instructions.load : this.instruction
    const touches = looks?.touches(a, b, c) ?? NOTHING
    this.isReading = waits || (looks !== undefined && !touches.some(({ writes }) => writes))
    this.commutes = isPlain && touches.every((access) => isExclusive(access, setting))
    this.ordered = isPlain || !setting.raceCheck ? NOTHING : touches
    this.unordered = setting.raceCheck ? union(at.inFlight, isPlain ? touches : NOTHING) : NOTHING
  }

  child(result: number): Position | undefined {
    if (this.#firstResult === result) return this.#first
    return this.#others?.get(result)
  }

  adopt(result: number, child: Position): void {
    if (this.#first === undefined) {
      this.#first = child
      this.#firstResult = result
    } else {
      this.#others ??= new Map()
      this.#others.set(result, child)
    }
  }

  /** What it has accessed plainly since its last ordered instruction, once it has got what it asks for. */
  get inFlight(): readonly Access[] {
    return isShared(this.verb) && this.instruction?.isPlain !== true ? [] : this.unordered
  }

  /** True behind the last operation. */
  get isLast(): boolean {
    return this.operation === this.program.operations.length
  }
}

/** A position before it is known what the task asks for there. */
interface Place {
  readonly program: Program
  readonly operation: number
  readonly parent: Position | undefined
  readonly result: number
  readonly inFlight: readonly Access[]
}

export class Positions {
  readonly #setting: Setting
  readonly #all: Position[] = []
  #guesser: Guesser | undefined = undefined

  constructor(setting: Setting) {
    this.#setting = setting
  }

  /** From now on, what an operation will ask for next is guessed from these. */
  guessFrom(cells: Cells): void {
    this.#guesser = new Guesser(cells)
  }

  at(id: number): Position {
    return this.#all[id]
  }

  /** Where an operation begins; behind the last one, an 'end' that stays. */
  root(program: Program, operation: number, inFlight: readonly Access[] = []): Position {
    const key = `${operation}: ${inFlight.map(show).sort().join(' ')}`
    let root = program.roots.get(key)
    if (root === undefined) {
      root = this.#add({ program, operation, parent: undefined, result: 0, inFlight })
      program.roots.set(key, root)
    }
    return root
  }

  /** Where a task stands when the request at `parent` has returned `result`. */
  after(parent: Position, result: number): Position {
    const known = parent.child(result)
    if (known !== undefined) return known
    const { program, operation, inFlight } = parent
    const child = this.#add({ program, operation, parent, result, inFlight })
    parent.adopt(result, child)
    return child
  }

  /** Where the operation begins that follows the one which ends here. If other tasks come first, nothing is in flight. */
  next(end: Position): Position {
    const known = end.child(0)
    if (known !== undefined) return known
    const { program, operation, inFlight } = end
    const root = this.root(program, operation + 1, program.hasSiblings ? [] : inFlight)
    end.adopt(0, root)
    return root
  }

  #add(at: Place): Position {
    const { program, operation } = at
    if (operation === program.operations.length) return this.#enter(at, request('end'))
    const isGated = program.hasSiblings || program.operations[operation].when !== undefined
    if (at.parent === undefined && isGated) {
      return this.#enter(at, request('start'))
    }
    const { before, results } = historyOf(at)
    const rerun = new Rerun(before, results, (wanted) => this.#guesser?.guess(wanted))
    const last = this.#run(at, rerun)
    if (before.length === 0) {
      // Each operation runs twice from its start, so that one which depends on something else is found out.
      const again = this.#run(at, new Rerun(rerun.guessed, rerun.guesses, () => undefined))
      const change = whatChanged(last, again)
      if (change !== undefined) return this.#enter(at, change)
    }

    const first = this.#enter(at, rerun.guessed[0] ?? last)
    let parent = first
    for (let i = 0; i < rerun.guesses.length && !parent.isOver && parent.turn === undefined; i++) {
      const result = rerun.guesses[i]
      const next = { program, operation, parent, result, inFlight: parent.inFlight }
      const child = this.#enter(next, rerun.guessed[i + 1] ?? last)
      parent.adopt(result, child)
      parent = child
    }
    return first
  }

  #run({ program, operation }: Place, rerun: Rerun): Request {
    const { thread, operations } = program
    this.#guesser?.begin(this.#setting.bounds.steps)
    const last = rerun.run(operations[operation].run, new ThreadDouble(this.#setting, thread, rerun))
    this.#guesser?.end()
    return last
  }

  #enter(at: Place, asked: Request): Position {
    const most = this.#setting.bounds.steps
    const isEndless = (at.parent?.steps ?? 0) + 1 >= most && at.operation < at.program.operations.length
    const wanted = isEndless ? request('endless', this.#endlessText(at)) : asked
    const turn = this.#setting.model.spinLoops === true ? this.#turnAt(at, wanted) : undefined
    const entered = new Position(at, this.#all.length, wanted, turn, this.#setting)
    this.#all.push(entered)
    return entered
  }

  #endlessText({ parent }: Place): string {
    const { steps, timeouts } = this.#setting.bounds
    const what = `an operation takes more than ${steps} steps: `
    if (timeouts === Infinity && hasTimedOut(parent))
      return `${what}its time-outs may come for ever; bounds: { timeouts: N } in the model limits them`
    return `${what}does it wait in a loop, other than by sleep() or awaitChange()?`
  }

  /** The turn that begins again here, if nothing but another word can end it. */
  #turnAt(at: Place, asked: Request): Turn | undefined {
    const turn = turnBefore(at.parent, at.result, asked)
    return turn !== undefined && this.#neverLeaves(at, turn) ? turn : undefined
  }

  /** Whether the operation asks for the same for ever if it sees the same: one that counts, or is at its end, does not. */
  #neverLeaves(at: Place, turn: Turn): boolean {
    const most = Math.min(this.#setting.bounds.steps, MOST_TURNED)
    let asked = 0
    const { before, results } = historyOf(at)
    const rerun = new Rerun(before, results, (wanted) => {
      const { request, saw } = turn[asked % turn.length]
      return asked < most && isSame(wanted, request) && ++asked > 0 ? saw : undefined
    })
    const { thread, operations } = at.program
    rerun.run(operations[at.operation].run, new ThreadDouble(this.#setting, thread, rerun))
    return asked === most
  }
}

/** What the operation has asked for so far, and what it got. */
function historyOf(at: Place): { before: Request[]; results: number[] } {
  const before: Request[] = []
  const results: number[] = []
  let result = at.result
  for (let asked = at.parent; asked !== undefined && asked.verb !== 'start'; asked = asked.parent) {
    before.push(asked.request)
    results.push(result)
    result = asked.result
  }
  return { before: before.reverse(), results: results.reverse() }
}

/** Whether somebody else can tell that it happened. */
function isShared(verb: Verb): boolean {
  return verb === 'cpu' || verb === 'sleep' || verb === 'ring' || verb === 'awaitChange'
}

function isExclusive({ first, end }: Access, { raceCheck, isRacy, isNote }: Setting): boolean {
  for (let at = first; at < end; at++) if (raceCheck ? isRacy(at) : !isNote(at)) return false
  return true
}

function union(left: readonly Access[], right: readonly Access[]): readonly Access[] {
  const added = right.filter((access) => !left.some((each) => show(each) === show(access)))
  return added.length === 0 ? left : [...left, ...added]
}

function show({ first, end, writes }: Access): string {
  return `${writes ? 'w' : 'r'}${first}-${end}`
}

function hasTimedOut(last: Position | undefined): boolean {
  for (let at = last; at?.parent !== undefined; at = at.parent)
    if (at.parent.verb === 'sleep' && at.result === TIMED_OUT) return true
  return false
}
