import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Account } from '../../workers/exchange/account.ts'
import { BlockReader } from '../../workers/exchange/blocks.ts'
import type { Kind } from '../../workers/exchange/tally.ts'
import { kindOf } from '../../src/cli/exchange/input.ts'
import { differences, merge } from '../../src/cli/exchange/result.ts'
import { naiveResult } from './naive.ts'
import { anyText, wordnetText } from './samples.ts'

const texts = { wordnet: wordnetText, lines: anyText }

describe.each(Object.keys(texts) as Kind[])('records of kind %s', (kind) => {
  test('parsed in place, they say what they say to regular expressions', () => {
    fc.assert(
      fc.property(texts[kind], (bytes) => {
        const account = new Account(kind)

        account.addBlock(bytes, 0)

        expect(differences(account.result(), naiveResult(bytes, kind, bytes.length + 1))).toEqual([])
      }),
      { numRuns: 300 },
    )
  })

  test('read in blocks by several consumers in any order, they add up to the same', () => {
    fc.assert(
      fc.property(texts[kind], fc.integer({ min: 16, max: 400 }), fc.nat(), (bytes, blockBytes, seed) => {
        writeFileSync(file, bytes)
        const consumers = [new Account(kind), new Account(kind), new Account(kind)]

        const blocks = blocksOf([file], blockBytes)
        blocks.sort((a, b) => ((a.position + seed) % 7) - ((b.position + seed) % 7))
        blocks.forEach(({ block, position }, i) => {
          consumers[(i * seed) % 3].addBlock(block, position)
        })

        const found = merge(consumers.map((consumer) => consumer.result()))
        expect(differences(found, naiveResult(bytes, kind, blockBytes))).toEqual([])
      }),
      { numRuns: 100 },
    )
  })
})

test('blocks in a row are the files in a row, and end with a line unless the line does not fit', () => {
  fc.assert(
    fc.property(
      fc.array(anyText, { maxLength: 4 }),
      fc.integer({ min: 1, max: 300 }),
      (texts, blockBytes) => {
        const files = texts.map((bytes, i) => join(folder, `part-${i}`))
        files.forEach((path, i) => {
          writeFileSync(path, texts[i])
        })

        const blocks = blocksOf(files, blockBytes)

        const whole = Buffer.concat(texts)
        const ends = texts.map((_, i) => Buffer.concat(texts.slice(0, i + 1)).length)
        expect(Buffer.concat(blocks.map(({ block }) => block)).equals(whole)).toBe(true)
        for (const { block, position } of blocks) {
          expect(Buffer.from(block).equals(whole.subarray(position, position + block.length))).toBe(true)
          const isWhole = block.at(-1) === 0x0a || ends.includes(position + block.length)
          expect(isWhole || (block.length === blockBytes && !block.includes(0x0a))).toBe(true)
        }
      },
    ),
    { numRuns: 100 },
  )
})

test.each([
  ['lost', (bytes: Uint8Array) => bytes.subarray(0, -1)],
  ['doubled', (bytes: Uint8Array) => Uint8Array.of(...bytes, bytes[0])],
  ['changed', (bytes: Uint8Array) => bytes.with(1, bytes[1] ^ 1)],
  ['swapped', (bytes: Uint8Array) => bytes.with(0, bytes[1]).with(1, bytes[0])],
])('a byte that is %s changes the checksum', (_, damage) => {
  const bytes = new Uint8Array(Buffer.from('one two\nthree\n'))
  const sound = new Account('lines')
  const damaged = new Account('lines')

  sound.addBlock(bytes, 0)
  damaged.addBlock(damage(bytes), 0)

  expect(damaged.result().checksum).not.toBe(sound.result().checksum)
})

test('a file is read as WordNet if its first line that is not indented is a synset', () => {
  const bytes = (text: string) => new Uint8Array(Buffer.from(text))

  expect(kindOf(bytes('  1 licence\n  2\n00001740 03 n 01 entity 0 000 | x\n'))).toBe('wordnet')
  expect(kindOf(bytes('00001740 03 x 01 entity 0 000 | x\n'))).toBe('lines')
  expect(kindOf(bytes('  1 licence\nname,age\n'))).toBe('lines')
  expect(kindOf(bytes(''))).toBe('lines')
})

// ── below ─────────────────────────────────────────────────────────────────────────────────────────────────────────

let folder: string
let file: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pageframe-records-'))
  file = join(folder, 'text')
})

afterAll(() => {
  rmSync(folder, { recursive: true })
})

function blocksOf(files: readonly string[], blockBytes: number) {
  const reader = new BlockReader(files)
  const blocks: { block: Uint8Array; position: number }[] = []
  for (;;) {
    const bytes = new Uint8Array(blockBytes)
    const length = reader.read(bytes, 0)
    if (length === 0) return blocks
    blocks.push({ block: bytes.subarray(0, length), position: reader.position })
  }
}
