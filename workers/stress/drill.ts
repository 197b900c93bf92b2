/** A drill: what one worker does over and over with a primitive, and how it finds out that the primitive failed. */

import type { defaultAttachment } from 'pageframe/internals'
import type { Board, Place } from './board.ts'
import type { Pace } from './pace.ts'

export const DONE = 1
export const NOTHING = 0
export const THROUGH = -1
export type Step = typeof DONE | typeof NOTHING | typeof THROUGH

export interface Drill {
  /** One operation, if it came to that; or this worker is through. */
  step(): Step
  /** It decides by itself when it is through: all have to stop at the same step. */
  readonly stopsItself?: boolean
  /** After the last step. */
  end?(): void
}

/** What a drill is made of. */
export interface Setting {
  readonly board: Board
  readonly place: Place
  readonly pace: Pace
  readonly workers: number
  /** Turns of work while holding. */
  readonly holdTurns: number
  readonly readRatio: number
  /** Workers are killed: whoever waits must be able to come back. */
  readonly kills: boolean
  readonly attachment: ReturnType<typeof defaultAttachment>
  /** Says what the primitive did that it must not do. */
  readonly violation: (what: string) => void
  /** This worker was told that an owner died; what it left was half done, or not. */
  readonly notice: (wasTorn: boolean) => void
}
