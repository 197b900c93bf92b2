/** ThreadWatch: what one thread notes about all the locks of one memory: which it holds, and which of its tasks do. */

import { TaskValue } from '../../host/tasks.ts'
import type { Attachment } from '../../memory/attachment.ts'
import { countersOf } from '../../threads/counters.ts'
import { Ledger } from './ledger.ts'
import type { HeldBefore } from './order.ts'

/** A lock that this thread holds. */
export interface Hold extends HeldBefore {
  readonly entry: number
  readonly isAsync: boolean
  readonly isReading: boolean
  since: number
  /** The section whose code took it, or what that started. */
  readonly section: Hold | undefined
  /** How often beyond once, by this thread. */
  depth: number
  isOver: boolean
  /** Its lock has not been destroyed. */
  readonly isLive: () => boolean
}

export class ThreadWatch {
  /** Its part of the ledger. */
  readonly ledger: Ledger
  /** The thread's counters (threads/counters.ts). */
  readonly counters: Float64Array
  readonly holds = new Set<Hold>()
  /** The section that this code is a part of, or was started by. */
  readonly section = new TaskValue<Hold>()

  constructor(attachment: Attachment) {
    this.ledger = new Ledger(attachment)
    this.counters = countersOf(attachment.buffer, attachment.thread.at)
  }

  /** What the code that asks holds: the thread's own holds, and the sections that it is a part of. */
  held(isAsync: boolean): Hold[] {
    const found: Hold[] = []
    for (const hold of this.holds) {
      if (!hold.isLive()) this.forget(hold)
      else if (!isAsync && !hold.isAsync) found.push(hold)
    }
    for (let hold = this.section.get(); hold !== undefined; hold = hold.section) {
      if (!hold.isOver && !found.includes(hold)) found.push(hold)
    }
    return found
  }

  /** It is given back, or its lock is no more. */
  forget(hold: Hold): void {
    this.holds.delete(hold)
    hold.isOver = true
    this.ledger.remove(hold.entry)
  }

  /** The innermost section that is not over. */
  get innermost(): Hold | undefined {
    let hold = this.section.get()
    while (hold?.isOver === true) hold = hold.section
    return hold
  }
}

const threads = new WeakMap<Attachment, ThreadWatch>()

export function threadWatchOf(attachment: Attachment): ThreadWatch {
  let watch = threads.get(attachment)
  if (watch === undefined) threads.set(attachment, (watch = new ThreadWatch(attachment)))
  return watch
}
