/**
 * `npm run bench`: runs suites, each in a process of its own, and prints what they found.
 *
 * A process of its own: what one suite teaches V8, and the memories it opens, would change the figures of the next.
 */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { heading } from './harness.mjs'
import { readOptions, USAGE } from './options.mjs'
import { printHeading } from './report.mjs'

const folder = fileURLToPath(new URL('suites', import.meta.url))

try {
  await main(readOptions())
} catch (error) {
  console.error(`bench: ${error.message}`)
  process.exitCode = 1
}

async function main({ suites, rounds, only, json, help }) {
  const all = readdirSync(folder).map((file) => file.replace(/\.mjs$/, ''))
  if (help) return console.log(`${USAGE}\n\n  suites: ${all.join(', ')}; all of them if none is named`)
  const unknown = suites.find((suite) => !existsSync(`${folder}/${suite}.mjs`))
  if (unknown !== undefined) throw new Error(`no suite '${unknown}'; there are ${all.join(', ')}`)

  const about = heading()
  printHeading(about)
  const rows = []
  for (const suite of suites.length === 0 ? all : suites) {
    rows.push(...(await runSuite(suite, ['--rounds', String(rounds), '--only', only])))
  }
  if (json !== undefined) writeFileSync(json, `${JSON.stringify({ ...about, rows }, null, 2)}\n`)
}

async function runSuite(suite, args) {
  const child = fork(`${folder}/${suite}.mjs`, args)
  let rows = []
  child.on('message', (results) => (rows = results))
  const [code, signal] = await once(child, 'exit')
  if (code !== 0) throw new Error(`suite ${suite} ended with ${signal ?? code}`)
  return rows
}
