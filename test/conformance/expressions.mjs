/**
 * Expressions of the scenario language: integers of any size (bigint), evaluated with the symbols of a scenario.
 *
 *   W+3p+8        three pages and eight bytes behind W        a suffix p: pages
 *   (b+1p)/PAGE   a symbol bound by an earlier step, a constant of C
 *
 *   from loose to tight   |   &   <<   + -   * /   - ~ (unary)   ( )
 *
 * `/` rounds down, as the recording side (Python) does. A name is a symbol first, then a constant.
 */

import { CONSTANTS, PAGE } from './constants.mjs'

/** An expression that cannot be read, or that names what nobody has bound. */
export class ExpressionError extends Error {
  name = 'ExpressionError'
}

const TOKEN = /\s*(?:(0x[0-9a-fA-F]+|\d+)(p\b)?|([A-Za-z_$][A-Za-z_0-9.$]*)|(<<|[-+*/|&~()]))/y

/** Operators of two operands, by how tightly they bind. */
const BINARY = [
  { '|': (a, b) => a | b },
  { '&': (a, b) => a & b },
  { '<<': shiftLeft },
  { '+': (a, b) => a + b, '-': (a, b) => a - b },
  { '*': (a, b) => a * b, '/': divide },
]

const UNARY = { '-': (a) => -a, '+': (a) => a, '~': (a) => ~a }

/**
 * The value of a number or an expression: a bigint; a number that is no integer (half a page) stays a number.
 * `names` maps symbols to bigints.
 *
 * @param {unknown} expression
 * @param {Map<string, bigint>} names
 * @returns {bigint | number}
 */
export function evaluate(expression, names) {
  if (typeof expression === 'bigint') return expression
  if (typeof expression === 'boolean') return expression ? 1n : 0n
  if (typeof expression === 'number') return Number.isInteger(expression) ? BigInt(expression) : expression
  if (typeof expression !== 'string') {
    throw new ExpressionError(`${JSON.stringify(expression)} is neither a number nor an expression`)
  }
  const reader = new Reader(expression, names)
  const value = reader.binary(0)
  if (reader.token !== undefined) throw reader.error()
  return value
}

class Reader {
  #text
  #names
  #end = 0
  /** The token to be read next: an operator, a bigint, `{ name }`, or undefined at the end. */
  token

  constructor(text, names) {
    this.#text = text
    this.#names = names
    this.#advance()
  }

  binary(level) {
    if (level === BINARY.length) return this.#unary()
    let left = this.binary(level + 1)
    for (;;) {
      const apply = typeof this.token === 'string' ? BINARY[level][this.token] : undefined
      if (apply === undefined) return left
      this.#advance()
      left = apply(left, this.binary(level + 1))
    }
  }

  error() {
    return new ExpressionError(`bad expression '${this.#text}'`)
  }

  #unary() {
    const { token } = this
    if (typeof token === 'bigint') {
      this.#advance()
      return token
    }
    if (typeof token === 'object') {
      this.#advance()
      return this.#valueOf(token.name)
    }
    if (token === '(') {
      this.#advance()
      const value = this.binary(0)
      if (this.token !== ')') throw this.error()
      this.#advance()
      return value
    }
    const apply = token === undefined ? undefined : UNARY[token]
    if (apply === undefined) throw this.error()
    this.#advance()
    return apply(this.#unary())
  }

  #valueOf(name) {
    const bound = this.#names.get(name)
    if (bound !== undefined) return bound
    if (Object.hasOwn(CONSTANTS, name)) return BigInt(CONSTANTS[name])
    throw new ExpressionError(`nobody has bound '${name}', in '${this.#text}'`)
  }

  #advance() {
    if (this.#text.slice(this.#end).trim() === '') {
      this.token = undefined
      return
    }
    TOKEN.lastIndex = this.#end
    const match = TOKEN.exec(this.#text)
    if (match === null) throw this.error()
    this.#end = TOKEN.lastIndex
    const [, digits, pages, name, operator] = match
    if (digits !== undefined) this.token = BigInt(digits) * (pages ? BigInt(PAGE) : 1n)
    else this.token = name === undefined ? operator : { name }
  }
}

function divide(a, b) {
  if (b === 0n) throw new ExpressionError('division by zero')
  const quotient = a / b
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient
}

function shiftLeft(a, b) {
  if (b < 0n || b > 128n) throw new ExpressionError(`a shift by ${b}`)
  return a << b
}

/**
 * The bytes of a text argument: "abc" | {"hex": "6162"} | {"repeat": ["a", 300]} | a list of those, joined.
 *
 * @param {any} text
 * @returns {Buffer}
 */
export function bytesOf(text) {
  if (Array.isArray(text)) return Buffer.concat(text.map(bytesOf))
  if (typeof text === 'string') return Buffer.from(text)
  if (typeof text?.hex === 'string' && /^(?:[0-9a-fA-F]{2})*$/.test(text.hex))
    return Buffer.from(text.hex, 'hex')
  if (typeof text?.repeat?.[0] === 'string' && Number.isInteger(text.repeat[1]) && text.repeat[1] >= 0) {
    return Buffer.from(text.repeat[0].repeat(text.repeat[1]))
  }
  throw new ExpressionError(`${JSON.stringify(text)} is no text`)
}
