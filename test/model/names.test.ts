/** Names, as they ship, under every interleaving: one thread makes, the others wait, and a death leaves the name free. */

import { test } from 'vitest'
import { GOT, MADE, namesModel, REFUSED } from './names-models.ts'
import { holds } from './verdicts.ts'

const one = { name: 'a' }

test('two threads that open a new name get one object, made once', () => {
  holds(
    namesModel({
      name: 'two open one',
      wishes: [[one], [one]],
      final: ({ ghost, assert }) => {
        assert(ghost[MADE] === 1 && ghost[GOT] === ghost[GOT + 1], 'both have the one object')
      },
    }),
  )
})

test('if it cannot be made, who waited for it makes it', () => {
  holds(
    namesModel({
      name: 'one fails',
      wishes: [[{ ...one, fails: true }], [one]],
      final: ({ ghost, assert }, bound) => {
        assert(ghost[MADE] === 1 && ghost[GOT + 1] !== 0 && bound.length === 1, 'the other has made it')
      },
    }),
  )
})

test('a death between any two instructions leaves the name free or bound, leaks nothing, and lets nobody sleep', () => {
  holds(
    namesModel({
      name: 'two open one, one is killed',
      wishes: [[one], [one]],
      kill: [0],
      bounds: { preemptions: 2, states: 6_000_000 },
      final: ({ ghost, assert }, bound) => {
        assert(ghost[GOT + 1] !== 0 && bound.length === 1, 'the survivor has it')
      },
    }),
  )
}, 120_000)

test('threads that open, while they make, what the other makes do not wait for ever: one is refused', () => {
  holds(
    namesModel({
      name: 'a circle',
      wishes: [[{ name: 'a', within: 'b' }], [{ name: 'b', within: 'a' }]],
      final: ({ ghost, assert }, bound) => {
        assert(ghost[MADE] === 2 && bound.length === 2, 'both names are made')
        assert(ghost[REFUSED] <= 1, 'one at most is refused')
      },
    }),
  )
})

test('a death while an object is made within another leaves both names free or bound', () => {
  holds(
    namesModel({
      name: 'one within another, killed',
      wishes: [[{ name: 'a', within: 'b' }], [{ name: 'b' }]],
      kill: [0],
      bounds: { preemptions: 2, states: 6_000_000 },
      final: ({ ghost, assert }) => {
        assert(ghost[GOT + 1] !== 0, 'the survivor has what it wanted')
      },
    }),
  )
}, 120_000)
