/**
 * `npm run check`: everything that can be said about the code without running it. All steps run, whatever fails.
 */

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = (path) => join(root, 'node_modules', path)
const present = (...paths) => paths.filter((path) => existsSync(join(root, path)))

const steps = [
  { name: 'types', run: [bin('typescript/bin/tsc'), '-p', 'tsconfig.json'] },
  { name: 'lint', run: [bin('eslint/bin/eslint.js'), '--max-warnings', '0', '.'] },
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

const failed = steps.filter((step) => !passes(step))
if (failed.length > 0) {
  console.error(`\nfailed: ${failed.map((step) => step.name).join(', ')}`)
  process.exitCode = 1
}

function passes({ name, run }) {
  const began = performance.now()
  const { status, stdout, stderr } = spawnSync(process.execPath, run, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'}  ${name.padEnd(12)}  ${seconds.padStart(5)} s`)
  if (status !== 0) process.stdout.write(`${stdout}${stderr}\n`)
  return status === 0
}
