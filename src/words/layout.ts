/**
 * layout(): the one place where a shared structure gets its shape.
 *
 * A structure is declared once, as a list of fields. Offsets, the memory map in ARCHITECTURE.md, and the signature by
 * which two differently built copies of pageframe refuse each other all come from that declaration.
 *
 *   const Point = layout('Point', 16, { x: i32, y: i32, stamp: i64 })
 *
 *   word   0     1     2     3
 *        ┌─────┬─────┬───────────┐
 *        │ x   │ y   │ stamp     │      Point.x === 0, Point.stamp === 2, Point.sizeof === 4
 *        └─────┴─────┴───────────┘
 *
 * Offsets are in words (int32), since every address that code passes around is a word index named `at`. The stated size
 * is in bytes and is a check: a wrong belief stops the module at load.
 *
 * Invariants
 *  1. A field never straddles its own alignment; sizeof is a multiple of the widest alignment.
 *  2. Equal signatures mean equal names, fields, offsets and sizes.
 */

import { alignUp } from './bits.ts'

export interface Field {
  readonly words: number
  readonly align: number
}

/** One Int32Array element. */
export const i32: Field = { words: 1, align: 1 }

/** One BigInt64Array or Float64Array element; its index there is half its word index. */
export const i64: Field = { words: 2, align: 2 }

/** Takes no room: the next field starts on a line of its own, 128 bytes apart (a line, and the one prefetched with it). */
export const newLine: Field = { words: 0, align: 32 }

/** An array of `count` words. */
export function words(count: number): Field {
  return { words: count, align: 1 }
}

export interface Described {
  readonly name: string
  readonly sizeBytes: number
  readonly fields: readonly { readonly name: string; readonly at: number; readonly words: number }[]
}

const described = new WeakMap<object, Described>()

type Offsets<F> = { readonly [K in keyof F as K extends `_${string}` ? never : K]: number }
export type Layout<F> = Offsets<F> & { readonly sizeof: number; readonly signature: number }

/**
 * Lays the fields out in order and returns their word offsets, with `sizeof` (words) and `signature`.
 * Fields whose name begins with `_` are padding: they take room (or start a line) and get no name.
 *
 * Throws a RangeError if the structure does not take `sizeBytes` bytes, or a field has the name of one of those two.
 */
export function layout<const F extends Record<string, Field>>(
  name: string,
  sizeBytes: number,
  fields: F,
): Layout<F> {
  const offsets: Record<string, number> = {}
  const rows: { name: string; at: number; words: number }[] = []
  let end = 0
  let align = 1
  for (const [field, kind] of Object.entries(fields)) {
    if (field === 'sizeof' || field === 'signature')
      throw new RangeError(`layout ${name}: a field cannot be named ${field}`)
    end = alignUp(end, kind.align)
    if (!field.startsWith('_')) {
      offsets[field] = end
      rows.push({ name: field, at: end, words: kind.words })
    }
    end += kind.words
    align = Math.max(align, kind.align)
  }
  const sizeof = alignUp(end, align)
  if (sizeof * 4 !== sizeBytes) {
    throw new RangeError(`layout ${name} takes ${sizeof * 4} bytes, declared as ${sizeBytes}`)
  }
  let known: number | undefined
  const result = Object.freeze({
    ...offsets,
    sizeof,
    // When it is asked for: few threads ask for all of them, and each waits while pageframe is loaded.
    get signature() {
      const text = () => rows.map((row) => `${row.name}@${row.at}+${row.words}`).join(',')
      return (known ??= signatureOf(`${name}:${text()};${sizeof}`))
    },
  })
  described.set(result, { name, sizeBytes, fields: rows })
  return result as unknown as Layout<F>
}

/** The declaration behind a layout: what the inspector and the memory map print. */
export function describe(of: object): Described {
  const found = described.get(of)
  if (found === undefined) throw new TypeError('describe(): not a layout')
  return found
}

/** One signature for many layouts, in order. */
export function combine(...layouts: readonly { readonly signature: number }[]): number {
  return signatureOf(layouts.map((each) => each.signature).join(' '))
}

/** FNV-1a over the characters, as a positive int32 that is never 0 (0 is what unused memory holds). */
export function signatureOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  return (hash & 0x7fffffff) | 1
}
