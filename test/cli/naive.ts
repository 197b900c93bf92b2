/** The exchange's records read the plain way, with strings and regular expressions: what the in-place parsers must agree with. */

import type { Kind, Result } from '../../workers/exchange/tally.ts'

/** What is in these bytes, cut after every line feed and after every `blockBytes` bytes of a line. */
export function naiveResult(bytes: Uint8Array, kind: Kind, blockBytes: number): Result {
  const text = Buffer.from(bytes).toString('latin1')
  const records = (text.match(/[^\n]*\n|[^\n]+$/g) ?? []).flatMap((line) => pieces(line, blockBytes))
  const lines = records.map((record) => record.replace(/\r?\n$/, ''))
  const parsed = kind === 'wordnet' ? naiveWordnet(lines) : naiveLines(lines)
  return { records: records.length, checksum: naiveChecksum(bytes), ...parsed }
}

type Parsed = Pick<Result, 'counts' | 'sum' | 'longest'>

function pieces(line: string, most: number): string[] {
  const count = Math.ceil(line.length / most)
  return Array.from({ length: count }, (_, i) => line.slice(i * most, (i + 1) * most))
}

function naiveChecksum(bytes: Uint8Array): number {
  let sum = 0n
  bytes.forEach((byte, i) => (sum += BigInt(i + 1) * BigInt(byte)))
  return Number(sum % 2n ** 32n)
}

function naiveLines(lines: readonly string[]): Parsed {
  const fields = lines.flatMap((line) => line.split(/[\0- ,;]+/)).filter((field) => field !== '')
  const numbers = fields.filter((field) => /^-?\d{1,9}$/.test(field))
  return {
    counts: {
      fields: fields.length,
      numbers: numbers.length,
      'empty lines': lines.filter((line) => line === '').length,
    },
    sum: numbers.reduce((sum, number) => sum + BigInt(number), 0n),
    longest: Math.max(0, ...lines.map((line) => line.length)),
  }
}

const TYPES = { n: 'noun', v: 'verb', a: 'adjective', s: 'satellite', r: 'adverb' } as const

function naiveWordnet(lines: readonly string[]): Parsed {
  const counts: Record<string, number> = { words: 0, collocations: 0, 'other lines': 0 }
  for (const type of Object.values(TYPES)) counts[`synsets: ${type}`] = 0
  const add = (name: string, count = 1) => (counts[name] = (counts[name] ?? 0) + count)
  let sum = 0n
  let longest = 0
  for (const line of lines) {
    const synset = naiveSynset(line)
    if (synset === undefined) {
      add('other lines')
      continue
    }
    add(`synsets: ${TYPES[synset.type]}`)
    add(`file: ${synset.file}`)
    add('words', synset.words.length)
    add('collocations', synset.words.filter((word) => word.includes('_')).length)
    for (const [symbol, offset] of synset.pointers) {
      add(`pointers: ${symbol}`)
      sum += BigInt(offset)
    }
    longest = Math.max(longest, synset.gloss.length)
  }
  return { counts, sum, longest }
}

function naiveSynset(line: string) {
  const head = /^\d{8} (\d\d) ([nvasr]) ([\da-f]{2}) /.exec(line)
  if (head === null) return undefined
  const words = Number.parseInt(head[3], 16)
  const middle = new RegExp(`^((?:[^ ]* [^ ]* ){${words}})(\\d{3}) `).exec(line.slice(head[0].length))
  if (middle === null) return undefined
  const rest = line.slice(head[0].length + middle[0].length)
  const pointer = '[!-~]{1,2} \\d{8} [nvasr] [\\da-f]{4} '
  const tail = new RegExp(`^((?:${pointer}){${Number(middle[2])}})[^|]*\\|(.*)$`, 's').exec(rest)
  if (tail === null) return undefined
  return {
    file: Number(head[1]),
    type: head[2] as keyof typeof TYPES,
    words: Array.from({ length: words }, (_, i) => middle[1].split(' ')[2 * i]),
    pointers: Array.from(tail[1].matchAll(/([!-~]{1,2}) (\d{8}) .{7}/g), ([, symbol, offset]) => [
      symbol,
      offset,
    ]),
    gloss: tail[2].replace(/^ +| +$/g, ''),
  }
}
