/**
 * A memory at rest: after each death the soaks bring it there and count it.
 *
 *   1  the others are told to pause: they finish what they are at, or wait for somebody who does not come
 *   2  the dead has been reaped
 *   3  nothing moves any more that they write down
 *   4  check()
 *
 * And the end of everything: when the last of the dead has been reaped, the memory has what it had before, to the page. A
 * thread whose `exit` was heard here may have its slot for some milliseconds yet, and with it a page of records of
 * asynchronous waits: the supervisor hears of it through a port of its own. So wait for emptied() before you compare.
 */

import { SharedMemory } from 'pageframe'
import { isAlone, isReaped } from '../frames/slots.ts'
import { eventually, LIMIT_MS, pause } from '../support.ts'

const LOOK_MS = 4

/** A soak that has seen fewer proves nothing. */
export const LEAST_DEATHS = 10
const MOST_MS_MORE = 20_000

/** True when the time is over and there was enough to see; where the machine is busy it may take that much longer. */
export function isEnough(began: number, seconds: number, deaths: number, notices: number): boolean {
  const moreMs = performance.now() - began - seconds * 1000
  return moreMs > MOST_MS_MORE || (moreMs > 0 && deaths >= LEAST_DEATHS && notices > 0)
}

/**
 * What check() says once thread `dead` has been reaped and the others are at rest. They pause while `words[paused]` is 1,
 * and what they do shows in `words`.
 */
export async function problemsAtRest(words: Int32Array, paused: number, dead: number): Promise<string[]> {
  Atomics.store(words, paused, 1)
  try {
    await eventually(() => isReaped(dead), `the reaper of thread ${dead}`)
    await stillness(words)
    return await lastingProblems()
  } catch (error) {
    return [String(error)]
  } finally {
    Atomics.store(words, paused, 0)
  }
}

/** Waits until all threads but this one and the supervisor have been reaped. */
export function emptied(): Promise<void> {
  return eventually(isAlone, 'the reaper of the last threads')
}

/** Waits until a look at the words finds what the last two found. */
async function stillness(words: Int32Array): Promise<void> {
  const end = performance.now() + LIMIT_MS
  let before = words.slice()
  for (let same = 0; same < 2;) {
    if (performance.now() > end) throw new Error(`the others did not come to rest within ${LIMIT_MS} ms`)
    await pause(LOOK_MS)
    const now = words.slice()
    same = now.every((word, i) => word === before[i]) ? same + 1 : 0
    before = now
  }
}

/** A thread whose time ran out in a wait moves once more, and may be looked at meanwhile: what is wrong stays wrong. */
async function lastingProblems(): Promise<string[]> {
  const end = performance.now() + LIMIT_MS
  for (;;) {
    const { problems } = SharedMemory.default.check()
    if (problems.length === 0 || performance.now() > end) return problems.map((each) => `at rest: ${each}`)
    await pause(LOOK_MS)
  }
}
