/** `npm test` ends a run that hangs, and says truly which files had ended, had begun and had not. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const LIMIT_S = 6

const FILES = {
  // The largest first: that is the order in which vitest takes files it does not know yet.
  'ends.test.mjs': `test('ends', () => undefined) // ${'-'.repeat(2000)}`,
  'hangs.test.mjs': `test('hangs', () => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0) }) // ${'-'.repeat(1000)}`,
  'waits.test.mjs': `test('waits', () => undefined)`,
  'vitest.config.mjs': `export default { test: {
    globals: true, pool: 'forks', maxWorkers: 1, cache: false, reporters: [${JSON.stringify(join(ROOT, 'scripts/running-tests.mjs'))}],
  } }`,
}

test('the watchdog names what was running and what had not begun', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pageframe-watchdog-'))
  for (const [name, content] of Object.entries(FILES)) writeFileSync(join(folder, name), content)
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST')))

  const run = spawn(process.execPath, [join(ROOT, 'scripts/test.mjs'), '--root', folder], {
    env: { ...env, PAGEFRAME_TEST_MINUTES: String(LIMIT_S / 60) },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const [said] = await Promise.all([text(run.stderr), once(run, 'exit')])
  rmSync(folder, { recursive: true })

  expect(said.replace(/for \d+ s/g, 'for some s')).toContain(
    'Still running:\n  hangs.test.mjs, for some s, silent for some s\nNot begun:\n  waits.test.mjs\n',
  )
  expect(said).not.toContain('ends.test.mjs')
  expect(run.exitCode).toBe(128 + 9)
})
