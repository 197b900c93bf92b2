/**
 * Nothing that a record needs is called: V8 builds all of it into the user's loop. It is what makes a record cost 8 ns of a
 * side and not 18, and a few bytes of bytecode decide it (ARCHITECTURE.md); so V8 is asked.
 */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { LIMIT_MS } from '../support.ts'

const PROGRAM = fileURLToPath(new URL('../fixtures/hot-channel.mjs', import.meta.url))

const FLAGS = [
  '--trace-turbo-inlining',
  // In the thread itself, at once: the program may end before another thread has compiled anything.
  '--no-concurrent-recompilation',
  // 80 fewer than there are: a user's loop calls functions of its own.
  '--max-inlined-bytecode-size-cumulative=840',
]

let trace: string

beforeAll(() => {
  const { stdout, stderr, status } = spawnSync(process.execPath, [...FLAGS, PROGRAM], {
    encoding: 'utf8',
    env: {}, // not for debug mode, and with no options but these
    timeout: LIMIT_MS,
    maxBuffer: 64 * 1024 * 1024,
  })
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
  trace = stdout
})

test.each([
  ['loan', 2, 'produceBatch'], // the channel's and the sender's
  ['lend', 1, 'produceBatch'],
  ['claim', 1, 'produceBatch'],
  ['get byteOffset', 1, 'produceBatch'],
  ['commit', 2, 'produceBatch'],
  ['place', 2, 'produceBatch'],
  ['isOpen', 3, 'produceBatch'],
  ['recordWords', 2, 'produceBatch'],
  ['read', 2, 'consumeBatch'],
  ['advance', 1, 'consumeBatch'],
  ['next', 1, 'consumeBatch'],
  ['get byteOffset', 1, 'consumeBatch'],
  ['place', 1, 'consumeBatch'],
  ['release', 1, 'consumeBatch'],
  ['isAsSeen', 3, 'consumeBatch'],
])('%s, %d in %s', (name, times, loop) => {
  expect(inlined(name, loop)).toBeGreaterThanOrEqual(times)
})

test('what is needed now and then is not: it would take the room of what each record needs', () => {
  expect(inlined('look', 'produceBatch')).toBe(0)
  expect(inlined('look', 'consumeBatch')).toBe(0)
})

function inlined(name: string, loop: string): number {
  const line = new RegExp(
    `^Inlining \\S+ \\{\\S+ <SharedFunctionInfo ${name}>\\} into \\S+ \\{\\S+ <SharedFunctionInfo ${loop}>\\}$`,
    'gm',
  )
  return [...trace.matchAll(line)].length
}
