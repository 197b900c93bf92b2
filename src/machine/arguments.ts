/** What system calls are given, made numbers and strings once, before anything is looked up. */

import { deadlineAfter, now } from '../host/clock.ts'
import { rangeError, typeError } from '../words/usage.ts'

export function toNumber(call: string, argument: string, value: unknown): number {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  throw typeError(`${call}()`, argument, 'a number', value)
}

export function toInt(call: string, argument: string, value: unknown): number {
  return toNumber(call, argument, value) | 0
}

export function toText(call: string, value: unknown): string {
  if (typeof value === 'string') return value
  throw typeError(`${call}()`, 'name', 'a string', value)
}

// ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** C's struct timespec: a moment on a clock, or a span, as the call says. */
export interface TimeSpec {
  /** Seconds. */
  readonly sec: number
  /** Nanoseconds, 0 to 999,999,999. */
  readonly nsec: number
}

/** How long a timed call waits: milliseconds from now (what is negative is past; Infinity: for ever), or as Linux has it. */
export type Timeout = number | TimeSpec

/** Which clock a TimeSpec is a moment of; 'span' if it is none. */
export type TimeBase = 'realtime' | 'monotonic' | 'span'

/** Until when a call waits. */
export interface Until {
  /** On the clock of host/clock.ts. */
  readonly deadline: number
  /** The nanoseconds were 0 to 999,999,999. */
  readonly isValid: boolean
  /** Before the beginning of the clock. */
  readonly isNegative: boolean
}

export const FOR_EVER: Until = { deadline: Infinity, isValid: true, isNegative: false }
const BILLION = 1e9

export function toUntil(call: string, timeout: unknown, base: TimeBase): Until {
  if (typeof timeout === 'number') {
    if (Number.isNaN(timeout))
      throw rangeError(`${call}(): timeout must be a number of milliseconds, not NaN`)
    return { deadline: deadlineAfter(timeout), isValid: true, isNegative: base === 'span' && timeout < 0 }
  }
  if (typeof timeout !== 'object' || timeout === null) {
    throw typeError(`${call}()`, 'timeout', 'a number of milliseconds, or { sec, nsec }', timeout)
  }
  const { sec, nsec } = timeout as Partial<TimeSpec>
  const seconds = toNumber(call, 'timeout.sec', sec)
  const nanoseconds = toNumber(call, 'timeout.nsec', nsec)
  const isValid = nanoseconds >= 0 && nanoseconds < BILLION
  const moment = seconds * 1000 + nanoseconds / 1e6
  return { deadline: deadlineOf(moment, base), isValid, isNegative: seconds < 0 }
}

function deadlineOf(moment: number, base: TimeBase): number {
  if (base === 'monotonic') return moment // host/clock.ts is that clock
  return now() + (base === 'span' ? moment : moment - Date.now())
}
