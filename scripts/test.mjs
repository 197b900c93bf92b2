/**
 * Runs vitest, and ends it if it hangs: `node scripts/test.mjs [what vitest run takes]`.
 *
 * vitest's own time-outs are timers in the thread of the test. A thread that hangs in a blocking wait never gets to
 * them, and its process waits for ever. So a watchdog stands outside, which kills vitest with all its processes when one
 * file has gone on for too long without a test that began or ended, however long all of them take: machines differ.
 *
 *   PAGEFRAME_TEST_MINUTES   how long that may be, 5 if not given: as long as the longest time-out of a test
 */

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const minutes = Number(process.env.PAGEFRAME_TEST_MINUTES ?? 5)
const LOOK_MS = 500
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

const began = Date.now()
const watchdog = setInterval(() => {
  if (Date.now() - lastSign() < minutes * 60_000) return
  clearInterval(watchdog)
  console.error(`\nA test file has hung for ${minutes} minutes: killed.`)
  console.error(notEnded())
  console.error(
    'A wait that blocks its thread cannot be interrupted from inside: look for one without timeoutMs. If the machine was\n' +
      'only slow, PAGEFRAME_TEST_MINUTES gives each test longer.',
  )
  signalAll('SIGKILL')
}, LOOK_MS)

// The terminal's Ctrl-C reaches its own process group only.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => signalAll(signal))

vitest.on('exit', (code, signal) => {
  clearInterval(watchdog)
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

/** When the file that has been silent for the longest was last heard of; when anything was, if none runs. */
function lastSign() {
  if (!existsSync(running)) return began
  const heard = JSON.parse(readFileSync(running, 'utf8')).running.map(([, , heard]) => heard)
  return heard.length === 0 ? statSync(running).mtimeMs : Math.min(...heard)
}

/** The files that had begun, with how long they have run and been silent, and those that had not. */
function notEnded() {
  if (!existsSync(running)) return 'vitest had not begun.'
  const now = Date.now()
  const noted = JSON.parse(readFileSync(running, 'utf8'))
  const seconds = (since) => `${Math.round((now - since) / 1000)} s`
  const begun = noted.running.map(
    ([file, since, heard]) => `  ${file}, for ${seconds(since)}, silent for ${seconds(heard)}`,
  )
  const waiting = noted.waiting.map((file) => `  ${file}`)
  return ['Still running:', ...orNone(begun), 'Not begun:', ...orNone(waiting)].join('\n')
}

function orNone(lines) {
  return lines.length === 0 ? ['  none'] : lines
}
