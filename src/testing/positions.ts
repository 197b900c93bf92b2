/**
 * Positions: where a task can stand, each found once.
 *
 * A position is an operation and the results it has got so far. All positions of a task form a tree: a root for each
 * operation, and below each position one child for every result that its request ever had. What a task asks for at a
 * position never changes, so the operation is run once for each position and not once for each state.
 *
 *   operation 0    load(3) ──┬─ 0 ──  compareExchange(3, 0, 1) ──┬─ 0 ──  end  ──  root of operation 1
 *                            └─ 1 ──  sleep(3, 1) ── ...         └─ 1 ──  load(3) ── ...
 *
 * Invariants
 *  1. Each step moves some task down its tree or to its next operation, or ends a thread. So the graph of states has no
 *     cycles: code that never ends shows as a tree without end, and each state has a number of ways to end.
 *  2. Positions are numbered in the order of the search, which is deterministic.
 */

import { instructions, type Access, type Instruction, type InstructionName } from './instructions.ts'
import type { GatedOperation } from './model.ts'
import { ThreadDouble } from './model-thread.ts'
import { Rerun, request, type Request, type Verb } from './rerun.ts'
import type { Setting } from './setting.ts'

/** The operations of one task, or of the reaper for one dead thread. */
export interface Program {
  readonly thread: number
  readonly operations: readonly GatedOperation[]
  /** Whether other tasks run on its thread. */
  readonly hasSiblings: boolean
  readonly roots: Map<string, Position>
}

const NOTHING: readonly Access[] = []
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

  constructor(at: Place, id: number, request: Request, setting: Setting) {
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

  constructor(setting: Setting) {
    this.#setting = setting
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
    const added = new Position(at, this.#all.length, this.#requestAt(at), this.#setting)
    this.#all.push(added)
    return added
  }

  #requestAt(at: Place): Request {
    const { program, operation, parent } = at
    if (operation === program.operations.length) return request('end')
    const { run, when } = program.operations[operation]
    if (parent === undefined && (program.hasSiblings || when !== undefined)) return request('start')
    const most = this.#setting.bounds.steps
    if ((parent?.steps ?? 0) + 1 >= most)
      return request('endless', `an operation takes more than ${most} steps`)

    const before: Request[] = []
    const results: number[] = []
    let result = at.result
    for (let asked = parent; asked !== undefined && asked.verb !== 'start'; asked = asked.parent) {
      before.push(asked.request)
      results.push(result)
      result = asked.result
    }
    const rerun = new Rerun(before.reverse(), results.reverse())
    return rerun.run(run, new ThreadDouble(this.#setting, program.thread, rerun))
  }
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
