/** Numbers as reports show them. */

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

export function plural(count: number, noun: string): string {
  return `${whole(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** Three digits and a unit: `8.12 M`. */
export function rate(perSecond: number): string {
  if (perSecond >= 1e9) return `${three(perSecond / 1e9)} G`
  if (perSecond >= 1e6) return `${three(perSecond / 1e6)} M`
  if (perSecond >= 1e3) return `${three(perSecond / 1e3)} k`
  return three(perSecond)
}

/** A time in whatever unit it is short in: `310 ns`, `2.4 us`. */
export function time(ns: number): string {
  if (ns >= 1e9) return `${three(ns / 1e9)} s`
  if (ns >= 1e6) return `${three(ns / 1e6)} ms`
  if (ns >= 1e3) return `${three(ns / 1e3)} us`
  return `${Math.round(ns)} ns`
}

/** So many times an operation: `0.031`. */
export function share(value: number): string {
  if (value === 0) return '0'
  if (value >= 100) return whole(value)
  if (value < 0.001) return '< .001'
  return value < 0.01 ? value.toFixed(3) : three(value)
}

/** Without the zeroes behind the point: for the labels of an axis. */
export function short(shown: string): string {
  return shown.replace(/\.(\d*?)0+(?=\D|$)/, (_, digits: string) => (digits === '' ? '' : `.${digits}`))
}

function three(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
