import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bucketCount, bucketOf, lowestOf, quantile, totalOf } from '../../src/words/histogram.ts'

const SUB_BITS = [2, 3, 4, 5, 6]

test('a value lies in its bucket: not below its lowest, below the next one’s', () => {
  fc.assert(
    fc.property(fc.constantFrom(...SUB_BITS), fc.integer({ min: 0, max: 2 ** 40 - 1 }), (subBits, value) => {
      const bucket = bucketOf(value, subBits)
      expect(lowestOf(bucket, subBits)).toBeLessThanOrEqual(value)
      expect(lowestOf(bucket + 1, subBits)).toBeGreaterThan(value)
      expect(bucket).toBeLessThan(bucketCount(subBits))
      const width = lowestOf(bucket + 1, subBits) - lowestOf(bucket, subBits)
      expect(width).toBeLessThanOrEqual(Math.max(1, value / 2 ** subBits))
    }),
  )
})

test('powers of two begin buckets, also where logarithms are inexact', () => {
  for (const subBits of SUB_BITS) {
    for (let bit = 0; bit < 40; bit++) {
      const bucket = bucketOf(2 ** bit, subBits)
      expect(lowestOf(bucket, subBits)).toBe(2 ** bit)
      if (bit > 1) expect(bucketOf(2 ** bit - 1, subBits)).toBe(bucket - 1)
    }
  }
})

test('what is no duration, or too long, is in the first and in the last', () => {
  expect(bucketOf(-1, 4)).toBe(0)
  expect(bucketOf(NaN, 4)).toBe(0)
  expect(bucketOf(0.5, 4)).toBe(0)
  expect(bucketOf(Infinity, 4)).toBe(bucketCount(4) - 1)
})

test('quantiles are those of the values, within the width of a bucket; two histograms merge by adding', () => {
  const values = Array.from({ length: 10_000 }, (_, i) => Math.floor(1.001 ** i))
  const halves = [0, 1].map((which) => {
    const buckets = new Float64Array(bucketCount(5))
    for (const [i, value] of values.entries()) if (i % 2 === which) buckets[bucketOf(value, 5)]++
    return buckets
  })
  const merged = halves[0].map((count, bucket) => count + halves[1][bucket])

  expect(totalOf(merged)).toBe(values.length)
  for (const share of [0.01, 0.5, 0.99, 0.9999]) {
    const exact = values[Math.ceil(share * values.length) - 1]
    expect(Math.abs(quantile(merged, share, 5) - exact)).toBeLessThanOrEqual(Math.max(1, exact / 32))
  }
  expect(quantile(new Uint32Array(bucketCount(5)), 0.5, 5)).toBe(0)
})
