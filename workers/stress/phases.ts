/**
 * The drill of barriers: nobody begins a phase before all have ended the one before, and one of each phase is the serial one.
 *
 *   arena   word 0     float64 1
 *         ┌──────────┬───────────────────┐
 *         │ last     │ serial arrivals   │       place.next: the phase that its worker is about to end, from 1 on
 *         └──────────┴───────────────────┘
 *
 * Who stops while others wait would leave them there: so the first worker says which phase is the last, before it arrives for
 * it, and everybody looks behind the barrier.
 */

import { INSIDE, OUTSIDE, PAUSE, PAUSED, STOP, WAITING, type Board } from './board.ts'
import { DONE, NOTHING, THROUGH, type Drill, type Setting, type Step } from './drill.ts'
import { work } from './work.ts'

const LAST = 0
const SERIALS = 1

/** What a barrier does. */
export interface Meeting {
  arrive(): boolean
  readonly broken: boolean
}

export class Phases implements Drill {
  readonly stopsItself = true
  readonly #setting: Setting
  readonly #barrier: Meeting

  constructor(setting: Setting, barrier: Meeting) {
    this.#setting = setting
    this.#barrier = barrier
  }

  step(): Step {
    const { board, place, pace, holdTurns } = this.#setting
    const phase = place.next + 1
    if (place.index === 0 && board.phase === STOP) board.setArena(LAST, phase | 0)
    place.next = phase
    place.state = WAITING
    const began = pace.begin()
    const isSerial = this.#arrive()
    if (isSerial === undefined) return this.#awaitRepair()
    pace.end(began)
    place.state = INSIDE
    this.#check(phase)
    // Nobody else writes it before all have come to the next phase.
    if (isSerial) board.setArenaFloat(SERIALS, board.arenaFloat(SERIALS) + 1)
    if (holdTurns !== 0) work(holdTurns)
    place.state = OUTSIDE
    if (board.arena(LAST) === (phase | 0)) {
      place.operations++
      return THROUGH
    }
    return DONE
  }

  /** Undefined: a worker died, and the barrier is broken. */
  #arrive(): boolean | undefined {
    try {
      return this.#barrier.arrive()
    } catch (error) {
      if (!this.#setting.kills || (error as { code?: unknown }).code !== 'EOWNERDEAD') throw error
      return undefined
    }
  }

  /** The main thread puts everybody in the same phase, and mends the barrier, as soon as all have come here. */
  #awaitRepair(): Step {
    const { board, place, attachment } = this.#setting
    place.state = PAUSED
    for (let phase = board.phase; phase !== STOP; phase = board.phase) {
      if (phase >= PAUSE) place.pausedIn = phase
      else if (place.pausedIn >= PAUSE && !this.#barrier.broken) break
      attachment.thread.awaitChange(board.phaseAt, phase)
    }
    return NOTHING
  }

  #check(phase: number): void {
    for (const other of this.#setting.board.places) {
      const theirs = other.next
      if (theirs === phase || theirs === phase + 1) continue
      this.#setting.violation(
        `was let through at the end of phase ${phase} with worker ${other.number} in phase ${theirs}`,
      )
      return
    }
  }
}

export function serialsOf(board: Board): number {
  return board.arenaFloat(SERIALS)
}
