/**
 * The switch for watching locks: what is noted about the locks of a memory, from its making on.
 *
 *   PAGEFRAME_LOCKS=deadlocks,statistics node app.js                      every memory that this process makes
 *   new SharedMemory({ locks: { deadlocks: true, statistics: true } })    this one
 *
 * It stands in the superblock, so all threads of a memory agree. While it is off nothing is noted, and locks run the very
 * code that they run otherwise: an object whose memory is watched gets methods of its own when a thread meets it
 * (watchers.ts).
 */

import { lockSwitch, warn } from '../host/workers.ts'
import { typeError } from '../words/usage.ts'

/** Bits of the word `lockDiagnostics` in the superblock. */
export const DEADLOCKS = 1
export const STATISTICS = 2

/** What is noted about locks; each absent part is off. */
export interface LockDiagnostics {
  /** A wait that would never end throws EDEADLK; the order in which locks are taken is watched. */
  deadlocks?: boolean
  /** How often each lock is taken, waited for and held, and for how long. */
  statistics?: boolean
}

const BITS = { deadlocks: DEADLOCKS, statistics: STATISTICS } as const
type Part = keyof typeof BITS

/** The bits that options ask for; undefined if there are none. */
export function switchIn(call: string, options: unknown): number | undefined {
  if (options === undefined) return undefined
  if (typeof options !== 'object' || options === null)
    throw typeError(call, 'locks', 'an object such as { deadlocks: true, statistics: true }', options)
  let bits = 0
  for (const part of Object.keys(BITS) as Part[]) {
    const value: unknown = (options as Record<Part, unknown>)[part]
    if (value !== undefined && typeof value !== 'boolean')
      throw typeError(call, `locks.${part}`, 'true or false', value)
    if (value === true) bits |= BITS[part]
  }
  return bits
}

/** The bits that the environment asks for. What it does not understand is left out. */
export function switchInEnvironment(): number {
  return bitsOf(wordsOf(lockSwitch()).filter(isPart))
}

/** Says once, where the default memory is made, what the environment asks for in vain. */
export function warnOfEnvironment(): void {
  const strangers = wordsOf(lockSwitch()).filter((word) => !isPart(word))
  if (strangers.length === 0) return
  warn(
    `PAGEFRAME_LOCKS: there is no '${strangers[0]}', only deadlocks and statistics: PAGEFRAME_LOCKS=deadlocks,statistics`,
  )
}

/** `deadlocks and statistics`. */
export function describeSwitch(bits: number): string {
  const on = (Object.keys(BITS) as Part[]).filter((part) => (bits & BITS[part]) !== 0)
  return on.length === 0 ? 'nothing' : on.join(' and ')
}

function wordsOf(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
}

function isPart(word: string): word is Part {
  return Object.hasOwn(BITS, word)
}

function bitsOf(parts: readonly Part[]): number {
  return parts.reduce((bits, part) => bits | BITS[part], 0)
}
