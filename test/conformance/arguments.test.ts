/** Arguments of calls: the texts that a process is given. */

import { expect, test } from 'vitest'
import { argumentsOf } from './arguments.mjs'

function nameOf(text: unknown): unknown {
  const converted = argumentsOf({ name: 'text' }, { name: text }, new Map()) as { name?: unknown }
  return converted.name
}

test('a text ends at its first zero byte, as in C', () => {
  expect(nameOf({ hex: '2f610062' })).toBe('/a')
  expect(nameOf({ hex: '00' })).toBe('')
  expect(nameOf(['/', { hex: 'c3a9' }])).toBe('/é')
})

test('texts that are no UTF-8 differ where their bytes do', () => {
  const names = ['2fff', '2ffe', '2fefbfbd', '2f61c3', '2f61e2'].map((hex) => nameOf({ hex }))

  expect(new Set(names).size).toBe(5)
})
