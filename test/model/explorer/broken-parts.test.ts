/** A part of the model that throws is told in the report, as an operation is: explore() itself does not throw. */

import { expect, test } from 'vitest'
import { explore, replay } from '../../../src/testing/explore.ts'
import type { Model, Run } from '../../../src/testing/model.ts'

const store: Run = ({ cpu }) => {
  cpu.store(0, 1)
}
const increment: Run = ({ cpu }) => {
  cpu.store(0, cpu.load(0) + 1)
}
const model: Model = { name: 'a part that throws', words: 2, threads: [[store, store]] }

function boom(): never {
  throw new RangeError('boom')
}

test.each<[string, Partial<Model>, readonly string[]]>([
  ['init', { init: boom }, []],
  ['when', { threads: [[store, { run: store, when: boom }]] }, ['T0 store(0, 1)']],
  ['mayKill', { kill: [0], mayKill: boom }, []],
  ['notes', { notes: boom, threads: [[({ cpu }) => void cpu.plainLoad(0)]] }, []],
  ['racy', { racy: boom, raceCheck: true, threads: [[({ cpu }) => void cpu.plainLoad(0)]] }, []],
])('%s()', (part, parts, trace) => {
  const broken = { ...model, ...parts }

  const { failures } = explore(broken)

  expect(failures).toMatchObject([{ kind: 'exception', message: `${part}(): RangeError: boom`, trace }])
  expect(replay(broken, failures[0].schedule)).toEqual({
    trace,
    trouble: { kind: 'exception', message: `${part}(): RangeError: boom` },
  })
})

test('label(): the failure that it was to be told with goes without names, and what it threw comes behind', () => {
  const { failures } = explore({
    ...model,
    threads: [[increment], [increment]],
    final: ({ cpu, assert }) => {
      assert(cpu.load(0) === 2, 'no increment is lost')
    },
    label: boom,
  })

  expect(failures).toMatchObject([
    { kind: 'final', message: 'no increment is lost' },
    { kind: 'exception', message: 'label(): RangeError: boom' },
  ])
  expect(failures[0].trace).toContain('T0 store(0, 1)')
})

test('a label() that is never asked does not matter', () => {
  expect(explore({ ...model, label: boom }).failures).toEqual([])
})
