/** The scenarios that this engine supports, in both layouts: each has to pass. */

import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { runAll } from './driver.mjs'
import { reasonToSkip } from './engine.mjs'
import { readScenarios } from './scenarios.mjs'

const LIMIT_MS = 300_000

/** Groups of this stage. What is supported of others runs too, but these must have nothing missing but what is known. */
const GROUPS = ['mmap', 'munmap', 'mprotect', 'shm_open', 'paging/frames']

const scenarios = readScenarios(fileURLToPath(new URL('cases.jsonl', import.meta.url)))
const supported = scenarios.filter((scenario) => reasonToSkip(scenario) === undefined)

test('of the core of our groups 29 scenarios are supported', () => {
  const core = supported.filter(({ group, tier }) => tier === 1 && GROUPS.includes(group))

  expect(core).toHaveLength(29)
})

test.each(['lp64', 'ilp32'])(
  'every supported scenario passes (%s)',
  { timeout: LIMIT_MS },
  async (layout) => {
    const results = await runAll(supported, { layouts: [layout] })

    expect(
      results
        .filter(({ verdict }) => verdict !== 'passed')
        .map(({ scenario, reason }) => `${scenario.id}: ${reason}`),
    ).toEqual([])
    expect(results.length).toBeGreaterThan(40)
  },
)
