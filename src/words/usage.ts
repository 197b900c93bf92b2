/**
 * What the caller did wrong: a TypeError or a RangeError that names the call, the argument and the rule, thrown before
 * anything has changed. Its `code` starts with ERR_PAGEFRAME_.
 *
 * Arguments become numbers and strings here, once, so that a hostile `valueOf` cannot run later.
 */

import { GiB, KiB, MiB } from './constants.ts'

/** A TypeError with a code: the wrong kind of thing, or a thing in the wrong place. */
export function usageError(code: `ERR_PAGEFRAME_${string}`, message: string): TypeError {
  return Object.assign(new TypeError(message), { code })
}

/** A RangeError with a code: the right kind of thing with a value outside its range. */
export function rangeError(message: string): RangeError {
  return Object.assign(new RangeError(message), { code: 'ERR_PAGEFRAME_OUT_OF_RANGE' })
}

export function typeError(call: string, argument: string, rule: string, got: unknown): TypeError {
  return usageError(
    'ERR_PAGEFRAME_INVALID_ARGUMENT',
    `${call}: ${argument} must be ${rule}, not ${show(got)}`,
  )
}

/** Options are an object: anything else in their place is a slip, and would be ignored. */
export function assertOptions(call: string, options: unknown): void {
  if (typeof options !== 'object' || options === null) throw typeError(call, 'options', 'an object', options)
}

/** Options that were read, all of them; one that is undefined is absent. */
export function present<O extends object>(options: { [K in keyof O]-?: O[K] | undefined }): O {
  const said: Partial<O> = {}
  for (const name of Object.keys(options) as (keyof O)[]) {
    if (options[name] !== undefined) said[name] = options[name]
  }
  return said as O
}

/** True for a Uint8Array of any context: in each of them (node:vm, test runners) it is another class. */
export function isUint8Array(value: unknown): value is Uint8Array {
  if (!ArrayBuffer.isView(value)) return false
  return (value as { readonly [Symbol.toStringTag]?: string })[Symbol.toStringTag] === 'Uint8Array'
}

export function assertFunction(call: string, argument: string, value: unknown): void {
  if (typeof value !== 'function') throw typeError(call, argument, 'a function', value)
}

/** What a function that was passed has returned, if it is over when it returns: anything but a promise. */
export function atOnce<T>(call: string, argument: string, result: T, instead: string): T {
  if (typeof result !== 'object' || result === null) return result
  if (!('then' in result) || typeof result.then !== 'function') return result
  throw usageError(
    'ERR_PAGEFRAME_INVALID_ARGUMENT',
    `${call}: ${argument} must be over when it returns, and it returned a promise; ${instead}`,
  )
}

/** The verb of a call, as the `syscall` of an ErrnoError: 'open' of 'Mutex.open()', 'new' of 'new Mutex()'. */
export function verbOf(call: string): string {
  return call.startsWith('new ') ? 'new' : call.replace(/^.*\.|\(\)$/g, '')
}

/** An integer in [least, most], or the error that says so. */
export function integer(call: string, argument: string, value: unknown, least: number, most: number): number {
  if (typeof value !== 'number') throw typeError(call, argument, 'a number', value)
  if (!Number.isInteger(value) || value < least || value > most) {
    throw rangeError(
      `${call}: ${argument} must be a whole number from ${least} to ${most}, not ${show(value)}`,
    )
  }
  return value
}

/** A time-out in milliseconds: undefined is for ever (Infinity), 0 does not wait. */
export function milliseconds(call: string, value: unknown): number {
  if (value === undefined) return Infinity
  if (typeof value !== 'number') throw typeError(call, 'timeoutMs', 'a number of milliseconds', value)
  if (!(value >= 0)) throw rangeError(`${call}: timeoutMs must be 0 or more, not ${show(value)}`)
  return value
}

/** The time-out in the options of a wait, which may be absent. */
export function timeoutOf(call: string, wait: { timeoutMs?: number } | undefined): number {
  if (wait === undefined) return Infinity
  assertWait(call, wait)
  return milliseconds(call, wait.timeoutMs)
}

