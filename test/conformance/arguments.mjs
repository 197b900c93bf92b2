/** Arguments of a call, from the scenario's expressions to what the call takes (the types: calls.mjs). */

import { bytesOf, evaluate } from './expressions.mjs'

const CONVERT = {
  u64: (value) => Number(BigInt.asUintN(64, value)),
  i64: (value) => Number(BigInt.asIntN(64, value)),
  int: (value) => Number(BigInt.asIntN(32, value)),
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
  if (type === 'text') return bytesOf(expression).toString()
  if (type === 'bytes') return bytesOf(expression)
  if (type === 'name') return expression
  return CONVERT[type](evaluate(expression, names))
}
