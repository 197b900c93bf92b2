/** Scenario files: what is read, and what is refused with the line and the reason. */

import { expect, test } from 'vitest'
import { parseScenarios } from './scenarios.mjs'

const step = { p: 'A', call: 'munmap', args: { addr: 'W', len: 0 }, expect: { errno: 'EINVAL' } }
const line = (over: object = {}): string =>
  JSON.stringify({ id: 'x', group: 'g', tier: 2, steps: [step], ...over })

test('a line is a scenario; blank lines and comments are not', () => {
  const scenarios = parseScenarios(
    `# a comment\n${line()}\n\n${line({ id: 'y', procs: ['B', 'C'], needs: ['fork'] })}\n`,
  )

  expect(scenarios).toEqual([
    { id: 'x', group: 'g', tier: 2, title: 'x', needs: [], procs: ['A'], steps: [step] },
    { id: 'y', group: 'g', tier: 2, title: 'y', needs: ['fork'], procs: ['B', 'C'], steps: [step] },
  ])
})

test('integers above 2^53 keep all their digits', () => {
  const [{ steps }] = parseScenarios(
    '{"id":"x","steps":[{"p":"A","call":"store","args":{"addr":"1234567890123456789","value":18446744073709551615}}]}',
  )

  expect(steps[0].args).toEqual({ addr: '1234567890123456789', value: '18446744073709551615' })
})

test.each([
  ['', /no scenario/],
  ['{', /file:1: /],
  [`${line()}\n{"id":`, /file:2: /],
  ['[]', /a scenario is an object/],
  ['null', /a scenario is an object/],
  ['{"steps":[]}', /id/],
  [line({ id: 3 }), /id/],
  [line({ steps: undefined }), /steps/],
  [line({ steps: [] }), /steps/],
  [line({ steps: {} }), /steps/],
  [line({ steps: [3] }), /step 1 is no object/],
  [line({ steps: [step, { p: 'A' }] }), /step 2: call/],
  [line({ steps: [{ call: 'load' }] }), /step 1 \(load\): p /],
  [line({ steps: [{ ...step, args: [] }] }), /args/],
  [line({ steps: [{ ...step, expect: 3 }] }), /expect/],
  [line({ steps: [{ ...step, as: 3 }] }), /as is/],
  [line({ steps: [{ ...step, start: 'soon' }] }), /start/],
  [line({ steps: [{ call: 'finish_any' }] }), /args.of/],
  [line({ procs: [] }), /procs/],
  [line({ procs: ['A', 'A'] }), /twice/],
  [line({ needs: 'fork' }), /needs/],
  [line({ tier: 'one' }), /tier/],
])('%s is refused', (text, message) => {
  expect(() => parseScenarios(text, 'file')).toThrow(
    expect.objectContaining({ name: 'MalformedFile', message: expect.stringMatching(message) as string }),
  )
})
