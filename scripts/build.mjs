/**
 * Builds dist/ from src/ and workers/. Node 20 runs JavaScript, so whatever Node loads comes from here.
 *
 *   dist/NAME.js           one for each entry file src/NAME.ts (index, sync, channel, cli ...)
 *   dist/workers/NAME.js   one for each workers/NAME.ts
 *   dist/shared-*.js       what several of them need, once
 *   dist/types/            the declarations
 *
 * First pass: each workers/NAME.embedded.ts becomes a string. Second pass: everything else, around those strings
 * (worker-modules.mjs says how the two kinds of worker differ). Packages are bundled into what dist/cli.js alone loads.
 *
 * The new dist/ is made beside the old one and takes its place at the end, so a build that fails changes nothing.
 */

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { sourceHash, stampBuild } from './fresh.mjs'
import { constantClasses, foreignModule, refuseUnresolved, TARGET, workerModules } from './worker-modules.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
const making = join(root, `.dist-${process.pid}`)

const hash = sourceHash()
try {
  await bundle()
  declare()
  stampBuild(making, hash)
  replace(dist, making)
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
} finally {
  rmSync(making, { recursive: true, force: true })
}

async function bundle() {
  const bundled = await rolldown({
    cwd: root,
    input: { ...entries('src', ''), ...entries('workers', 'workers/') },
    platform: 'node',
    external: /^node:/,
    transform: { target: TARGET },
    // Worker files and the command line name the package as its users do; here that is the entry beside them.
    resolve: { alias: packageEntries() },
    plugins: [workerModules(), constantClasses()],
    onLog: refuseUnresolved,
  })
  const { output } = await bundled.write({
    dir: making,
    format: 'esm',
    entryFileNames: '[name].js',
    // Flat, so that a URL relative to any of them is one relative to dist/.
    chunkFileNames: 'shared-[name].js',
    minifyInternalExports: false,
    comments: false,
    // Each module that a worker loads takes it a third of a millisecond: what every entry needs is one file.
    codeSplitting: {
      groups: [
        {
          name: 'core',
          test: /[\\/]src[\\/](index\.ts|(words|threads|sync|frames|memory|locks|channel)[\\/])|virtual:worker\/supervisor$/,
        },
        {
          name: 'core',
          test: /[\\/]src[\\/]host[\\/](buffer|clock|cpu|cpu-bytes|debug-cpu|doorbells|text|workers)\.ts$/,
        },
        // What every process of a machine needs. The supervisor's part of it is loaded by who boots one only.
        {
          name: 'machine',
          test: /[\\/]src[\\/](machine\.ts|(paging|storage|space|ipc|machine)[\\/](?!entry\.ts))|[\\/]src[\\/]host[\\/]spawning\.ts$/,
        },
      ],
    },
  })
  await bundled.close()

  refuseForeignCode(output)
  runnable('cli.js')
}

/** { index: 'src/index.ts', ... }: the files directly in `folder`, without declarations and embedded workers. */
function entries(folder, prefix) {
  if (!existsSync(join(root, folder))) return {}
  return Object.fromEntries(
    readdirSync(join(root, folder))
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts') && !file.endsWith('.embedded.ts'))
      .map((file) => [prefix + basename(file, '.ts'), `${folder}/${file}`]),
  )
}

/** { 'pageframe/sync': '/.../src/sync.ts', ... }, from what package.json exports. Longest first: prefixes match. */
function packageEntries() {
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return Object.fromEntries(
    Object.entries(exports)
      .filter(([, target]) => typeof target === 'object')
      .map(([path, { default: file }]) => [
        join(name, path),
        join(root, 'src', `${basename(file, '.js')}.ts`),
      ])
      .sort(([a], [b]) => b.length - a.length),
  )
}

/** The library has no dependencies: what npm installed for development must not slip in. */
function refuseForeignCode(output) {
  const ours = new Map(
    output.filter((chunk) => chunk.type === 'chunk').map((chunk) => [chunk.fileName, chunk]),
  )
  const reached = new Set()
  const visit = (fileName) => {
    if (reached.has(fileName) || !ours.has(fileName)) return
    reached.add(fileName)
    ours.get(fileName).imports.forEach(visit)
    ours.get(fileName).dynamicImports.forEach(visit)
  }
  for (const chunk of ours.values()) {
    if (chunk.isEntry && chunk.fileName !== 'cli.js') visit(chunk.fileName)
  }
  for (const fileName of reached) {
    const foreign = foreignModule(ours.get(fileName))
    if (foreign !== undefined)
      throw new Error(`${fileName} would hold ${foreign}: only dist/cli.js may bundle packages`)
  }
}

function runnable(fileName) {
  const file = join(making, fileName)
  if (!existsSync(file)) return
  const code = readFileSync(file, 'utf8')
  if (!code.startsWith('#!')) writeFileSync(file, `#!/usr/bin/env node\n${code}`)
  chmodSync(file, 0o755)
}

function declare() {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const args = ['-p', join(root, 'tsconfig.build.json'), '--declarationDir', join(making, 'types')]
  const { status } = spawnSync(process.execPath, [tsc, ...args], { stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) throw new Error('tsc could not write the declarations')
}

/** Two renames: nobody finds half a dist/. */
function replace(target, made) {
  const old = `${made}-old`
  rmSync(old, { recursive: true, force: true })
  if (existsSync(target)) renameSync(target, old)
  renameSync(made, target)
  rmSync(old, { recursive: true, force: true })
}
