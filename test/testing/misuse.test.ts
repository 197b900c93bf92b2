/** What is no model is refused, with the call, the part of it and the rule, before anything runs. */

import { assertHolds, explore, outcomesOf, replay, type Model } from 'pageframe/testing'
import { expect, test } from 'vitest'
import { thrownBy } from '../support.ts'

const nothing = (): void => undefined
const model: Model = { name: 'a model', words: 1, threads: [[nothing]] }

test.each([
  [undefined, 'model must be an object with name, words and threads, not undefined'],
  [{ ...model, name: 7 }, 'model.name must be a string, not 7'],
  [{ ...model, words: 0 }, 'model.words must be a whole number from 1 to 16777216, not 0'],
  [{ ...model, words: '1' }, "model.words must be a number, not '1'"],
  [{ ...model, threads: nothing }, 'model.threads must be an array with the operations of each thread'],
  [{ ...model, threads: [] }, 'model.threads must have 1 to 30 threads and tasks, not 0'],
  [{ ...model, threads: [nothing] }, 'model.threads[0] must be an array of operations, or { tasks: [...] }'],
  [
    { ...model, threads: new Array(1) },
    'model.threads[0] must be an array of operations, or { tasks: [...] }',
  ],
  [{ ...model, threads: [new Array(1)] }, 'model.threads[0][0] must be a function, or { run, when }'],
  [{ ...model, threads: [[nothing], [{}]] }, 'model.threads[1][0] must be a function, or { run, when }'],
  [{ ...model, threads: [{ tasks: [[7]] }] }, 'model.threads[0].tasks[0][0] must be a function'],
  [{ ...model, kill: [1] }, 'model.kill[0] must be a whole number from 0 to 0, not 1'],
  [{ ...model, kill: 0 }, 'model.kill must be an array'],
  [{ ...model, final: true }, 'model.final must be a function, not true'],
  [{ ...model, bounds: { preemption: 2 } }, 'model.bounds.preemption is no bound: there are preemptions,'],
  [
    { ...model, raceChek: true },
    'model.raceChek is no part of a model: there are name, words, init, threads,',
  ],
  [{ ...model, toString: nothing }, 'model.toString is no part of a model'],
  [{ ...model, raceCheck: 1 }, 'model.raceCheck must be true or false, not 1'],
  [{ ...model, spinLoops: 'yes' }, "model.spinLoops must be true or false, not 'yes'"],
  [{ ...model, racy: 5 }, 'model.racy must be an array of pairs [first, end), or a function, not 5'],
  [{ ...model, hints: [0, 4] }, 'model.hints[0] must be a pair [first, end), not 0'],
  [{ ...model, notes: [[0, -4]] }, 'model.notes[0][1] must be a whole number from 0'],
  [{ ...model, bounds: { toString: 2 } }, 'model.bounds.toString is no bound: there are preemptions,'],
  [{ ...model, bounds: { states: -1 } }, 'model.bounds.states must be a whole number from 1'],
])('%j: %s', (wrong, message) => {
  const error = thrownBy(() => explore(wrong as Model))

  expect(error.message).toContain(`explore(): ${message}`)
  expect(error.code).toMatch(/^ERR_PAGEFRAME_/)
  expect(thrownBy(() => replay(wrong as Model, '0')).message).toContain(`replay(): ${message}`)
})

test('assertHolds() throws the report of what does not hold, and returns it if all does', () => {
  expect(assertHolds(model)).toMatchObject({ failures: [] })
  const broken: Model = {
    ...model,
    final: ({ assert }) => {
      assert(false, 'it never does')
    },
  }
  expect(thrownBy(() => assertHolds(broken)).message).toMatch(/^a model .*final: it never does\n/)
})

test('outcomesOf() lists the ends that runs have', () => {
  const outcomes = outcomesOf(
    {
      ...model,
      threads: [1, 2].map((value) => [
        ({ cpu }) => {
          cpu.store(0, cpu.load(0) * 10 + value)
        },
      ]),
    },
    ({ cpu }) => String(cpu.load(0)),
  )

  expect(outcomes).toEqual(['1', '12', '2', '21'])
})
