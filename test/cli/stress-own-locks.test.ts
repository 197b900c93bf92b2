/** pageframe stress --lock: a lock of the user's own, driven and verified as ours are. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { folder, pageframe } from './command.ts'
import { short, SPIN, stress } from './stress.ts'

/** The same, and it survives its holder: whoever takes it over is told. */
const ROBUST = `
  const DIED = -1
  export default class Robust {
    constructor(words, worker) { this.words = words; this.worker = worker }
    lock() {
      for (;;) {
        const seen = Atomics.load(this.words, 0)
        if (seen > 0) continue
        if (Atomics.compareExchange(this.words, 0, seen, this.worker) === seen) return seen === DIED
      }
    }
    unlock() { Atomics.store(this.words, 0, 0) }
    static afterDeath(words, worker) { Atomics.compareExchange(words, 0, worker, DIED) }
  }`

/** One inside at a time; what it says of deaths, and what it does after one, is `told` and `afterDeath`. */
function robustBut(told: string, afterDeath = 'Atomics.compareExchange(words, 0, worker, DIED)'): string {
  return ROBUST.replace('return seen === DIED', `return ${told}`).replace(
    'Atomics.compareExchange(words, 0, worker, DIED)',
    afterDeath,
  )
}

const BROKEN = 'export default class Broken { lock() {} unlock() {} }'

