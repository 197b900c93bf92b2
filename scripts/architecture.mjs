/**
 * Writes the generated parts of ARCHITECTURE.md: the memory map and the shared structures, from the declarations in src/,
 * and the graph of the floors, from layers.mjs. `--check` only compares, and fails if the file is stale.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { memoryMap, overhead, structures } from 'pageframe/internals'
import { layers } from '../layers.mjs'

const FILE = new URL('../ARCHITECTURE.md', import.meta.url)
const SIZE = 64 * 2 ** 20

const before = readFileSync(FILE, 'utf8')
let after = before
after = replacePart(after, 'memory map', mapText())
after = replacePart(after, 'structures', structuresText())
after = replacePart(after, 'floors', floorsText())

if (process.argv.includes('--check')) {
  if (after !== before) {
    console.error('ARCHITECTURE.md is stale: run node scripts/architecture.mjs')
    process.exit(1)
  }
} else if (after !== before) {
  writeFileSync(FILE, after)
  console.log('ARCHITECTURE.md written')
}

function replacePart(text, name, part) {
  const start = `<!-- generated: ${name} -->`
  const end = `<!-- end: ${name} -->`
  const from = text.indexOf(start)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`ARCHITECTURE.md has no part '${name}'`)
  return `${text.slice(0, from)}${start}\n\n${part}\n\n${text.slice(to)}`
}

function mapText() {
  const rows = memoryMap(SIZE).map(
    ({ name, startByte, lengthBytes }) => `| \`${hex(startByte)}\` | ${show(lengthBytes)} | ${name} |`,
  )
  const percent = (size) => `${(overhead(size) * 100).toFixed(2)} %`
  return [
    'A memory of 64 MiB:',
    '',
    '| from | bytes | what |',
    '| --- | ---: | --- |',
    ...rows,
    '',
    `The kernel keeps ${percent(SIZE)} of it, ${percent(2 ** 30)} of 1 GiB and ${percent(2 ** 32)} of 4 GiB for itself.`,
  ].join('\n')
}

function structuresText() {
  const rows = structures().map(({ name, sizeBytes, fields }) => {
    const list = fields.map((field) => (field.words === 1 ? field.name : `${field.name}[${field.words}]`))
    const words = fields.map((field) => field.at)
    return `| ${name} | ${sizeBytes} | ${list.map((field, i) => `${words[i]} ${field}`).join(' · ')} |`
  })
  return ['| structure | bytes | word and field |', '| --- | ---: | --- |', ...rows].join('\n')
}

function floorsText() {
  const rows = [...layers].reverse().map((names) => names.join('   '))
  return ['```text', ...rows, '```'].join('\n')
}

function hex(number) {
  return `0x${number.toString(16).padStart(8, '0')}`
}

function show(bytes) {
  return bytes.toLocaleString('en-US')
}
