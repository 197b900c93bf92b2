/** The guides in docs/: each program in them is run as it stands, and says what the block behind it says. */

import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)
let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pageframe-guides-'))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(ROOT, join(folder, 'node_modules/pageframe'), 'junction')
})

afterAll(() => {
  rmSync(folder, { recursive: true })
})

test.each(programs('testing.md'))('$name', { timeout: 60_000 }, async ({ file, code, says }) => {
  writeFileSync(join(folder, file), code)

  const { stdout } = await run(process.execPath, [join(folder, file)], { timeout: 50_000 })

  expect(normal(stdout)).toBe(normal(says))
})

/** The programs of a guide, and what each says. */
function programs(guide: string): { name: string; file: string; code: string; says: string }[] {
  const text = readFileSync(join(ROOT, 'docs', guide), 'utf8')
  const found = [...text.matchAll(/^```js\n(.*?)^```\n\n```text\n(.*?)^```$/gms)]
  return found.map(([, code, says], i) => ({
    name: `${guide}, program ${i + 1}`,
    file: `${guide}.${i + 1}.mjs`,
    code,
    says,
  }))
}

/** Without times, and with one space where there are several. */
function normal(text: string): string {
  return text
    .replace(/\d+ ms/g, 'some ms')
    .replace(/ +/g, ' ')
    .trim()
}
