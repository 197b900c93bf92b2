/**
 * Turns of a loop that spins: which one a task is in, and what would end it (Model.spinLoops).
 *
 *   load(2) = 0   load(1) = 1   load(2) = 0   load(1) = 1   load(2) = 0   load(1) ?
 *                 └──────── turn ─────────┘   └──────── again ────────┘   waits until word 1 is not 1, or word 2 not 0
 *
 * A turn is the last few requests, if each of them changed nothing, if those before it asked for the same and saw the
 * same, and if now it begins anew. The second time it led back to where the first one ended. So it will the third time,
 * while its words are what it saw; and what else can happen on its way was explored the second time, when the thread could
 * stop anywhere. To wait adds to that what the others do, and leaves none out. Once a word differs the thread goes on, one
 * request at a time, and waits again in the middle if the word is then as it was.
 *
 * Where a loop begins cannot be seen. A loop may compare a turn with the one before, so two turns that are counted from
 * the middle prove less: the row of requests must be so long that two whole turns lie in it, wherever they begin.
 *
 * Invariants
 *  1. A turn follows from the requests and results before it, so from the position (state.ts, 1).
 *  2. Each instruction of a turn returned the word that it looked at, so what it saw can be compared with the word.
 *  3. One that waits asks for an instruction with order: plain ones are executed as soon as they can be (steps.ts). A loop
 *     of plain loads alone does not wait; a compiler may read once and never end.
 */

import { instructions, type InstructionName } from './instructions.ts'
import { isSame, type Request } from './rerun.ts'

/** One instruction of a turn: what it asked for, and the word that it got. */
export interface Look {
  readonly request: Request
  readonly saw: number
}

export type Turn = readonly Look[]

/** What came before, the last first. */
export interface Past {
  readonly parent: Past | undefined
  /** What the parent's request returned. */
  readonly result: number
  readonly request: Request
}

/** Longer ones are not looked for. A seqlock with five words has seven. */
const MOST_LOOKS = 8

/** Whether an instruction that saw this word has left it as it was. */
const leavesWord: Partial<Record<InstructionName, (saw: number, operand: number) => boolean>> = {
  load: () => true,
  plainLoad: () => true,
  compareExchange: (saw, expected) => saw !== expected,
  exchange: (saw, value) => saw === value,
  and: (saw, mask) => (saw & mask) === saw,
  or: (saw, mask) => (saw | mask) === saw,
  add: (_saw, value) => value === 0,
  sub: (_saw, value) => value === 0,
  xor: (_saw, mask) => mask === 0,
}

/** The turn that was taken twice when the parent's request had returned `result`, and that `asked` begins again. */
export function turnBefore(parent: Past | undefined, result: number, asked: Request): Turn | undefined {
  if (asked.verb !== 'cpu' || instructions[asked.name as InstructionName].isPlain) return undefined
  const looks = looksBefore(parent, result)
  for (let length = 1; rowOf(length) <= looks.length; length++) {
    if (isSame(asked, looks[length - 1].request) && isRepeated(looks, length))
      return looks.slice(0, length).reverse()
  }
  return undefined
}

/** Instructions that changed nothing, the last first, back to one that did. */
function looksBefore(parent: Past | undefined, result: number): Look[] {
  const looks: Look[] = []
  let saw = result
  for (let at = parent; at !== undefined && looks.length < rowOf(MOST_LOOKS); at = at.parent) {
    const { request } = at
    const leaves = request.verb === 'cpu' ? leavesWord[request.name as InstructionName] : undefined
    if (leaves?.(saw, request.b) !== true) break
    looks.push({ request, saw })
    saw = at.result
  }
  return looks
}

/** So many requests hold two whole turns of that length, wherever a turn begins. */
function rowOf(length: number): number {
  return 3 * length - 1
}

function isRepeated(looks: readonly Look[], length: number): boolean {
  for (let i = 0; i + length < rowOf(length); i++) {
    const [one, other] = [looks[i], looks[i + length]]
    if (one.saw !== other.saw || !isSame(one.request, other.request)) return false
  }
  return true
}
