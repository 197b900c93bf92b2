/**
 * Charts as SVG: two axes with labels and a grid, and lines in them. Geometry only; colours are classes of the picture's.
 *
 *   y ▲  ┬ ─ ─ ─ ─ ─ ─ ─          A scale says where in [0, 1] a value lies, and which values get a line and a label.
 *     │  ┼ ─ ─ ─ ─ ─ ─ ─
 *     └──┴──┬──┬──┬──┬──► x
 */

export interface Tick {
  readonly value: number
  readonly label: string
}

export interface Scale {
  readonly title: string
  readonly ticks: readonly Tick[]
  /** 0: at the origin, 1: at the end of the axis. */
  readonly place: (value: number) => number
}

export interface Series {
  readonly label: string | undefined
  /** Ascending in x. */
  readonly points: readonly (readonly [x: number, y: number])[]
  readonly hasDots: boolean
}

export interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** See: Extensible Markup Language 1.0, section 2.2. */
const UNSPEAKABLE = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu

/** Room in the box for the labels. */
const LEFT = 64
const RIGHT = 12
const TOP = 26
const BOTTOM = 40

/** A chart, filling a box of the picture. */
export function chart(box: Box, title: string, x: Scale, y: Scale, series: readonly Series[]): string {
  const left = box.x + LEFT
  const top = box.y + TOP
  const width = box.width - LEFT - RIGHT
  const height = box.height - TOP - BOTTOM
  const bottom = top + height
  const across = (value: number) => round(left + x.place(value) * width)
  const up = (value: number) => round(bottom - y.place(value) * height)
  const parts = [text(left, box.y + 14, title, 'ink head')]

  for (const { value, label } of y.ticks) {
    parts.push(`<path class="grid" d="M${left} ${up(value)}H${left + width}"/>`)
    parts.push(text(left - 8, up(value) + 4, label, 'dim', 'end'))
  }
  for (const { value, label } of x.ticks) {
    parts.push(`<path class="grid" d="M${across(value)} ${top}V${bottom}"/>`)
    parts.push(text(across(value), bottom + 16, label, 'dim', 'middle'))
  }
  parts.push(`<path class="axis" d="M${left} ${top}V${bottom}H${left + width}"/>`)
  parts.push(text(left + width / 2, bottom + 34, x.title, 'dim', 'middle'))
  parts.push(text(left + width, box.y + 14, y.title, 'dim', 'end'))

  for (const [index, { points, hasDots, label }] of series.entries()) {
    const line = points.map(([px, py], i) => `${i === 0 ? 'M' : 'L'}${across(px)} ${up(py)}`).join('')
    parts.push(`<path class="line s${index}" d="${line}"/>`)
    if (hasDots) {
      for (const [px, py] of points)
        parts.push(`<circle class="dot s${index}" cx="${across(px)}" cy="${up(py)}" r="3.5"/>`)
    }
    if (label === undefined) continue
    const y0 = top + 16 + 16 * index
    parts.push(
      `<path class="line s${index}" d="M${left + 12} ${y0 - 4}h18"/>`,
      text(left + 36, y0, label, 'ink'),
    )
  }
  return parts.join('\n')
}

export function text(x: number, y: number, words: string, style: string, anchor = 'start'): string {
  return `<text x="${round(x)}" y="${round(y)}" class="${style}" text-anchor="${anchor}">${escaped(words)}</text>`
}

/** Text of XML. What XML cannot say at all, control characters and halves of pairs, is said to be missing. */
export function escaped(words: string): string {
  return words.replace(UNSPEAKABLE, '\ufffd').replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`)
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

// ── scales ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** From 0 to a round number that is not below `most`. */
export function linear(title: string, most: number, show: (value: number) => string): Scale {
  const step = roundStep(most / 4)
  const count = Math.max(1, Math.ceil(most / step - 1e-9))
  const end = count * step
  const ticks = Array.from({ length: count + 1 }, (_, i) => ({ value: i * step, label: show(i * step) }))
  return { title, ticks, place: (value) => value / end }
}

/** 1, 2, 2.5 or 5 times a power of ten, not below. */
function roundStep(least: number): number {
  if (!(least > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(least))
  return power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= least * (1 - 1e-9)) ?? 10)
}

/** Whole numbers, the first and the last at some distance from the ends. */
export function counts(title: string, values: readonly number[]): Scale {
  const first = Math.min(...values) - 0.5
  const last = Math.max(...values) + 0.5
  const ticks = values.map((value) => ({ value, label: String(value) }))
  return { title, ticks, place: (value) => (value - first) / (last - first) }
}

/** Decades that hold all from `least` to `most`, at least one. */
export function decades(title: string, least: number, most: number, show: (value: number) => string): Scale {
  const first = Math.floor(Math.log10(Math.max(1, least)))
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(1, most))))
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => ({
    value: 10 ** (first + i),
    label: show(10 ** (first + i)),
  }))
  return { title, ticks, place: (value) => (Math.log10(Math.max(1, value)) - first) / (last - first) }
}

/** Shares of all, the last ones stretched: each nine takes as much room as the one before. */
export function nines(title: string): Scale {
  const ticks = [
    { value: 0, label: '0 %' },
    { value: 0.9, label: '90 %' },
    { value: 0.99, label: '99 %' },
    { value: 0.999, label: '99.9 %' },
    { value: 0.9999, label: '99.99 %' },
  ]
  return { title, ticks, place: (part) => Math.min(1, -Math.log10(Math.max(1 - part, 1e-9)) / 4.4) }
}
