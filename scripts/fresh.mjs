/**
 * Is what lies here what the sources say? Asked before each `npm start`, `npm test` and `npm run check`, so it must
 * be quick (a few milliseconds) and must use what Node brings along: nothing may be installed yet.
 */

import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
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

/** The file in dist/ that says what was built: the hash of its sources, then each file that there must be, a line each. */
const STAMP = '.built-from'

/** The last step of a build: says what lies in `folder`, made from sources of that hash. */
export function stampBuild(folder, hash) {
  writeFileSync(join(folder, STAMP), [hash, ...filesIn(folder)].join('\n'))
}

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

/** True if dist/ was built from the sources as they are, and has all that was built. */
export function isBuilt() {
  const dist = join(root, 'dist')
  const stamp = join(dist, STAMP)
  if (!existsSync(stamp)) return false
  const [hash, ...files] = readFileSync(stamp, 'utf8').split('\n')
  return files.every((file) => existsSync(join(dist, file))) && hash === sourceHash()
}

/**
 * True if npm has installed what package-lock.json asks for, and it is all there still. npm writes down what it installed
 * as the last thing it does; packages that are optional, or for another platform, may be missing from there.
 */
export function isInstalled() {
  const installed = join(root, 'node_modules/.package-lock.json')
  if (!existsSync(installed)) return false
  const has = JSON.parse(readFileSync(installed, 'utf8')).packages
  const wants = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  return Object.entries(wants).every(([path, wanted]) => {
    if (path === '' || (wanted.optional && !has[path])) return true
    return has[path]?.version === wanted.version && existsSync(join(root, path, 'package.json'))
  })
}

function filesUnder(path) {
  const full = join(root, path)
  if (!existsSync(full)) return []
  return statSync(full).isFile() ? [path] : filesIn(full).map((file) => join(path, file))
}

/** All files in a folder and below, in order, as paths from there. */
function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()
}
