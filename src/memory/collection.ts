/**
 * Collection: has V8 give back memories that this thread has let go of. V8 does not count shared memory: it would keep
 * gigabytes until the thread ends.
 *
 *   at the next turn   V8 is made to begin, or to go on: where many are dropped in a row, few are there at a time
 *   a moment later     it collects all at once. What it had begun may have begun too early, with the memory still in use
 *   collectNow()       the same, in a thread whose event loop may not turn again: V8 would begin there, and never end
 */

import { collectDropped } from '../host/buffer.ts'
import { GiB } from '../words/constants.ts'

/** As long as this, one collection is for all. */
const MOMENT_MS = 250

/** More than half of V8's largest heap: so much it does not collect in steps (Heap::ReportExternalMemoryPressure). */
const ALL_AT_ONCE = 4 * GiB

let timer: NodeJS.Timeout | undefined

/** Later, for who has just dropped so much may still have it on the stack. Keeps no thread alive. */
export function collectSoon(lengthBytes: number): void {
  timer ??= setTimeout(collectNow, MOMENT_MS).unref()
  setTimeout(() => {
    if (timer !== undefined) collectDropped(lengthBytes)
  }).unref()
}

/** What was to be collected soon is, now. */
export function collectNow(): void {
  if (timer === undefined) return
  clearTimeout(timer)
  timer = undefined
  collectDropped(ALL_AT_ONCE)
}
