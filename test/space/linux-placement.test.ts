/**
 * Where a Linux kernel (6.18, randomize_va_space = 0) put what random calls mapped: at hints, at fixed addresses, in gaps,
 * in address spaces so full that it begins from below. fixtures/linux-placement.jsonl: a trace a line. `initial`: what the
 * program had mapped by itself (first page, page behind the last, 1 if it is a stack). A step: p (mmap), u (munmap) or t
 * (mprotect) with its arguments, and the result.
 */

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_GROWSDOWN,
  MAP_NORESERVE,
  MAP_PRIVATE,
} from '../../src/space/constants.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { machine } from './fault-world.ts'

interface Trace {
  readonly seed: number
  readonly initial: readonly (readonly [number, number, number])[]
  readonly steps: readonly (readonly [string, number])[]
}

const FILE = process.env.PAGEFRAME_PLACEMENTS ?? new URL('fixtures/linux-placement.jsonl', import.meta.url)
const traces = readFileSync(FILE, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Trace)

test.each(traces.map((trace) => [trace.seed, trace] as const))(
  'trace %i',
  { timeout: 20_000 },
  (_, trace) => {
    const { areas } = machine('lp64').process(0).space
    const fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE
    for (const [start, end, isStack] of trace.initial) {
      const address = start * PAGE_SIZE
      const flags = fixed | (isStack === 1 ? MAP_GROWSDOWN : 0)
      expect(areas.mmap(address, (end - start) * PAGE_SIZE, 0, flags, undefined, 0)).toBe(address)
    }

    const results = trace.steps.map(([call]) => {
      const [op, ...rest] = call.split(' ')
      const [a, b, c, d] = rest.map(Number)
      if (op === 'p') return [call, areas.mmap(a, b, c, d, undefined, 0)]
      return [call, op === 'u' ? areas.munmap(a, b) : areas.mprotect(a, b, c)]
    })

    expect(results).toEqual(trace.steps)
    expect([...areas.table.tree.problems()]).toEqual([])
  },
)
