/**
 * Makes a checkout ready to run: installs the tools and builds dist/, each only if it is missing or stale. Stands in
 * front of `npm start`, `npm test` and the others, so that each of them works right after `git clone`. Says one
 * line for each thing it does, and nothing when there is nothing to do.
 *
 *   --install-only   does not build
 *
 * Uses node: modules only. Two of these at once in one checkout take turns.
 */

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isBuilt, isInstalled } from './fresh.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const installOnly = process.argv.includes('--install-only')

try {
  refuseOldNode()
  if (!isReady()) inTurn(prepare)
} catch (error) {
  console.error(`pageframe: ${error.message}`)
  process.exitCode = 1
}

function isReady() {
  return isInstalled() && (installOnly || isBuilt())
}

function prepare() {
  if (!isInstalled()) {
    console.log('pageframe: installing the tools (npm ci)')
    const flags = ['--include=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    // npm tells the scripts it runs where it lies; without npm around us, the shell's PATH knows.
    const npm = process.env.npm_execpath?.endsWith('.js')
      ? [process.execPath, process.env.npm_execpath]
      : ['npm']
    run('npm ci', [...npm, 'ci', ...flags])
  }
  if (!installOnly && !isBuilt()) {
    console.log('pageframe: building dist/')
    run('the build', [process.execPath, join(root, 'scripts/build.mjs')])
  }
}

/** What the tools print is shown only if they fail. */
function run(what, [command, ...args]) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  if (status === 0) return
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`)
  throw new Error(`${what} failed${error ? `: ${error.message}` : ''}`)
}

/** A name is linked by exactly one process; the file behind it says which. Its name outlives a holder who died. */
function inTurn(work) {
  // Not in node_modules/, which installing sweeps away.
  const turn = join(
    tmpdir(),
    `pageframe-${createHash('sha256').update(root).digest('hex').slice(0, 16)}.turn`,
  )
  const mine = `${turn}-${process.pid}`
  writeFileSync(mine, String(process.pid))
  try {
    waitForTurn(turn, mine)
  } finally {
    rmSync(mine, { force: true })
  }
  try {
    work()
  } finally {
    rmSync(turn, { force: true })
  }
}

function waitForTurn(turn, mine) {
  let hasSaidSo = false
  while (!tryLink(mine, turn)) {
    const holder = holderOf(turn)
    if (holder === undefined) continue
    if (!isAlive(holder)) {
      rmSync(turn, { force: true })
      continue
    }
    if (!hasSaidSo)
      console.log(`pageframe: process ${holder} prepares this checkout, waiting for it (${turn})`)
    hasSaidSo = true
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  }
}

function tryLink(from, to) {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

function holderOf(turn) {
  try {
    return Number(readFileSync(turn, 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function refuseOldNode() {
  const { node: wanted } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines
  const [major, minor] = process.versions.node.split('.').map(Number)
  const [, wantedMajor, wantedMinor] = /(\d+)\.(\d+)/.exec(wanted).map(Number)
  if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor)) {
    throw new Error(`Node ${wanted} is needed, this is ${process.versions.node}`)
  }
}
