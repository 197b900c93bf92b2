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
