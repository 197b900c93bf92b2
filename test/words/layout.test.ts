import fc from 'fast-check'
import { expect, test } from 'vitest'
import { combine, describe, i32, i64, layout, newLine, signatureOf, words } from '../../src/words/layout.ts'

test('fields stand in the order of their declaration, each at its own alignment', () => {
  const Point = layout('Point', 24, { x: i32, stamp: i64, y: i32 })

  expect(Point).toMatchObject({ x: 0, stamp: 2, y: 4, sizeof: 6 })
})

test('a new line begins 128 bytes after the last, and the whole is a multiple of it', () => {
  const Two = layout('Two', 256, { mine: i32, _line: newLine, theirs: words(3) })

  expect(Two).toMatchObject({ mine: 0, theirs: 32, sizeof: 64 })
})

test('a padding field takes room and has no name', () => {
  const Padded = layout('Padded', 12, { a: i32, _gap: i32, b: i32 })

  expect(Padded.b).toBe(2)
  expect(Object.keys(Padded)).toEqual(['a', 'b', 'sizeof', 'signature'])
  expect(describe(Padded).fields.map((field) => field.name)).toEqual(['a', 'b'])
})

test('a wrong belief about the size stops the module at load', () => {
  expect(() => layout('Wrong', 12, { a: i32, b: i32 })).toThrow(
    new RangeError('layout Wrong takes 8 bytes, declared as 12'),
  )
})

test('any change of name, field, order or width changes the signature', () => {
  const declared = [
    layout('S', 8, { a: i32, b: i32 }),
    layout('T', 8, { a: i32, b: i32 }),
    layout('S', 8, { a: i32, c: i32 }),
    layout('S', 8, { b: i32, a: i32 }),
    layout('S', 8, { a: words(2) }),
    layout('S', 12, { a: i32, b: i32, c: i32 }),
    layout('S', 16, { a: i32, b: i64 }),
    layout('S', 12, { a: i32, _gap: i32, b: i32 }),
    layout('S', 12, { a: i32, b: i32, _gap: i32 }),
  ]

  const signatures = declared.map((each) => each.signature)

  expect(new Set(signatures).size).toBe(declared.length)
  expect(layout('S', 8, { a: i32, b: i32 }).signature).toBe(signatures[0])
})

test('a signature is a positive int32 and never 0, which is what unused memory holds', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const signature = signatureOf(text)
      return signature > 0 && signature <= 0x7fffffff && Number.isInteger(signature)
    }),
  )
})

test('a combined signature depends on the order', () => {
  const a = layout('A', 4, { a: i32 })
  const b = layout('B', 4, { b: i32 })

  expect(combine(a, b)).not.toBe(combine(b, a))
})

test('only layouts can be described', () => {
  expect(() => describe({})).toThrow(TypeError)
})
