/**
 * Is what lies here what the sources say? Asked before each `npm start`, `npm test` and `npm run check`, so it must
 * be quick (a few milliseconds) and must use what Node brings along: nothing may be installed yet.
 */

import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** What a build depends on. Contents, not times: a checkout gives old files new times, and new files old ones. */
const SOURCES = [
  'src',
  'workers',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
]
const BUILDERS = ['scripts/build.mjs', 'scripts/fresh.mjs', 'scripts/worker-modules.mjs']

/** The file in dist/ that holds the hash of the sources it was built from. */
export const SOURCE_STAMP = '.built-from'

export function sourceHash() {
  const hash = createHash('sha256')
  for (const file of [...SOURCES, ...BUILDERS].flatMap(filesUnder)) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0')
  }
  return hash.digest('hex')
}

export function isBuilt() {
  const stamp = join(root, 'dist', SOURCE_STAMP)
  return existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === sourceHash()
}

/**
 * True if npm has installed what package-lock.json asks for. npm writes down what it installed as the last thing it
 * does; packages that are optional, or for another platform, may be missing from there.
 */
export function isInstalled() {
  const installed = join(root, 'node_modules/.package-lock.json')
  if (!existsSync(installed)) return false
  const has = JSON.parse(readFileSync(installed, 'utf8')).packages
  const wants = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  return Object.entries(wants).every(
    ([path, wanted]) =>
      path === '' || has[path]?.version === wanted.version || (wanted.optional && !has[path]),
  )
}

function filesUnder(path) {
  const full = join(root, path)
  if (!existsSync(full)) return []
  if (statSync(full).isFile()) return [path]
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
    .sort()
}
