/** The scenarios that this engine supports, in both layouts: each has to pass. */

import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { runAll, type Result } from './driver.mjs'
import { reasonToSkip } from './engine.mjs'
import { readScenarios } from './scenarios.mjs'

const LIMIT_MS = 300_000

/** Groups of this stage. What is supported of others runs too, but these must have nothing missing but what is known. */
const GROUPS = ['mmap', 'munmap', 'mprotect', 'shm_open', 'paging/frames']

const scenarios = readScenarios(fileURLToPath(new URL('cases.jsonl', import.meta.url)))
const more = readScenarios(fileURLToPath(new URL('more-cases.jsonl', import.meta.url)))
const recorded = readScenarios(fileURLToPath(new URL('recorded.jsonl', import.meta.url)))
const supported = scenarios.filter((scenario) => reasonToSkip(scenario) === undefined)

test('of the core of our groups 29 scenarios are supported', () => {
  const core = supported.filter(({ group, tier }) => tier === 1 && GROUPS.includes(group))

  expect(core).toHaveLength(29)
})

/** Groups of locks and the like, of which nothing may be missing but what other calls are needed for. */
const SYNC_GROUPS = [
  'posix sem', 'mutex', 'mutex robust', 'cond', 'rwlock', 'barrier', 'spin', 'futex', 'death',
] // prettier-ignore

test('of semaphores, locks and futexes only what needs fork, signals or users is skipped', () => {
  const skipped = scenarios
    .filter(({ group }) => SYNC_GROUPS.includes(group))
    .map((scenario) => reasonToSkip(scenario))
    .filter((reason) => reason !== undefined)

  expect(skipped).toHaveLength(7)
  for (const reason of skipped) expect(reason).toMatch(/fork|signal handlers|users/)
})

test.each(['lp64', 'ilp32'])(
  'every supported scenario passes (%s)',
  { timeout: LIMIT_MS },
  async (layout) => {
    const results = await runAll(supported, { layouts: [layout] })

    expect(failuresOf(results)).toEqual([])
    expect(results.length).toBeGreaterThan(40)
  },
)

test.each(['lp64', 'ilp32'])(
  'what else was seen on Linux comes out the same (%s)',
  { timeout: LIMIT_MS },
  async (layout) => {
    expect(more.filter((scenario) => reasonToSkip(scenario) !== undefined)).toEqual([])

    const results = await runAll(halfOf(more, layout), { layouts: [layout] })

    expect(failuresOf(results)).toEqual([])
  },
)

test.each(['lp64', 'ilp32'])(
  'recorded sequences come out as on Linux (%s)',
  { timeout: LIMIT_MS },
  async (layout) => {
    expect(recorded.filter((scenario) => reasonToSkip(scenario) !== undefined)).toEqual([])

    const results = await runAll(halfOf(recorded, layout), { layouts: [layout] })

    expect(failuresOf(results)).toEqual([])
  },
)

/** Every other one in each layout; `npm run conformance -- test/conformance/recorded.jsonl` runs all in both. */
function halfOf<T>(scenarios: readonly T[], layout: string): T[] {
  return scenarios.filter((_, index) => index % 2 === (layout === 'lp64' ? 0 : 1))
}

function failuresOf(results: readonly Result[]): string[] {
  return results
    .filter(({ verdict }) => verdict !== 'passed')
    .map(({ scenario, reason = '' }) => `${scenario.id}: ${reason}`)
}
