/** The scenario language's expressions and texts: 64-bit integers, symbols before constants, Python's rounding. */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bytesOf, evaluate } from './expressions.mjs'

const names = new Map<string, bigint>([
  ['W', 1n << 40n],
  ['fd', 3n],
  ['b', 4097n],
  ['PAGE', 1n],
  ['p.w', 7n],
])
const none = new Map<string, bigint>()

test.each([
  ['W+3p+8', (1n << 40n) + 3n * 4096n + 8n],
  ['W + 3p + 8', (1n << 40n) + 3n * 4096n + 8n],
  ['0x10p', 0x10000n],
  ['0xff', 255n],
  ['fd+1', 4n],
  ['p.w', 7n],
  ['MAP_SHARED|MAP_FIXED', 0x11n],
  ['10-3-2', 5n],
  ['2+3*4', 14n],
  ['(2+3)*4', 20n],
  ['100/7/2', 7n],
  ['-7/2', -4n],
  ['7/-2', -4n],
  ['-8/2', -4n],
  ['1<<2+1', 8n],
  ['1<<40', 1n << 40n],
  ['6&3|8', 10n],
  ['1|2&2', 3n],
  ['~0', -1n],
  ['~0&0xff', 255n],
  ['--5', 5n],
  ['-fd', -3n],
  ['0xffffffffffffffff', (1n << 64n) - 1n],
  ['RLIM_INFINITY', (1n << 64n) - 1n],
  ['18446744073709551615-4095', (1n << 64n) - 4096n],
  ['(b+4096-1)/4096*4096', 8192n],
])('%s', (text, value) => {
  expect(evaluate(text, names)).toBe(value)
})

test('a symbol stands before a constant of the same name', () => {
  expect(evaluate('PAGE', none)).toBe(4096n)
  expect(evaluate('PAGE', names)).toBe(1n)
})

test('numbers are themselves, half a page too', () => {
  expect(evaluate(384, none)).toBe(384n)
  expect(evaluate(-1, none)).toBe(-1n)
  expect(evaluate(0.5, none)).toBe(0.5)
  expect(evaluate(true, none)).toBe(1n)
})

test.each(['', '1+', '(1', '1)', '1 2', 'W 3', '*2', '1//2', '1 ? 2', '1>>2', '0x', '3pp', '1/0', '1<<-1'])(
  'it refuses %o',
  (text) => {
    expect(() => evaluate(text, names)).toThrow(expect.objectContaining({ name: 'ExpressionError' }))
  },
)

test('a name that nobody has bound is named', () => {
  expect(() => evaluate('W+nobody', names)).toThrow(/'nobody'/)
  expect(() => evaluate('constructor', names)).toThrow(/'constructor'/)
})

test('sums and products of any size are exact', () => {
  fc.assert(
    fc.property(fc.bigInt(), fc.bigInt(), fc.bigInt({ min: 1n }), (a, b, c) => {
      const given = new Map([
        ['a', a],
        ['b', b],
        ['c', c],
      ])
      expect(evaluate('a*b-(b+c)', given)).toBe(a * b - (b + c))
      expect(evaluate('a|b&~c', given)).toBe(a | (b & ~c))
      // Division rounds down: a = q * c + r with 0 <= r < c.
      const rest = a - (evaluate('a/c', given) as bigint) * c
      expect(rest >= 0n && rest < c).toBe(true)
    }),
  )
})

test.each([
  ['abc', 'abc'],
  [{ hex: '6162' }, 'ab'],
  [{ hex: '' }, ''],
  [{ repeat: ['a', 256] }, 'a'.repeat(256)],
  [['/', { repeat: ['x', 2] }, { hex: '21' }], '/xx!'],
])('the text %o', (text, value) => {
  expect(bytesOf(text).toString()).toBe(value)
})

test.each([undefined, 3, null, { hex: 'abc' }, { hex: 3 }, { repeat: ['a'] }, { repeat: ['a', -1] }, {}])(
  '%o is no text',
  (text) => {
    expect(() => bytesOf(text)).toThrow(expect.objectContaining({ name: 'ExpressionError' }))
  },
)
