/**
 * A wait is announced: from then on those who look for a circle see it. Announcing and looking are one step under the
 * graph's lock, so of those who close a circle one is last, and finds it.
 */

import { now } from '../../host/clock.ts'
import type { Attachment } from '../../memory/attachment.ts'
import { describeCircle, searchLocked } from './deadlock.ts'
import { withGraph } from './graph.ts'
import { BLOCKED, UNUSED, type Ledger, type Line } from './ledger.ts'

const SELF = 'this thread'

/** How often to look again, each time a millisecond later, where it was not clear who waits. */
const MOST_LOOKS = 10

/** What a look answers where it is not clear who waits: no circle, so far. */
const UNDECIDED = ''

export interface Announced {
  /** The line in the ledger; 0 if there is no room. */
  readonly entry: number
  /** What the wait would close: then the line is gone again. */
  readonly circle?: string
}

/** `report`: called with the circle, as others would tell it, and the graph's lock held. */
export function announce(
  attachment: Attachment,
  ledger: Ledger,
  what: number,
  line: Line,
  report: (circle: string) => void,
): Announced {
  const entry = ledger.add(UNUSED, line)
  if (entry === 0) return { entry }
  const look = () =>
    withGraph(attachment, () => {
      ledger.change(entry, what)
      if (!line.isEndless) return undefined
      const { circle, isUndecided } = searchLocked(attachment, entry)
      if (circle === undefined) return isUndecided ? UNDECIDED : undefined
      const told = describeCircle(attachment, circle, SELF)
      report(describeCircle(attachment, circle, attachment.threadName(attachment.thread.tid)))
      ledger.remove(entry)
      return told
    })
  let found = look()
  for (let again = 0; found === UNDECIDED && what === BLOCKED && again < MOST_LOOKS; again++) {
    attachment.sleepUntil(now() + 1)
    found = look()
  }
  return found === undefined || found === UNDECIDED ? { entry } : { entry, circle: found }
}
