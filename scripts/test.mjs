/**
 * Runs vitest, and ends it if it does not end by itself: `node scripts/test.mjs [what vitest run takes]`.
 *
 * vitest's own time-outs are timers in the thread of the test. A thread that hangs in a blocking wait never gets to
 * them, and its process waits for ever. So a watchdog stands outside, which kills vitest with all its processes.
 *
 *   PAGEFRAME_TEST_MINUTES   how long the whole run may take, 10 if not given
 */

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const minutes = Number(process.env.PAGEFRAME_TEST_MINUTES ?? 10)
const notes = mkdtempSync(join(tmpdir(), 'pageframe-test-'))
const running = join(notes, 'running')

const vitest = spawn(
  process.execPath,
  [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PAGEFRAME_RUNNING_TESTS: running },
    // A process group of its own: one signal reaches vitest and every process it started.
    detached: true,
  },
)

const watchdog = setTimeout(() => {
  console.error(`\nThe tests have not ended after ${minutes} minutes: killed.`)
  console.error(notEnded())
  console.error(
    'One that has run for long may hang: a wait that blocks its thread cannot be interrupted from inside, so look for one\n' +
      'without timeoutMs. If all went on, the machine was slow: PAGEFRAME_TEST_MINUTES gives them longer.',
  )
  signalAll('SIGKILL')
}, minutes * 60_000)

// The terminal's Ctrl-C reaches its own process group only.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => signalAll(signal))

vitest.on('exit', (code, signal) => {
  clearTimeout(watchdog)
  // Nobody of the group outlives the run: not even a worker process that hangs.
  signalAll('SIGKILL')
  rmSync(notes, { recursive: true, force: true })
  process.exitCode = code ?? 128 + constants.signals[signal]
})

function signalAll(signal) {
  try {
    process.kill(-vitest.pid, signal)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

/** The files that had begun, with how long they have run, and those that had not. */
function notEnded() {
  if (!existsSync(running)) return 'vitest had not begun.'
  const now = Date.now()
  const noted = JSON.parse(readFileSync(running, 'utf8'))
  const begun = noted.running.map(([file, since]) => `  ${file}, for ${Math.round((now - since) / 1000)} s`)
  const waiting = noted.waiting.map((file) => `  ${file}`)
  return ['Still running:', ...orNone(begun), 'Not begun:', ...orNone(waiting)].join('\n')
}

function orNone(lines) {
  return lines.length === 0 ? ['  none'] : lines
}
