/** What stands in front of each command sees that something is missing: a checkout of three files, and what becomes of it. */

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const WANTED = {
  '': { name: 'small' },
  'node_modules/tool': { version: '1.0.0' },
  'node_modules/other-platform': { version: '1.0.0', optional: true },
}
const INSTALLED = { 'node_modules/tool': { version: '1.0.0' } }
let checkout = ''

beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), 'pageframe-fresh-'))
  cpSync(join(ROOT, 'scripts/fresh.mjs'), join(checkout, 'scripts/fresh.mjs'))
  write('src/index.ts', 'export {}')
  write('package-lock.json', JSON.stringify({ packages: WANTED }))
  write('node_modules/.package-lock.json', JSON.stringify({ packages: INSTALLED }))
  write('node_modules/tool/package.json', '{}')
  write('dist/index.js', 'export {}')
  write('dist/types/index.d.ts', 'export {}')
  ask("stampBuild('dist', sourceHash())")
})

afterEach(() => {
  rmSync(checkout, { recursive: true })
})

test('where all is in place nothing is to be done', () => {
  expect(ask('[isBuilt(), isInstalled()]')).toEqual([true, true])
})

test.each(['index.js', 'types/index.d.ts', '.built-from'])('dist/ without %s is not built', (file) => {
  rmSync(join(checkout, 'dist', file))

  expect(ask('[isBuilt(), isInstalled()]')).toEqual([false, true])
})

test('dist/ from other sources is not built', () => {
  write('src/index.ts', 'export const other = 1')

  expect(ask('isBuilt()')).toBe(false)
})

test('a tool whose folder is gone is not installed, nor is one of another version', () => {
  rmSync(join(checkout, 'node_modules/tool'), { recursive: true })
  const isInstalledWithoutFolder = ask('isInstalled()')
  write('node_modules/tool/package.json', '{}')
  write('package-lock.json', JSON.stringify({ packages: { 'node_modules/tool': { version: '2.0.0' } } }))

  expect([isInstalledWithoutFolder, ask('isInstalled()')]).toEqual([false, false])
})

test('the stamp of our own build lists all of it', () => {
  const dist = join(ROOT, 'dist')

  const [, ...listed] = readFileSync(join(dist, '.built-from'), 'utf8').split('\n')

  const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  expect(listed).toContain('index.js')
  expect(listed).toHaveLength(files.length - 1)
})

function write(path: string, text: string): void {
  mkdirSync(join(checkout, path, '..'), { recursive: true })
  writeFileSync(join(checkout, path), text)
}

/** What an expression of the checkout's own fresh.mjs is. */
function ask(expression: string): unknown {
  const program = `import { isBuilt, isInstalled, sourceHash, stampBuild } from './scripts/fresh.mjs'
    console.log(JSON.stringify(${expression}) ?? 'null')`
  const args = ['--input-type=module', '-e', program]
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: checkout, encoding: 'utf8' })
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}
