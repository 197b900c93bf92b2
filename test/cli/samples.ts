/** Data to exchange: lines as WordNet writes them, and lines of anything, for fast-check. */

import fc from 'fast-check'

const types = fc.constantFrom('n', 'v', 'a', 's', 'r')
const digits = (length: number) =>
  fc.nat({ max: 10 ** length - 1 }).map((value) => String(value).padStart(length, '0'))
const word = fc.constantFrom('entity', 'physical_entity', "rock_'n'_roll", 'x', '', '24/7', 'Caf\xe9')
const symbols = fc.constantFrom('@', '~', '~i', '#m', '!', '\\', '+', ';c', '<', '&')
const gloss = fc.constantFrom(
  '',
  'that which is; "an example"  ',
  ' a | in it ',
  'expel air',
  'x'.repeat(300),
)

const synset = fc
  .record({
    offset: digits(8),
    file: digits(2),
    type: types,
    words: fc.array(fc.tuple(word, fc.constantFrom('0', 'a', '1f')), { maxLength: 20 }),
    pointers: fc.array(fc.tuple(symbols, digits(8), types, fc.constantFrom('0000', '01a2')), {
      maxLength: 12,
    }),
    frames: fc.constantFrom('', '02 + 02 00 + 08 00 '),
    gloss,
  })
  .map(({ offset, file, type, words, pointers, frames, gloss }) =>
    [
      `${offset} ${file} ${type} ${words.length.toString(16).padStart(2, '0')} `,
      ...words.map((pair) => `${pair.join(' ')} `),
      `${String(pointers.length).padStart(3, '0')} `,
      ...pointers.map((pointer) => `${pointer.join(' ')} `),
      `${frames}| ${gloss}`,
    ].join(''),
  )

/** A synset of which something was changed, cut off or left out. */
const damaged = fc
  .tuple(synset, fc.nat(), fc.constantFrom('', ' ', '|', '0', 'z', '\xff', '  '), fc.nat({ max: 3 }))
  .map(([line, where, instead, without]) => {
    const at = where % line.length
    return line.slice(0, at) + instead + line.slice(at + without)
  })

const field = fc.oneof(
  fc.integer({ min: -(10 ** 10), max: 10 ** 10 }).map(String),
  fc.constantFrom('-', '--1', '3.5', '007', '-0', '999999999', '-999999999', 'abc', '1a', 'a1', '\xe4'),
)
const fields = fc
  .array(fc.tuple(field, fc.constantFrom(' ', ',', ';', '\t', ', ', '\r', '')), { maxLength: 30 })
  .map((pairs) => pairs.flat().join(''))
const anything = fc
  .uint8Array({ maxLength: 60 })
  .map((bytes) => Buffer.from(bytes).toString('latin1').replaceAll('\n', ' '))

const lineEnds = fc.constantFrom('\n', '\n', '\r\n', '\n\n', '\r\r\n')

function textOf(line: fc.Arbitrary<string>): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.array(fc.tuple(line, lineEnds), { maxLength: 40 }), fc.oneof(fc.constant(''), line))
    .map(([lines, last]) => new Uint8Array(Buffer.from(lines.flat().join('') + last, 'latin1')))
}

export const wordnetText = textOf(fc.oneof(synset, synset, damaged, anything, fields))
export const anyText = textOf(fc.oneof(fields, fields, anything, synset))

/** Text of so many lines as WordNet writes them, the same each time. */
export function wordnetSample(lines: number): string {
  const synsets = fc.sample(fc.oneof(synset, damaged), { numRuns: lines, seed: 7 })
  return `  1 This is not a synset.  \n${synsets.join('\n')}\n`
}

/** Text of so many lines of fields, the same each time. */
export function fieldsSample(lines: number): string {
  return `${fc.sample(fields, { numRuns: lines, seed: 7 }).join('\n')}\n`
}
