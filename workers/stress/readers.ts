/**
 * The drill of reader-writer locks: many readers or one writer.
 *
 *   arena   word 0    float64 1   float64 2
 *         ┌────────┬───────────┬────────────┐
 *         │ writer │ first     │ second     │      a writer adds one to each; in between they differ, and no reader may see it
 *         └────────┴───────────┴────────────┘
 */

import { INSIDE, LEAVING, OUTSIDE, WAITING, WRITING, type Board } from './board.ts'
import { DONE, type Drill, type Setting, type Step } from './drill.ts'
import { work } from './work.ts'

const WRITER = 0
const FIRST = 1
const SECOND = 2

/** Its histograms. */
const READS = 0
const WRITES = 1

/** What a reader-writer lock does. */
export interface ReadersOrWriter {
  readonly read: { lock(): { readonly ownerDied: boolean }; unlock(): void }
  readonly write: { lock(): { readonly ownerDied: boolean }; unlock(): void }
  markConsistent(): void
}

export class Readers implements Drill {
  readonly #setting: Setting
  readonly #lock: ReadersOrWriter
  readonly #readLimit: number
  #random: number

  constructor(setting: Setting, lock: ReadersOrWriter) {
    this.#setting = setting
    this.#lock = lock
    this.#readLimit = setting.readRatio * 2 ** 32
    this.#random = (setting.place.number * 0x9e3779b1) | 0
  }

  step(): Step {
    this.#random = (Math.imul(this.#random, 1664525) + 1013904223) | 0
    if (this.#random >>> 0 < this.#readLimit) this.#read()
    else this.#write()
    return DONE
  }

  #read(): void {
    const { board, place, pace, holdTurns, kills } = this.#setting
    place.state = WAITING
    const began = pace.begin()
    const held = this.#lock.read.lock()
    pace.end(began, READS)
    place.state = INSIDE
    if (kills && held.ownerDied) {
      this.#lock.read.unlock()
      this.#write() // which puts it right
      return
    }
    const first = board.arenaFloat(FIRST)
    const writer = board.arena(WRITER)
    if (writer !== 0) this.#setting.violation(`reads while worker ${writer} writes`)
    if (holdTurns !== 0) work(holdTurns)
    const second = board.arenaFloat(SECOND)
    if (first !== second)
      this.#setting.violation(`read ${first}, and then ${second} where that should be the same`)
    place.state = LEAVING
    this.#lock.read.unlock()
    place.state = OUTSIDE
  }

  #write(): void {
    const { board, place, pace, holdTurns, kills } = this.#setting
    place.state = WAITING
    const began = pace.begin()
    const held = this.#lock.write.lock()
    pace.end(began, WRITES)
    // Still waiting, by its note: if it dies before it has said that it was told, the next writer is told of both at once.
    if (kills && held.ownerDied) this.#repair()
    place.state = WRITING
    const writer = board.arena(WRITER)
    if (writer !== 0) this.#setting.violation(`writes while worker ${writer} does`)
    board.setArena(WRITER, place.number)
    const first = board.arenaFloat(FIRST) + 1
    board.setArenaFloat(FIRST, first)
    if (holdTurns !== 0) work(holdTurns)
    const second = board.arenaFloat(SECOND) + 1
    if (first !== second)
      this.#setting.violation(`wrote ${first}, and then ${second} where that should be the same`)
    board.setArenaFloat(SECOND, second)
    board.setArena(WRITER, 0)
    place.state = LEAVING
    this.#lock.write.unlock()
    place.writes++
    place.state = OUTSIDE
  }

  #repair(): void {
    const { board, notice } = this.#setting
    const first = board.arenaFloat(FIRST)
    const wasTorn = board.arena(WRITER) !== 0 || first !== board.arenaFloat(SECOND)
    board.setArenaFloat(SECOND, first)
    board.setArena(WRITER, 0)
    notice(wasTorn)
    this.#lock.markConsistent()
  }
}

export function writesOf(board: Board): { writes: number; isAtRest: boolean } {
  const writes = board.arenaFloat(FIRST)
  return { writes, isAtRest: board.arena(WRITER) === 0 && writes === board.arenaFloat(SECOND) }
}
