/**
 * A vite plugin for the models: what their test files import is bundled, and loaded by Node itself.
 *
 *   test/model/NAME.test.ts ── import ──► node_modules/.cache/pageframe-models/HASH/NAME.mjs    one for each import
 *                                                                               └─► all.mjs     the code of all of them
 *
 * vite hands a module to its importers as an object, and each use of an imported name is a call of a getter there. The
 * explorer takes half a million steps a second and uses many: the same searches took 1.4 times as long.
 *
 * Made when vitest starts, if it is not there; HASH is that of all sources.
 */

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { constantClasses, TARGET, workerModules } from './worker-modules.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const cache = join(root, 'node_modules/.cache/pageframe-models')
const IMPORT = /from '(\.[^']*)'/g

/** Where the bundle lies, for vitest's `server.deps.external`. */
export const BUNDLED = /\/pageframe-models\//

export function bundledModels() {
  const folder = join(cache, hashOf(['src', 'test', 'workers']))
  const files = entries()
  return {
    name: 'pageframe:bundled-models',
    enforce: 'pre',

    async buildStart() {
      if (!existsSync(folder)) await bundle(files, folder)
    },

    resolveId(source, importer) {
      if (importer === undefined || !isTest(importer)) return null
      const name = nameOf(resolve(dirname(importer), source))
      return files.has(name) ? join(folder, `${name}.mjs`) : null
    },
  }
}

async function bundle(files, folder) {
  const making = `${cache}-${process.pid}`
  const bundled = await rolldown({
    cwd: root,
    input: Object.fromEntries(files),
    platform: 'node',
    external: [/^node:/, 'vitest'],
    transform: { target: TARGET },
    plugins: [workerModules({ absolute: true }), constantClasses()],
  })
  await bundled.write({
    dir: making,
    entryFileNames: '[name].mjs',
    chunkFileNames: '[name].mjs',
    codeSplitting: { groups: [{ name: 'all', test: /\.ts$|^\0virtual:/ }] },
  })
  await bundled.close()
  rmSync(cache, { recursive: true, force: true })
  mkdirSync(cache, { recursive: true })
  renameSync(making, folder) // whole, or not there
}

/** What the test files of the models import, by name. */
function entries() {
  const tests = readdirSync(join(root, 'test/model'), { recursive: true })
    .map((file) => join(root, 'test/model', file))
    .filter(isTest)
  const files = tests.flatMap((test) =>
    [...readFileSync(test, 'utf8').matchAll(IMPORT)].map(([, source]) => resolve(dirname(test), source)),
  )
  return new Map(files.map((file) => [nameOf(file), file]))
}

function isTest(file) {
  return file.startsWith(join(root, 'test/model')) && file.endsWith('.test.ts')
}

function nameOf(file) {
  return relative(root, file).replaceAll(/[^\w-]/g, '_')
}

function hashOf(folders) {
  const hash = createHash('sha256')
  for (const folder of folders) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const file = join(entry.parentPath, entry.name)
      hash.update(`${file}\0`).update(readFileSync(file)).update('\0')
    }
  }
  return hash.digest('hex').slice(0, 16)
}
