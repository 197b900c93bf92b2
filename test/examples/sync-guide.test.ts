/** The examples in docs/sync.md, each in a file of its own: what a line is said to print is what it prints. */

import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import * as sync from 'pageframe/sync'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

const guide = readFileSync(join(ROOT, 'docs/sync.md'), 'utf8')
const examples = guide
  .split(/^## /m)
  .slice(1)
  .flatMap((section) => {
    const name = section.slice(0, section.indexOf('\n'))
    return [...section.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => ({ name, code }))
  })

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pageframe-guide-'))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(ROOT, join(folder, 'node_modules/pageframe'), 'junction')
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
})

afterAll(() => {
  rmSync(folder, { recursive: true })
})

test.each(examples)(
  'the example of $name prints what it says',
  { timeout: 60_000 },
  async ({ name, code }) => {
    const said = [...code.matchAll(/\/\/ → (.*)$/gm)].map(([, line]) => `${line}\n`)
    expect(said).not.toEqual([])
    const file = join(folder, `${name}.js`)
    writeFileSync(file, code)

    const { stdout, stderr } = await run(process.execPath, [file], { timeout: 50_000 })

    expect(stdout).toBe(said.join(''))
    expect(stderr).toBe('')
  },
)

describe('nothing is left out', () => {
  test.each(Object.keys(sync))('%s has an example', (name) => {
    expect(examples.map((example) => example.name)).toContain(name)
  })
})
