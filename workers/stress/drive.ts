/** Driving: a worker does its drill over and over, until the board says that it is enough. */

import { GONE, OUTSIDE, PAUSED, STOP } from './board.ts'
import { DONE, THROUGH, type Drill, type Setting } from './drill.ts'
import { work } from './work.ts'

export function drive({ board, place, attachment }: Setting, drill: Drill, thinkTurns: number): void {
  const mayStop = drill.stopsItself !== true
  place.state = OUTSIDE
  for (;;) {
    const phase = board.phase
    if (phase >= STOP && mayStop) {
      if (phase === STOP) break
      place.state = PAUSED
      place.pausedIn = phase
      attachment.thread.awaitChange(board.phaseAt, phase)
      continue
    }
    const step = drill.step()
    if (step === THROUGH) break
    if (step === DONE) place.operations++
    if (thinkTurns !== 0) work(thinkTurns)
  }
  drill.end?.()
  place.state = GONE
}
