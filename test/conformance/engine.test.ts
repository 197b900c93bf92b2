/** What the engine does not support is skipped with a reason, and nothing that the language knows is without one. */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { reasonToSkip } from './engine.mjs'
import { parseScenarios, readScenarios } from './scenarios.mjs'

const scenarios = readScenarios(fileURLToPath(new URL('cases.jsonl', import.meta.url)))

const one = (over: object): ReturnType<typeof parseScenarios>[number] =>
  parseScenarios(JSON.stringify({ id: 'x', steps: [{ p: 'A', call: 'close' }], ...over }))[0]

test.each([
  [{}, undefined],
  [{ needs: ['fork'] }, /fork/],
  [{ needs: ['posix_shm', 'teleport'] }, /'teleport', which this engine does not know/],
  [{ needs: ['constructor'] }, /does not know/],
  [{ steps: [{ p: 'A', call: 'pipe' }] }, /pipes/],
  [{ steps: [{ p: 'A', call: 'teleport' }] }, /no call 'teleport'/],
  [{ steps: [{ p: 'A', call: 'toString' }] }, /no call 'toString'/],
  [{ steps: [{ p: 'A', call: 'procstat', args: { field: 'VmLck' } }] }, undefined],
  [{ steps: [{ p: 'A', call: 'procstat', args: { field: 'VmHWM' } }] }, /VmHWM/],
  [{ steps: [{ p: 'A', call: 'close', expect: { glory: 1 } }] }, /'glory'/],
])('%o', (over, reason) => {
  const actual = reasonToSkip(one(over))

  if (reason === undefined) expect(actual).toBeUndefined()
  else expect(actual).toMatch(reason)
})

test('every scenario that is skipped names a reason that was written down', () => {
  const nameless = scenarios
    .map((scenario) => reasonToSkip(scenario))
    .filter((reason) => (reason ?? '').includes('this engine'))

  expect(nameless).toEqual([])
})

test('the cases are those of the file they were copied from', () => {
  const lines = readFileSync(new URL('cases.jsonl', import.meta.url), 'utf8')
    .trim()
    .split('\n')

  expect(scenarios).toHaveLength(lines.length)
  expect(scenarios).toHaveLength(252)
})
