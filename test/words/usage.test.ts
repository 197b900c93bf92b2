import fc from 'fast-check'
import { expect, test } from 'vitest'
import { alignUp, isPowerOfTwo, log2Ceil, log2Floor } from '../../src/words/bits.ts'
import { GiB, KiB, MiB } from '../../src/words/constants.ts'
import { bytesOf, integer, milliseconds, oneOf, showBytes, showDuration } from '../../src/words/usage.ts'

const INVALID = { name: 'TypeError', code: 'ERR_PAGEFRAME_INVALID_ARGUMENT' }
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_PAGEFRAME_OUT_OF_RANGE' }

test('a size is a number of bytes, or a string with a unit', () => {
  const sizes = { 1: 1, 4096: 4096, '1KiB': KiB, '1.5MiB': 1.5 * MiB, '2GiB': 2 * GiB }

  for (const [size, bytes] of Object.entries(sizes)) {
    const given = /^\d+$/.test(size) ? Number(size) : size
    expect(bytesOf('alloc()', 'size', given, 4 * GiB)).toBe(bytes)
  }
})

test.each(['', '12', 'MiB', '1mib', '1 MiB', '-1MiB', '1e3KiB', '1TiB', null, undefined, {}, true, 10n])(
  'the size %s is an invalid argument',
  (size) => {
    expect(() => bytesOf('alloc()', 'size', size, GiB)).toThrow(expect.objectContaining(INVALID))
  },
)

test.each([0, -1, 0.5, NaN, Infinity, 2 * GiB, '0KiB', '0.0001KiB', '2GiB'])(
  'the size %s is out of range',
  (size) => {
    expect(() => bytesOf('alloc()', 'size', size, GiB)).toThrow(expect.objectContaining(OUT_OF_RANGE))
  },
)

test('a usage error names the call, the argument, the rule and what it got', () => {
  expect(() => integer('release()', 'count', 0, 1, 9)).toThrow(
    'release(): count must be a whole number from 1 to 9, not 0',
  )
  expect(() => integer('release()', 'count', 'x', 1, 9)).toThrow("release(): count must be a number, not 'x'")
  expect(() => oneOf('Mutex', 'type', 'odd', ['a', 'b'])).toThrow("Mutex: type must be 'a' or 'b', not 'odd'")
})

test('a time-out is 0 or more milliseconds; none is for ever', () => {
  expect(milliseconds('lock()', undefined)).toBe(Infinity)
  expect(milliseconds('lock()', 0)).toBe(0)
  expect(milliseconds('lock()', 1.5)).toBe(1.5)
  expect(() => milliseconds('lock()', -1)).toThrow(expect.objectContaining(OUT_OF_RANGE))
  expect(() => milliseconds('lock()', NaN)).toThrow(expect.objectContaining(OUT_OF_RANGE))
  expect(() => milliseconds('lock()', '5')).toThrow(expect.objectContaining(INVALID))
})

test('any value at all is shown in an error without running its code', () => {
  const hostile = {
    toString: () => {
      throw new Error('ran')
    },
  }

  fc.assert(
    fc.property(fc.oneof(fc.anything(), fc.constant(hostile)), (value) => {
      fc.pre(typeof value !== 'number')
      expect(() => integer('f()', 'x', value, 0, 1)).toThrow(expect.objectContaining(INVALID))
    }),
  )
})

test('sizes are shown as people read them', () => {
  const shown = [300, KiB, 12.5 * KiB, MiB, 64 * MiB, 4 * GiB].map(showBytes)

  expect(shown).toEqual(['300 bytes', '1 KiB', '12.5 KiB', '1 MiB', '64 MiB', '4 GiB'])
})

test('rounding and logarithms are right for every 31 bit number', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 0x7fffffff }), fc.integer({ min: 0, max: 16 }), (n, k) => {
      const step = 2 ** k
      expect(alignUp(n, step) % step).toBe(0)
      expect(alignUp(n, step) - n).toBeLessThan(step)
      expect(2 ** log2Floor(n)).toBeLessThanOrEqual(n)
      expect(2 ** (log2Floor(n) + 1)).toBeGreaterThan(n)
      expect(2 ** log2Ceil(n)).toBeGreaterThanOrEqual(n)
      expect(n === 1 || 2 ** (log2Ceil(n) - 1) < n).toBe(true)
      expect(isPowerOfTwo(n)).toBe((n & (n - 1)) === 0)
    }),
  )
})

test('durations read as people write them', () => {
  const shown = [0, 850, 999.4, 1000, 4230, 61_000].map(showDuration)

  expect(shown).toEqual(['0 ms', '850 ms', '999 ms', '1 s', '4.2 s', '61 s'])
})