describe('a lock of your own', () => {
  test('is measured like ours, alone or beside one', async () => {
    const { code, stderr, report } = await stress(['mutex', '--lock', write('spin.mjs', SPIN), ...short])

    expect(code, stderr).toBe(0)
    expect(report?.primitives.map(({ name, primitive }) => [name, primitive])).toEqual([
      ['mutex', 'mutex'],
      ['Spin', 'own'],
    ])
  })

  test('as the documentation shows it works, deaths included', async () => {
    const guide = readFileSync(new URL('../../docs/stress.md', import.meta.url), 'utf8')
    const source = /```js\n([^]*?)```/.exec(guide)?.[1] ?? ''
    const args = [
      '--lock',
      write('documented.mjs', source),
      '--workers',
      '3',
      '--seconds',
      '1.5',
      '--hold',
      '1000',
    ]

    const { code, stderr, figures } = await stress([...args, '--kill-every', '50'])

    expect(code, stderr).toBe(0)
    expect(figures?.name).toBe('MyLock')
    expect(figures?.kills?.count).toBeGreaterThan(0)
  })

  test('that lets two in is caught', async () => {
    const { code, stderr, figures } = await stress([
      '--lock',
      write('broken.mjs', BROKEN),
      ...short,
      '--hold',
      '100',
    ])

    expect(code).toBe(1)
    expect(figures?.violationCount).toBeGreaterThan(0)
    expect(stderr).toContain('pageframe stress: Broken: ')
  })

  test('whose holders die goes on, if it can: the next one is told', async () => {
    const args = ['--lock', write('robust.mjs', ROBUST), '--workers', '2', '--seconds', '2', '--hold', '2000']

    const { code, stderr, figures } = await stress([...args, '--kill-every', '50'])

    expect(code, stderr).toBe(0)
    expect(figures?.kills?.count).toBeGreaterThan(0)
    expect(figures?.operations).toBeGreaterThan(0)
  })

  test.each([
    ['always', 'true', /^worker \d was told that the last owner died, and nobody had$/],
    [
      'always, from the first death on',
      'seen === DIED || this.words[9] === 1',
      /^worker \d was told that the last owner died, and \d+ had died: that makes \d+ times$/,
    ],
    [
      'after each death, wherever that was',
      'Atomics.exchange(this.words, 9, 0) === 1',
      /^\d+ workers? died that may have held it, and owners were told \d+ times?$/,
    ],
  ])('that says %s that the last owner died is found', async (_, told, what) => {
    const source = robustBut(told, 'words[9] = 1; Atomics.compareExchange(words, 0, worker, DIED)')
    const lock = write('liar.mjs', source)
    const args = ['--lock', lock, '--workers', '2', '--seconds', '4', '--think', '1000000']

    const { code, figures } = await stress([...args, '--kill-every', '20'])

    expect(code).toBe(1)
    expect(figures?.violations[0]).toMatch(what)
    expect(figures?.kills?.worstRecoveryMs).toBeLessThan(4000)
  })

  test('that never says that the last owner died is found, and the dead are not said to be inside', async () => {
    const lock = write('silent.mjs', robustBut('false'))
    const args = ['--lock', lock, '--workers', '2', '--seconds', '8', '--hold', '100000']

    const { code, figures } = await stress([...args, '--kill-every', '30'])

    expect(code).toBe(1)
    // Two, where the other worker finds one too before it hears that the run is over.
    expect(figures?.violations).not.toEqual([])
    for (const violation of figures?.violations ?? []) {
      expect(violation).toMatch(
        /^worker \d came in while the last owner, worker \d, was dead, and was not told of its death$|died inside, and the next owners were told/,
      )
    }
  })

  test.each([
    ['that is not there', 'nowhere.mjs', undefined, 1, 'nowhere.mjs does not exist'],
    ['that is no module', 'text.mjs', 'this is not JavaScript', 1, 'is no lock: '],
    ['that is no class', 'object.mjs', 'export default {}', 1, 'is no lock: its default export is no class'],
    [
      'that cannot be unlocked',
      'half.mjs',
      'export default class { lock() {} }',
      1,
      'has no method unlock()',
    ],
    [
      'whose afterDeath is no function',
      'five.mjs',
      'export default class { lock() {} unlock() {} static afterDeath = 5 }',
      1,
      'is no lock: its static afterDeath is no function',
    ],
    ['whose module throws no Error', 'thrown.mjs', "throw 'early'", 1, 'threw "early", which is no Error'],
  ])('%s is refused', async (_, name, source, exitCode, message) => {
    const file = source === undefined ? join(folder, name) : write(name, source)

    const { code, stdout, stderr } = await pageframe('stress', '--lock', file, ...short)

    expect({ code, stdout }).toEqual({ code: exitCode, stdout: '' })
    expect(stderr).toContain(message)
  })

  test('that gives promises is none', async () => {
    const source = 'export default class Later { async lock() {} unlock() {} }'

    const { code, figures } = await stress(['--lock', write('later.mjs', source), ...short])

    expect(code).toBe(1)
    expect(figures?.violations.join()).toContain('lock() returned a promise')
  })

  test('that is given back by a promise is none', async () => {
    const source = SPIN.replace('unlock()', 'async unlock()')

    const { code, figures } = await stress(['--lock', write('late.mjs', source), ...short])

    expect(code).toBe(1)
    expect(figures?.violations.join()).toContain('unlock() returned a promise')
  })

  test('whose methods are arrow functions is one', async () => {
    const source = SPIN.replace('lock() {', 'lock = () => {').replace('unlock() {', '; unlock = () => {')

    const { code, stderr, figures } = await stress(['--lock', write('arrows.mjs', source), ...short])

    expect(code, stderr).toBe(0)
    expect(figures?.operations).toBeGreaterThan(0)
  })

  test('goes by its file if its name is no text', async () => {
    const file = write('nameless.mjs', SPIN.replace('constructor', 'static name = 5; constructor'))

    const { code, stderr, figures } = await stress(['--lock', file, ...short])

    expect(code, stderr).toBe(0)
    expect(figures?.name).toBe(file)
  })

  test('that throws what is no Error fails in a few words', async () => {
    const source = "export default class Odd { lock() { throw { why: 'never' } } unlock() {} }"

    const { code, stderr } = await stress(['--lock', write('odd.mjs', source), ...short])

    expect(code).toBe(1)
    expect(stderr).toMatch(/worker \d failed: threw \{"why":"never"\}, which is no Error\n$/)
  })

  test.each([
    ['throws', "static afterDeath() { throw new Error('not\\nmine') }", 'not mine'],
    ['rejects', "static async afterDeath() { throw 'later' }", 'threw "later", which is no Error'],
  ])(
    'whose afterDeath %s ends the run: one line, exit code 1, and the results so far',
    async (_, method, why) => {
      const source = ROBUST.replace(/static afterDeath.*/, method)
      const args = ['--lock', write('afterwards.mjs', source), '--workers', '2', '--seconds', '20']

      const { code, stdout, stderr, figures } = await stress([...args, '--kill-every', '50'])

      expect(code).toBe(1)
      expect(stderr).toMatch(
        /^pageframe stress: Robust: \d violations?, the first: afterDeath\(\) failed: (.*)$/m,
      )
      expect(stderr).toContain(`afterDeath() failed: ${why}\n`)
      expect(stderr).not.toContain('    at ')
      expect(stdout).toMatch(/│ Robust +│ +2 │/)
      expect(figures?.kills?.count).toBe(1)
      expect(figures?.operations).toBeGreaterThan(0)
    },
  )

  test('that knows nothing of deaths is not made to die', async () => {
    const { code, stderr } = await pageframe(
      'stress',
      '--lock',
      write('spin.mjs', SPIN),
      '--kill-every',
      '10',
    )

    expect(code).toBe(2)
    expect(stderr).toContain(
      '--kill-every does not go with Spin: its class has no static afterDeath(words, worker)',
    )
  })

  function write(name: string, source: string): string {
    const file = join(folder, name)
    writeFileSync(file, source)
    return file
  }
})
