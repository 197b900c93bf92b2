/** docs/inspecting-locks.md: each example that says it runs does, and prints what stands behind its lines. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const guide = readFileSync(join(ROOT, 'docs/inspecting-locks.md'), 'utf8')
const examples = [...guide.matchAll(/^<!-- runs: (\w+) -->\n\n```js\n(.*?)^```$/gms)].map(
  ([, name, code]) => ({
    name,
    code,
  }),
)

test('the guide has its examples', () => {
  expect(examples.map(({ name }) => name)).toEqual(['graph', 'deadlock', 'order', 'statistics'])
})

test.each(examples)('$name prints what it says', { timeout: 60_000 }, async ({ code }) => {
  const folder = mkdtempSync(join(tmpdir(), 'pageframe-guide-'))
  try {
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(ROOT, join(folder, 'node_modules/pageframe'), 'junction')
    const file = join(folder, 'example.mjs')
    writeFileSync(file, code)

    const stdout = await run(file)

    const said = [...code.matchAll(/^console\.log\(.*\) \/\/ (.*)$/gm)].map(([, text]) => text)
    expect(said.length).toBeGreaterThan(0)
    for (const text of said) {
      if (text === 'the table above') expect(stdout).toMatch(/^lock +made +taken/)
      else expect(withoutDurations(stdout)).toContain(withoutDurations(text))
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

function withoutDurations(text: string): string {
  return text.replaceAll(/\d+ ms/g, 'a while').replaceAll(/\s+/g, ' ')
}

function run(file: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [file], { timeout: 50_000 }, (error, stdout) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${file} ended with ${error.code ?? 'a signal'}`))
    })
  })
}
