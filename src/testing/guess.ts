/**
 * Guesser: what an operation would get if it went on now and nobody came in between (rerun.ts).
 *
 * It executes the instructions on the cells of the present state, and takes them back. A wrong guess costs a position that
 * nobody ever stands at, and nothing else: what is true of a position follows from the results that lead to it.
 */

import type { Cells } from './cells.ts'
import { instructions, type InstructionName } from './instructions.ts'
import { DIFFERED, isSame, RUNG, tellsApart, type Request } from './rerun.ts'

/** Whoever asks for the same again and again is in a loop that waits for others: no use to guess how long. */
const MOST_TURNS = 4

export class Guesser {
  readonly #cells: Cells
  #mark = 0
  #left = 0
  #last: Request | undefined = undefined
  #turns = 0

  constructor(cells: Cells) {
    this.#cells = cells
  }

  /** Before an operation runs, of which at most so many results are to be guessed. */
  begin(most: number): void {
    this.#mark = this.#cells.mark()
    this.#left = most
    this.#last = undefined
    this.#turns = 0
  }

  /** After it. */
  end(): void {
    this.#cells.rewind(this.#mark)
  }

  /** Executes what is asked for, if that could return now; ghosts and choices are left to the search. */
  guess(wanted: Request): number | undefined {
    if (this.#left-- === 0) return undefined
    const { verb, name, a, b, c } = wanted
    const isEqual = this.#cells.values[a] === b
    switch (verb) {
      case 'cpu':
        if (this.#isLoop(wanted) || (name === 'spinWhileEqual' && isEqual)) return undefined
        return instructions[name as InstructionName].execute(this.#cells, a, b, c)
      case 'ring':
        return c === 1 ? undefined : 0
      case 'awaitChange':
        return isEqual ? undefined : 0
      case 'sleep':
        if (isEqual) return undefined
        return tellsApart(c) ? DIFFERED : RUNG
      default:
        return undefined
    }
  }

  #isLoop(wanted: Request): boolean {
    this.#turns = this.#last !== undefined && isSame(this.#last, wanted) ? this.#turns + 1 : 0
    this.#last = wanted
    return this.#turns > MOST_TURNS
  }
}
