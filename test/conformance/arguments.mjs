/** Arguments of a call, from the scenario's expressions to what the call takes (the types: calls.mjs). */

import { isUtf8 } from 'node:buffer'
import { bytesOf, evaluate } from './expressions.mjs'

/** Where bytes stand that are no text: a private area of Unicode. */
const NO_TEXT = 0xe000

const CONVERT = {
  u64: (value) => Number(BigInt.asUintN(64, value)),
  i64: (value) => Number(BigInt.asIntN(64, value)),
  int: (value) => Number(BigInt.asIntN(32, value)),
  u32: (value) => Number(BigInt.asUintN(32, value)),
  word: (value) => value,
}

/** Arguments that the table of a call does not name are not looked at: C has no use for them either. */
export function argumentsOf(types, args = {}, names) {
  const converted = {}
  for (const [name, type] of Object.entries(types)) {
    if (args[name] !== undefined) converted[name] = convert(type, args[name], names)
  }
  return converted
}

function convert(type, expression, names) {
  if (type === 'text') return textOf(bytesOf(expression))
  if (type === 'bytes') return bytesOf(expression)
  if (type === 'name') return expression
  if (type === 'list') return expression.map((pair) => pair.map((each) => CONVERT.u64(evaluate(each, names))))
  return CONVERT[type](evaluate(expression, names))
}

/** The string of C that bytes are: it ends at a zero. Where they are no UTF-8, different bytes are still different strings. */
export function textOf(bytes) {
  const end = bytes.indexOf(0)
  const name = end < 0 ? bytes : bytes.subarray(0, end)
  if (isUtf8(name)) return name.toString()
  return String.fromCharCode(...Array.from(name, (byte) => (byte < 0x80 ? byte : NO_TEXT + byte)))
}
