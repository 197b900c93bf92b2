/**
 * Histograms whose buckets grow with what is counted (log-linear, as HdrHistogram's): a relative error, the same for
 * nanoseconds and seconds, and two of them merge by adding their buckets.
 *
 *   value   0 1 2 ... 15 | 16 17 ... 31 | 32 34 36 ... 62 | 64 68 ... 124 | 128 ...        subBits 4
 *   bucket  0 1 2 ... 15 | 16 17 ... 31 | 32 33 34 ... 47 | 48 49 ...  63 |  64 ...
 *                           width 1        width 2           width 4
 *
 * The buckets are words anywhere: a typed array, or shared memory, where several threads add() to them. A histogram with
 * `subBits` is off by at most 1 / 2^subBits of a value. The last bucket holds everything from 2^40 on: 18 minutes, in ns.
 */

/** Values from here on share the last bucket. */
const MOST_BITS = 40

/** How many buckets, which is words, a histogram takes. */
export function bucketCount(subBits: number): number {
  return bucketOf(2 ** MOST_BITS - 1, subBits) + 1
}

/** The bucket of a value: an index. What is negative or no number counts as 0. */
export function bucketOf(value: number, subBits: number): number {
  const whole = Math.min(value, 2 ** MOST_BITS - 1)
  const linear = 2 ** (subBits + 1)
  if (!(whole >= linear)) return whole > 0 ? Math.floor(whole) : 0
  const exponent = Math.floor(Math.log2(whole)) - subBits
  return exponent * 2 ** subBits + Math.floor(whole / 2 ** exponent)
}

/** The smallest value of a bucket. */
export function lowestOf(bucket: number, subBits: number): number {
  const half = 2 ** subBits
  if (bucket < 2 * half) return bucket
  const exponent = Math.floor(bucket / half) - 1
  return (bucket - exponent * half) * 2 ** exponent
}

/** The value below or at which `share` (0 to 1) of what was counted lies: the middle of its bucket. 0 if nothing was. */
export function quantile(buckets: ArrayLike<number>, share: number, subBits: number): number {
  let left = Math.max(1, Math.ceil(totalOf(buckets) * share))
  for (let bucket = 0; bucket < buckets.length; bucket++) {
    left -= buckets[bucket]
    if (left <= 0) return middleOf(bucket, subBits)
  }
  return 0
}

/** How many values were counted. */
export function totalOf(buckets: ArrayLike<number>): number {
  return Array.prototype.reduce.call(buckets, sum, 0) as number
}

function sum(total: unknown, count: number): number {
  return (total as number) + count
}

/** The middle of a bucket: what its values are taken for. */
export function middleOf(bucket: number, subBits: number): number {
  return (lowestOf(bucket, subBits) + lowestOf(bucket + 1, subBits) - 1) / 2
}
