/**
 * Positions: where a task can stand, each found once.
 *
 * A position is an operation and the results it has got so far. All positions of a task form a tree: the root of each
 * operation, and below each position one child for every result that its request ever had. What a task asks for at a
 * position never changes, so the operation is run once for each position and not once for each state.
 *
 *   operation 0    load(3)  ── 0 ──  compareExchange(3, 0, 1)  ── 0 ──  end  ── root of operation 1
 *                           └─ 1 ──  sleep(3, 1)               └─ 1 ──  load(3) ...
 *
 * Invariants
 *  1. Each transition moves some task down its tree, or to its next operation, or ends a thread. Hence the graph of states
 *     has no cycles: code that never ends shows as a search without end, and every state has a number of endings.
 *  2. Numbers follow the order of the search, which is deterministic.
 */

import { instructions, type Access, type Instruction, type InstructionName } from './instructions.ts'
import type { GatedOperation } from './model.ts'
import { ReplayedThread } from './model-thread.ts'
import { Replay, request, type Request, type Verb } from './replay.ts'
import type { Setting } from './setting.ts'

/** The operations of one task, or of the reaper for one dead thread. */
export interface Program {
  readonly thread: number
  readonly operations: readonly GatedOperation[]
  /** Whether other tasks run on its thread. */
  readonly hasSiblings: boolean
  readonly roots: Position[]
}

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
  /** Whether it goes on only when word `a` differs from `b`. */
  readonly awaitsChange: boolean
  readonly touchesNote: boolean
  readonly touches: readonly Access[]
  readonly children = new Map<number, Position>()

  constructor(
    id: number,
    program: Program,
    operation: number,
    parent: Position | undefined,
    result: number,
    request: Request,
    isNote: (at: number) => boolean,
  ) {
    this.id = id
    this.program = program
    this.operation = operation
    this.parent = parent
    this.result = result
    this.steps = parent === undefined ? 0 : parent.steps + (isShared(parent.verb) ? 1 : 0)
    this.request = request
    this.verb = request.verb
    const { name, a, b, c } = request
    this.instruction = this.verb === 'cpu' ? instructions[name as InstructionName] : undefined
    this.awaitsChange = name === 'awaitChange' || name === 'spinWhileEqual'
    this.touchesNote = (name === 'plainLoad' || name === 'plainStore') && isNote(a)
    const looksAt =
      this.verb === 'sleep' || this.verb === 'awaitChange' ? instructions.load : this.instruction
    this.touches = looksAt?.touches(a, b, c) ?? []
  }
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
  root(program: Program, operation: number): Position {
    return (program.roots[operation] ??= this.#add(program, operation, undefined, 0))
  }

  /** Where a task stands when the request at `position` has returned `result`. */
  after(position: Position, result: number): Position {
    let child = position.children.get(result)
    if (child === undefined) {
      child = this.#add(position.program, position.operation, position, result)
      position.children.set(result, child)
    }
    return child
  }

  #add(program: Program, operation: number, parent: Position | undefined, result: number): Position {
    const wanted = this.#requestAt(program, operation, parent, result)
    const added = new Position(
      this.#all.length,
      program,
      operation,
      parent,
      result,
      wanted,
      this.#setting.isNote,
    )
    this.#all.push(added)
    return added
  }

  #requestAt(program: Program, operation: number, parent: Position | undefined, result: number): Request {
    if (operation === program.operations.length) return request('end')
    const { run, when } = program.operations[operation]
    if (parent === undefined && (program.hasSiblings || when !== undefined)) return request('start')

    const asked: Request[] = []
    const results: number[] = []
    for (let at = parent, returned = result; at !== undefined; returned = at.result, at = at.parent) {
      if (at.verb === 'start') break
      asked.unshift(at.request)
      results.unshift(returned)
    }
    const replay = new Replay(asked, results)
    const thread = new ReplayedThread(this.#setting, program.thread, replay)
    return replay.run(run, thread)
  }
}

function isShared(verb: Verb): boolean {
  return verb === 'cpu' || verb === 'sleep' || verb === 'ring' || verb === 'awaitChange'
}
