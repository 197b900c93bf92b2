/**
 * `npm run check`: everything that can be said about the code without running it. All steps run, whatever fails, on all
 * cores.
 */

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = (path) => join(root, 'node_modules', path)
const present = (...paths) => paths.filter((path) => existsSync(join(root, path)))

/** The longest first. */
const steps = [
  { name: 'lint', run: [bin('eslint/bin/eslint.js'), '--max-warnings', '0', '.'] },
  { name: 'types', run: [bin('typescript/bin/tsc'), '-p', 'tsconfig.json'] },
  {
    name: 'layers',
    run: [
      bin('dependency-cruiser/bin/dependency-cruise.mjs'),
      ...['--config', '.dependency-cruiser.mjs', '--output-type', 'err-long'],
      ...present('src', 'workers', 'test', 'bench', 'examples'),
    ],
  },
  { name: 'format', run: [bin('prettier/bin/prettier.cjs'), '--check', '--log-level', 'warn', '.'] },
  { name: 'cpu bytes', run: ['scripts/build-cpu.mjs', '--check'] },
  { name: 'architecture', run: ['scripts/architecture.mjs', '--check'], if: 'scripts/architecture.mjs' },
].filter((step) => step.if === undefined || existsSync(join(root, step.if)))

const waiting = [...steps]
const failed = []
await Promise.all(Array.from({ length: availableParallelism() }, runWaiting))
if (failed.length > 0) {
  console.error(`\nfailed: ${failed.join(', ')}`)
  process.exitCode = 1
}

async function runWaiting() {
  for (let step; (step = waiting.shift()) !== undefined;) {
    if (!(await passes(step))) failed.push(step.name)
  }
}

function passes({ name, run }) {
  const began = performance.now()
  return new Promise((resolve) => {
    execFile(process.execPath, run, { cwd: root, maxBuffer: 2 ** 28 }, (error, stdout, stderr) => {
      const seconds = ((performance.now() - began) / 1000).toFixed(1)
      console.log(`${error === null ? 'ok    ' : 'FAILED'}  ${name.padEnd(12)}  ${seconds.padStart(5)} s`)
      if (error !== null) process.stdout.write(`${stdout}${stderr}` || `${error.signal ?? error.message}\n`)
      resolve(error === null)
    })
  })
}
