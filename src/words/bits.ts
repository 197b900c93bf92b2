/** Bit and rounding helpers on plain numbers. */

/** The smallest multiple of `step` that is not below `value`. */
export function alignUp(value: number, step: number): number {
  return Math.ceil(value / step) * step
}

export function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(value) && value > 0 && 2 ** Math.round(Math.log2(value)) === value
}

/** The smallest `k` with 2^k >= value, for 1 <= value <= 2^31. */
export function log2Ceil(value: number): number {
  return value <= 1 ? 0 : 32 - Math.clz32(value - 1)
}

/** The largest `k` with 2^k <= value, for 1 <= value < 2^32. */
export function log2Floor(value: number): number {
  return 31 - Math.clz32(value)
}
