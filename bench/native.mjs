/**
 * Contenders in C: bench/native/NAME.c, compiled with gcc when first asked for, kept under node_modules/.cache.
 *
 * A program prints its samples, nanoseconds an operation, one a line (native/sample.h), and behind them other figures by
 * name: `fairness 1.02`. It runs anew each round.
 */

import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const sources = fileURLToPath(new URL('native', import.meta.url))
const cache = fileURLToPath(new URL('../node_modules/.cache/pageframe-bench', import.meta.url))
const FLAGS = ['-std=c11', '-D_GNU_SOURCE', '-O2', '-pthread', '-Wall', '-Wextra', '-Werror']

const run = promisify(execFile)

export function native(name, ...args) {
  const version = spawnSync('gcc', ['--version'], { encoding: 'utf8' })
  if (version.error !== undefined) return 'skipped: no gcc'
  const program = compile(name, version.stdout)
  return {
    async measure() {
      const { stdout } = await run(program, args.map(String))
      return parse(stdout)
    },
  }
}

function parse(output) {
  const samples = []
  const figures = {}
  for (const line of output.trim().split('\n')) {
    const [, name, figure] = /^([a-z].*) (\S+)$/.exec(line) ?? []
    if (name === undefined) samples.push(Number(line))
    else figures[name] = Number(figure)
  }
  return { samples, figures }
}

function compile(name, version) {
  const files = [`${name}.c`, 'sample.h', 'threads.h'].map((file) => join(sources, file))
  const hash = createHash('sha256').update(`${version}${FLAGS.join(' ')}`)
  files.forEach((file) => hash.update(readFileSync(file)))
  const program = join(cache, `${name}-${hash.digest('hex').slice(0, 12)}`)
  if (existsSync(program)) return program

  mkdirSync(cache, { recursive: true })
  const making = `${program}.${process.pid}`
  const { status, stderr } = spawnSync('gcc', [...FLAGS, '-o', making, files[0], '-lm'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`gcc could not compile ${files[0]}\n${stderr}`)
  renameSync(making, program) // whole, or not there: two benches may compile at once
  return program
}
