/**
 * A vite plugin for the models: what their test files import is bundled, and loaded by Node itself.
 *
 *   test/model/NAME.test.ts ── import ──► node_modules/.cache/pageframe-models/HASH/NAME.mjs    one for each import
 *                                                                               └─► all.mjs     the code of all of them
 *
 * vite hands a module to its importers as an object, and each use of an imported name is a call of a getter there. The
 * explorer takes half a million steps a second and uses many: the same searches took 1.4 times as long.
 *
 * Made when a model is first loaded, if it is not there; HASH is that of all it is made from. So a vitest that watches files
 * keeps the bundle that it began with.
 *
 * Invariant: a folder that is there is whole. It comes by a rename and goes by one, when nobody has used it for a day; other
 * runs, with other sources, keep theirs.
 */

import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { constantClasses, refuseUnresolved, TARGET, workerModules } from './worker-modules.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const models = join(root, 'test/model')
const cache = join(root, 'node_modules/.cache/pageframe-models')
const IMPORT = /(?:from|import) '(\.[^']*)'/g
const DAY_MS = 86_400_000

const SOURCES = ['src', 'test', 'workers']
const BUILDERS = ['scripts/bundled-models.mjs', 'scripts/worker-modules.mjs', 'package-lock.json']

/** Where the bundle lies, for vitest's `server.deps.external`. */
export const BUNDLED = /\/pageframe-models\//

export function bundledModels() {
  let files
  let folder
  return {
    name: 'pageframe:bundled-models',
    enforce: 'pre',

    async resolveId(source, importer) {
      if (importer === undefined || !source.startsWith('.') || !isTest(importer)) return null
      files ??= entries()
      const name = nameOf(resolve(dirname(importer), source))
      if (!files.has(name)) return null
      folder ??= bundled(files)
      return join(await folder, `${name}.mjs`)
    },
  }
}

/** The folder that the bundle of the sources as they are lies in. */
async function bundled(files) {
  for (;;) {
    const hash = hashOfSources()
    const folder = join(cache, hash)
    if (!existsSync(folder)) {
      const making = join(cache, `making-${process.pid}`)
      try {
        await bundle(files, making)
        if (hashOfSources() !== hash) continue // somebody has edited meanwhile
        moveTo(folder, making)
      } finally {
        rmSync(making, { recursive: true, force: true })
      }
    }
    utimesSync(folder, new Date(), new Date())
    sweep()
    return folder
  }
}

async function bundle(files, dir) {
  const build = await rolldown({
    cwd: root,
    input: Object.fromEntries(files),
    platform: 'node',
    external: [/^node:/, 'vitest'],
    transform: { target: TARGET },
    plugins: [workerModules({ absolute: true }), constantClasses()],
    onLog: refuseUnresolved,
  })
  await build.write({
    dir,
    entryFileNames: '[name].mjs',
    chunkFileNames: '[name].mjs',
    codeSplitting: { groups: [{ name: 'all', test: /\.ts$|^\0virtual:/ }] },
  })
  await build.close()
}

/** Another run may have made the same, or swept it away: then there is nothing to do. */
function moveTo(folder, making) {
  try {
    renameSync(making, folder)
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(error.code)) throw error
  }
}

/** What nobody has used for a day goes, and what was begun and never finished. */
function sweep() {
  for (const name of readdirSync(cache)) {
    const folder = join(cache, name)
    if (Date.now() - (statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) < DAY_MS) continue
    const going = join(cache, `going-${process.pid}`)
    moveTo(going, folder)
    rmSync(going, { recursive: true, force: true })
  }
}

/** What the test files of the models import, by name. */
function entries() {
  const files = new Map()
  for (const test of readdirSync(models, { recursive: true }).map((name) => join(models, name))) {
    if (!isTest(test)) continue
    for (const [, source] of readFileSync(test, 'utf8').matchAll(IMPORT)) {
      const file = resolve(dirname(test), source)
      const name = nameOf(file)
      if ((files.get(name) ?? file) !== file) throw new Error(`${file} and ${files.get(name)} have one name`)
      files.set(name, file)
    }
  }
  return files
}

function isTest(file) {
  return file.startsWith(models) && file.endsWith('.test.ts')
}

function nameOf(file) {
  return relative(root, file).replaceAll(/[^\w-]/g, '_')
}

function hashOfSources() {
  const hash = createHash('sha256')
  for (const file of [...SOURCES.flatMap(filesIn), ...BUILDERS])
    hash.update(`${file}\0`).update(readFileSync(join(root, file))).update('\0') // prettier-ignore
  return hash.digest('hex').slice(0, 16)
}

function filesIn(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort()
}
