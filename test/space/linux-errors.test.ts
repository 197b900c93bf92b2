/**
 * Calls with arguments at the edges, each in a process that has mapped the same four things, and what a Linux kernel (6.18,
 * run as root, without randomization) said. fixtures/linux-errors.jsonl: a call and its result a line, as in
 * linux-placement.jsonl; descriptors 0, 1, 2 are one object by O_RDWR, O_RDONLY, O_WRONLY, and others are not open.
 */

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { machine } from './fault-world.ts'

const FILE = process.env.PAGEFRAME_ERRORS ?? new URL('fixtures/linux-errors.jsonl', import.meta.url)
const calls = readFileSync(FILE, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as [string, number])

const BASE = 0x1000_0000
const BEFORE = [
  `p ${BASE} ${16 * PAGE_SIZE} 3 50 -1 0`,
  `p ${BASE + 20 * PAGE_SIZE} ${4 * PAGE_SIZE} 1 17 1 0`,
  `p 536870912 ${4 * PAGE_SIZE} 3 306 -1 0`,
  `p ${BASE + 30 * PAGE_SIZE} ${4 * PAGE_SIZE} 1 18 0 0`,
]
/** What the oracle's own process had mapped below its mmap_base: vdso and vvar. */
const VDSO = [0x7ffff7ff7000, 0x7ffff7fff000] as const

test('each call answers as Linux does', { timeout: 60_000 }, () => {
  const different = calls
    .map(([call, linux]) => ({ call, linux, ours: answerTo(call) }))
    .filter(({ linux, ours }) => linux !== ours)

  expect(different).toEqual([])
})

const computer = machine('lp64')
const object = computer.object(256)
const { areas } = computer.process(0).space

function answerTo(call: string): number {
  const vdso = VDSO[1] - VDSO[0]
  areas.mmap(VDSO[0], vdso, 5, 0x32, undefined, 0)
  for (const before of BEFORE) expect(run(before)).toBe(Number(before.split(' ')[1]))
  const result = run(call)
  for (const { start, end } of [...areas.all()]) areas.munmap(start * PAGE_SIZE, (end - start) * PAGE_SIZE)
  return result
}

function run(call: string): number {
  const [op, ...rest] = call.split(' ')
  const [a, b, c, d, fd, offset] = rest.map(Number)
  if (op === 'u') return areas.munmap(a, b)
  if (op === 't') return areas.mprotect(a, b, c)
  const access = ([2, 0, 1] as const)[fd] as 0 | 1 | 2 | undefined
  const backing = access === undefined ? undefined : { object, access }
  return areas.mmap(a, b, c, d, backing, offset)
}