/** The options of an asynchronous wait, each read once and checked. */
export interface AsyncWaitRead {
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  readonly ref?: boolean
}

export function asyncWaitOf(
  call: string,
  wait: { timeoutMs?: number; signal?: AbortSignal; ref?: boolean },
): AsyncWaitRead {
  assertWait(call, wait)
  const { timeoutMs, signal, ref } = wait
  if (signal !== undefined && !isSignal(signal)) throw typeError(call, 'signal', 'an AbortSignal', signal)
  if (ref !== undefined && typeof ref !== 'boolean') throw typeError(call, 'ref', 'true or false', ref)
  return { ...present({ signal, ref }), timeoutMs: milliseconds(call, timeoutMs) }
}

function assertWait(call: string, wait: unknown): void {
  if (typeof wait !== 'object' || wait === null)
    throw typeError(call, 'wait', 'an object such as { timeoutMs: 100 }', wait)
}

/** By what it can do: signals of other contexts are no instances of our AbortSignal. */
export function isSignal(value: unknown): value is AbortSignal {
  if (typeof value !== 'object' || value === null) return false
  const { aborted, throwIfAborted, addEventListener, removeEventListener } = value as Partial<AbortSignal>
  return (
    typeof aborted === 'boolean' &&
    [throwIfAborted, addEventListener, removeEventListener].every((each) => typeof each === 'function')
  )
}

export function oneOf<T extends string>(
  call: string,
  argument: string,
  value: unknown,
  allowed: readonly T[],
): T {
  const found = allowed.find((each) => each === value)
  if (found === undefined) {
    throw typeError(call, argument, allowed.map((each) => `'${each}'`).join(' or '), value)
  }
  return found
}

/** A size in bytes: a number, or a string such as '256MiB'. */
export type Size = number | `${number}${'KiB' | 'MiB' | 'GiB'}`

const units: Readonly<Record<string, number>> = { KiB, MiB, GiB }

/** The bytes that a Size stands for, at least 1 and at most `most`. */
export function bytesOf(call: string, argument: string, size: unknown, most: number): number {
  let value = size
  if (typeof size === 'string') {
    const match = /^(\d+(?:\.\d+)?)(KiB|MiB|GiB)$/.exec(size)
    if (match === null) throw typeError(call, argument, "a number of bytes or a string such as '64MiB'", size)
    value = Number(match[1]) * units[match[2]]
  }
  return integer(call, argument, value, 1, most)
}

/** `1 MiB`, `12.5 KiB`, `300 bytes`: sizes as people read them. */
export function showBytes(bytes: number): string {
  for (const [unit, size] of [['GiB', GiB], ['MiB', MiB], ['KiB', KiB]] as const) {
    if (bytes >= size) return `${Number((bytes / size).toFixed(1))} ${unit}`
  } // prettier-ignore
  return `${bytes} bytes`
}

/** Two sizes as people read them, in units that show which is the larger: `4 GiB`, or `4096 MiB`, or bytes. */
export function showApart(a: number, b: number): [string, string] {
  const inMiB = (bytes: number) => `${showMiB(bytes)} MiB`
  const inBytes = (bytes: number) => `${bytes} bytes`
  const show = [showBytes, inMiB].find((each) => each(a) !== each(b)) ?? inBytes
  return [show(a), show(b)]
}

/** `4096`, `0.3`, `0.0039`: never 0 for what is not. */
export function showMiB(bytes: number): string {
  const value = bytes / MiB
  return String(Number(value < 1 ? value.toPrecision(2) : value.toFixed(1)))
}

/** `850 ms`, `4.2 s`: durations as people read them. */
export function showDuration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${Number((ms / 1000).toFixed(1))} s`
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 40 ? `${value.slice(0, 40)}...` : value}'`
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value)
  if (value === null || value === undefined) return String(value)
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
