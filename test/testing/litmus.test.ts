/**
 * Litmus tests with real workers: pageframe's instructions, and Atomics, show only outcomes that some order of the steps
 * gives. What plain accesses show is printed: that depends on the processor and the compiler.
 *
 *   PAGEFRAME_LITMUS   rounds of each, 100,000 if not given
 */

import { litmus, type LitmusName } from 'pageframe/testing'
import { describe, expect, test } from 'vitest'
import { rejectionOf } from '../support.ts'

const ROUNDS = Number(process.env.PAGEFRAME_LITMUS ?? 100_000)

/** What no order gives. */
const weak: Readonly<Record<LitmusName, string>> = {
  SB: '0 0',
  MP: '1 0',
  LB: '1 1',
  IRIW: '1 0 1 0',
  CoRR: '1 0',
}
const names = Object.keys(weak) as LitmusName[]

describe.each(['wasm', 'Atomics', 'plain'] as const)('%s', (instructions) => {
  test.each(names)('%s', { timeout: 120_000 }, async (name) => {
    const report = await litmus(name, { rounds: ROUNDS, instructions })

    const seen = [...report.seen].sort().map(([outcome, count]) => `${outcome}: ${count}`)
    console.log(`${name} ${instructions}: ${seen.join(', ')}`)
    expect(report.allowed).not.toContain(weak[name])
    expect(report.allowed.length).toBe(2 ** weak[name].split(' ').length - 1)
    expect([...report.seen.values()].reduce((sum, count) => sum + count)).toBe(report.rounds)
    expect(report.rounds).toBeGreaterThanOrEqual(ROUNDS)
    if (instructions !== 'plain') expect(report.forbidden).toEqual([])
    else expect([[], [weak[name]]]).toContainEqual(report.forbidden)
  })
})

test('misuse is refused', async () => {
  expect((await rejectionOf(litmus('XY' as LitmusName))).message).toContain("name must be 'SB' or 'MP'")
  expect((await rejectionOf(litmus('SB', { rounds: 0 }))).message).toContain('rounds must be a whole number')
  const wrong = { instructions: 'Wasm' } as never
  expect((await rejectionOf(litmus('SB', wrong))).message).toContain("instructions must be 'wasm' or")
})
