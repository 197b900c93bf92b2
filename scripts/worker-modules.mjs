/**
 * How code that runs inside a Worker reaches the thread that starts it. Two kinds of file lie in workers/, and one in src/:
 *
 *   workers/NAME.embedded.ts   bundled into ONE string, which `virtual:worker/NAME` exports as `source`.
 *                              For `new Worker(source, { eval: true })`: CommonJS, everything it imports inlined
 *                              (src/ included), only node: left outside. No file on disk, so no path to get wrong.
 *   workers/NAME.ts            becomes dist/workers/NAME.js, an entry like the others: it imports `pageframe` by
 *                              name and shares its chunks. `virtual:worker-file/NAME` exports where, as `url`.
 *   src/NAME.ts                is dist/NAME.js: `virtual:entry-file/NAME` exports where, as `url`. Undefined if nothing says
 *                              so, in somebody's bundle that is CommonJS.
 *
 * The plugin below answers all three names, for rolldown (build.mjs, bundled-models.mjs) and for vite (vitest.config.ts).
 */

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const WORKERS = new URL('../workers/', import.meta.url)
const DIST = new URL('../dist/', import.meta.url)
const EMBEDDED = 'virtual:worker/'
const FILE = 'virtual:worker-file/'
const ENTRY = 'virtual:entry-file/'

/** The syntax that the oldest Node we run on understands; `using` is rewritten. */
export const TARGET = 'node20.19'

/**
 * `absolute`: files are named by where they lie in this checkout, for code that runs from src/ (the tests).
 * Otherwise relative to the importing chunk, which lies in dist/ itself.
 */
export function workerModules({ absolute = false } = {}) {
  return plugin(absolute, [])
}

/** `inside`: the embedded workers that are being bundled around this one, outermost first. */
function plugin(absolute, inside) {
  return {
    name: 'pageframe:worker-modules',

    resolveId(id) {
      return [EMBEDDED, FILE, ENTRY].some((prefix) => id.startsWith(prefix)) ? `\0${id}` : null
    },

    async load(id) {
      if (id.startsWith(`\0${EMBEDDED}`)) {
        const name = id.slice(EMBEDDED.length + 1)
        return `export const source = ${JSON.stringify(await bundle(name, absolute, inside))}`
      }
      if (id.startsWith(`\0${ENTRY}`)) {
        const file = `${id.slice(ENTRY.length + 1)}.js`
        return absolute
          ? `export const url = new URL(${JSON.stringify(new URL(file, DIST).href)})`
          : `export const url = import.meta.url === undefined ? undefined : new URL('./${file}', import.meta.url)`
      }
      if (id.startsWith(`\0${FILE}`)) {
        const file = `workers/${id.slice(FILE.length + 1)}.js`
        return absolute
          ? `export const url = new URL(${JSON.stringify(new URL(file, DIST).href)})`
          : `export const url = new URL('./${file}', import.meta.url)`
      }
      return null
    },
  }
}

async function bundle(name, absolute, inside) {
  // src/ that a worker inlines may hold the very line that starts this worker. It cannot contain itself.
  if (inside.includes(name)) return `throw new Error('worker ${name} cannot start itself')`

  const input = new URL(`${name}.embedded.ts`, WORKERS)
  if (!existsSync(input)) throw new Error(`virtual:worker/${name}: there is no workers/${name}.embedded.ts`)

  const bundled = await rolldown({
    cwd: ROOT,
    input: fileURLToPath(input),
    platform: 'node',
    external: /^node:/,
    transform: { target: TARGET },
    plugins: [plugin(absolute, [...inside, name])],
    onLog: refuseUnresolved,
  })
  const { output } = await bundled.generate({ format: 'cjs', codeSplitting: false, minify: true })
  await bundled.close()

  const foreign = foreignModule(output[0])
  if (foreign !== undefined)
    throw new Error(`workers/${name}.embedded.ts would bring ${foreign} into the library`)
  // In a function: at the top of a script, short names meet globals such as gc, and cannot be declared again.
  // And the name that stack traces show instead of `[worker eval]`.
  return `(()=>{${output[0].code}})()\n//# sourceURL=pageframe/workers/${name}.js\n`
}

/** A bundle that leaves an import to be found at run time is a build that failed. */
export function refuseUnresolved(level, log, next) {
  if (log.code === 'UNRESOLVED_IMPORT') throw new Error(log.message)
  next(level, log)
}

/** A package that a chunk would hold a part of. The library has no dependencies, and copies of them are some, too. */
export function foreignModule(chunk) {
  return chunk.moduleIds.find((id) => id.includes('/node_modules/'))
}

/** rolldown writes each class as a `var`, which V8 looks up where it would know a constant. */
export function constantClasses() {
  return {
    name: 'pageframe:constant-classes',
    renderChunk: (code) => code.replace(/^var ([\w$]+ = class\b)/gm, 'const $1'),
  }
}
