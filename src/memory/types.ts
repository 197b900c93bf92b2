/**
 * Types: how values lie in shared bytes. A channel, a map or an array is of one type; it stands in the header of the thing,
 * so that two threads that disagree are told when they attach.
 */

import { readUtf8, textLength, writeUtf8 } from '../host/text.ts'
import { signatureOf } from '../words/layout.ts'
import { typeError, usageError, isUint8Array } from '../words/usage.ts'

export interface Type<T> {
  /** How messages name it, and what is compared at attach: 'bytes', 'json', 'struct { id: u32 }'. */
  readonly $type: string
  /** The size of every value, or undefined if they differ. */
  readonly sizeBytes: number | undefined
  /** A value of this type; exists for the type checker only. */
  readonly $value?: T
}

/** What the type of a value is: `Value<typeof schema>`. */
export type Value<S> = S extends Type<infer T> ? T : never

/** A value on its way into shared bytes: what is left to do is to write text as UTF-8, or to copy. */
export type Prepared = string | Uint8Array

/** A Type with its two directions. */
export interface Codec<T> extends Type<T> {
  /** Checks a value, before anything has changed, and turns it into text or bytes. */
  prepare(call: string, value: T): Prepared
  /** The value that some bytes stand for; it keeps nothing of them. */
  read(bytes: Uint8Array): T
}

/** Raw bytes. Sending copies them in, receiving copies them out. */
export const bytes: Codec<Uint8Array> = {
  $type: 'bytes',
  sizeBytes: undefined,
  prepare(call, value) {
    // Its elements are bytes: any other view would be converted, element by element.
    if (!isUint8Array(value)) throw typeError(call, 'value', 'a Uint8Array', value)
    if (value.byteLength === 0 && isDetached(value))
      throw typeError(call, 'value', 'a Uint8Array whose buffer was not transferred away', value)
    return value
  },
  read: (view) => new Uint8Array(view),
}

/** A string, as UTF-8. */
export const text: Codec<string> = {
  $type: 'text',
  sizeBytes: undefined,
  prepare(call, value) {
    if (typeof value !== 'string') throw typeError(call, 'value', 'a string', value)
    return value
  },
  read: readUtf8,
}

function isDetached({ buffer }: Uint8Array): boolean {
  try {
    new Uint8Array(buffer)
    return false
  } catch {
    return true
  }
}

function stringified(call: string, value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch (error) {
    // V8's own complaints; what a toJSON() of the user's throws is the user's.
    if (error instanceof TypeError && /circular structure|BigInt/.test(error.message)) {
      throw usageError(
        'ERR_PAGEFRAME_INVALID_ARGUMENT',
        `${call}: value cannot be said in JSON: ${error.message}`,
      )
    }
    throw error
  }
}

const jsonCodec: Codec<unknown> = {
  $type: 'json',
  sizeBytes: undefined,
  prepare(call, value) {
    const written = stringified(call, value)
    if (written === undefined) throw typeError(call, 'value', 'something that JSON can say', value)
    return written
  },
  read: (view) => JSON.parse(readUtf8(view)) as unknown,
}

/** Anything that JSON can say, as UTF-8. */
export function json<T = unknown>(): Codec<T> {
  return jsonCodec as Codec<T>
}

/** How many bytes a prepared value takes. */
export function preparedLength(value: Prepared): number {
  return typeof value === 'string' ? textLength(value) : value.byteLength
}

/** Writes a prepared value; returns its length in bytes. */
export function writePrepared(into: Uint8Array, value: Prepared): number {
  if (typeof value === 'string') return writeUtf8(into, value)
  into.set(value)
  return value.byteLength
}

/** The codec behind a type that a user passed, or the TypeError that says what to pass. */
export function codecOf<T>(call: string, type: Type<T>): Codec<T> {
  const codec = type as Partial<Codec<T>> | null
  if (
    typeof codec?.$type !== 'string' ||
    typeof codec.prepare !== 'function' ||
    typeof codec.read !== 'function'
  ) {
    throw typeError(call, 'of', 'a type such as bytes, text or json()', type)
  }
  return codec as Codec<T>
}

/** How a type is recorded in a header: a word that differs when the types differ. */
export function typeSignature(type: Type<unknown>): number {
  return signatureOf(type.$type)
}
