/** What a load test shows: its picture, its numbers, the line while it goes on. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { chart, counts, decades, escaped, linear, nines } from '../../src/cli/stress/chart.ts'
import type { Load } from '../../src/cli/stress/load.ts'
import { describe as progressLine } from '../../src/cli/stress/progress-line.ts'
import { killsOf } from '../../src/cli/stress/figures.ts'
import { describeKills } from '../../src/cli/stress/report.ts'
import { Board, boardBytes, INSIDE, LEAVING, OUTSIDE, WAITING, WRITING } from '../../workers/stress/board.ts'
import { rate, share, short, time } from '../../src/cli/stress/units.ts'
import { folder } from './command.ts'
import { stress } from './stress.ts'

test('--svg draws throughput by workers and latencies, each line within its axes', async () => {
  const svg = join(folder, 'report.svg')

  const { code, stderr, figures } = await stress([
    'mutex',
    '--workers',
    '3',
    '--seconds',
    '0.3',
    '--svg',
    svg,
  ])

  expect(code, stderr).toBe(0)
  expect(stderr).toContain(`pageframe stress: wrote ${svg}`)
  expect(figures?.sweep.map(({ workers }) => workers)).toEqual([1, 2, 3])
  const picture = readFileSync(svg, 'utf8')
  expect(picture).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" viewBox="0 0 960 (\d+)"/)
  expect(picture.match(/<circle class="dot s0"/g)).toHaveLength(3)
  for (const label of [
    'mutex',
    'Throughput',
    'sections per second',
    'workers',
    '99.99 %',
    'share of operations',
  ]) {
    expect(picture).toContain(`>${label}</text>`)
  }
  expect(picture).toContain('prefers-color-scheme: dark')
  expect(unclosed(picture)).toEqual([])
  for (const [x, y] of pointsOf(picture)) {
    expect(x).toBeGreaterThanOrEqual(24 + 64)
    expect(x).toBeLessThanOrEqual(960 - 24 - 12)
    expect(y).toBeGreaterThanOrEqual(76 + 50 + 26)
    expect(y).toBeLessThanOrEqual(76 + 50 + 246 - 40)
  }
})

test('a chart puts values where its scales say, and escapes what it writes', () => {
  const box = { x: 0, y: 0, width: 176, height: 166 } // 100 by 100 within the axes
  const series = [{ label: 'a < b', points: [[0, 0], [10, 10]] as const, hasDots: true }] // prettier-ignore

  const svg = chart(box, 'T', linear('x', 10, String), linear('y', 10, String), series)

  expect(svg).toContain('d="M64 126L164 26"')
  expect(svg).toContain('a &#60; b')
})

test('what a picture cannot say is replaced, and all else is as it was', () => {
  expect(escaped('a\u0001b\u001b[1m\ud800')).toBe('a\ufffdb\ufffd[1m\ufffd')
  expect(escaped('Schlüssel 锁 😀\t"1" & <2>')).toBe('Schlüssel 锁 😀\t&#34;1&#34; &#38; &#60;2&#62;')
})

test('scales hold their values, and their labels are round', () => {
  const labels = (scale: { ticks: readonly { label: string }[] }) => scale.ticks.map(({ label }) => label)

  expect(labels(linear('', 9.27e6, rate))).toEqual(['0.00', '2.50 M', '5.00 M', '7.50 M', '10.0 M'])
  expect(labels(linear('', 0, String))).toEqual(['0', '1'])
  expect(labels(decades('', 50, 52_000, time))).toEqual(['10 ns', '100 ns', '1.00 us', '10.0 us', '100 us'])
  expect(decades('', 50, 52_000, time).place(1000)).toBeCloseTo(0.5)
  expect(counts('', [1, 2, 3]).place(2)).toBeCloseTo(0.5)
  expect(nines('').place(0.99)).toBeCloseTo(2 * nines('').place(0.9))
  expect(nines('').place(1)).toBe(1)
})

test('numbers have three digits and a unit', () => {
  expect([0, 12.34, 1234, 9_270_000, 2e9].map(rate)).toEqual(['0.00', '12.3', '1.23 k', '9.27 M', '2.00 G'])
  expect([0, 60.4, 2460, 12_500_000, 3e9].map(time)).toEqual([
    '0 ns',
    '60 ns',
    '2.46 us',
    '12.5 ms',
    '3.00 s',
  ])
  expect(['1.00 us', '2.50 M', '100 ns', '10.0 k'].map(short)).toEqual(['1 us', '2.5 M', '100 ns', '10 k'])
  expect([0, 0.0001, 0.0042, 0.25, 3].map(share)).toEqual(['0', '< .001', '0.004', '0.25', '3.00'])
})

test('the line that says how it goes on', () => {
  const load = { primitive: 'mutex', workers: 4, seconds: 2, killEveryMs: 50 } as Load

  const line = progressLine(load, { phase: 'measuring', secondsDone: 1, perSecond: 21.4e6, kills: 3 })

  expect(line).toBe('mutex, 4 workers  ████████░░░░░░░░  1.0 of 2.0 s  21.4 M sections/s  3 killed')
})

test('deaths: who is said to have been inside is whom the next owner had to be told of', () => {
  const buckets = 8
  const [place, silent] = new Board(new Uint8Array(new SharedArrayBuffer(boardBytes(2, buckets))), 2, buckets)
    .places
  place.notices = 2
  place.repairs = 1
  place.recoveryMs = 3

  const kills = killsOf([INSIDE, INSIDE, LEAVING, WAITING, OUTSIDE], [place], 0, 0)
  expect(kills).toMatchObject({ count: 5, holding: 3, leaving: 1, writing: 0, waiting: 1, elsewhere: 1 })
  expect(describeKills(kills, 'owner')).toBe(
    '5 deaths: 2 inside, 1 waiting, 1 elsewhere, 1 on the way out; ' +
      'the next owner was told 2 times, at most 3.00 ms after the kill, and found something half done 1 time',
  )
  expect(describeKills(killsOf([INSIDE, WRITING, WRITING], [place], 0, 0), 'writer')).toContain(
    '3 deaths: 3 inside, 0 waiting, 0 elsewhere; 2 of those inside wrote; the next writer was told 2 times',
  )
  expect(describeKills(killsOf([WAITING], [silent], 0, 0), 'owner')).toBe(
    '1 death: 0 inside, 1 waiting, 0 elsewhere; the next owner was told 0 times',
  )
  expect(describeKills(killsOf([INSIDE], [silent], 0, 1), 'owner')).toContain(
    'the next owner was told 0 times; nobody came in after the last who died inside',
  )
  expect(describeKills(killsOf([INSIDE], [silent], 1, 0), undefined)).toBe(
    '1 death: 1 inside, 0 waiting, 0 elsewhere; 1 permit went with them and were given back',
  )
})

/** All points of its lines. */
function pointsOf(svg: string): [number, number][] {
  return [...svg.matchAll(/<path class="line s\d" d="([^"]+)"/g)].flatMap(([, path]) =>
    [...path.matchAll(/[ML]([\d.]+) ([\d.]+)/g)].map(([, x, y]): [number, number] => [Number(x), Number(y)]),
  )
}

/** Elements that were opened and not closed, or the other way round. */
function unclosed(xml: string): string[] {
  const open: string[] = []
  for (const [, end, name, self] of xml.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (self === '/') continue
    if (end === '') open.push(name)
    else if (open.at(-1) === name) open.pop()
    else open.push(`/${name}`)
  }
  return open
}
