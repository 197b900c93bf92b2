/**
 * What a call did, and whether that is what a scenario expects.
 *
 *   outcome   { ret, ... }                 it succeeded: ret (a bigint), and what it read: value, bytes, digest, vmas, out ...
 *             { errno }                    it failed
 *             { signal, code, addr }       the access faulted
 *             { gone }                     the process ended in it
 *             { broke }                    the engine threw what is none of these: always a failure
 */

import { bytesOf, evaluate } from './expressions.mjs'
import { PAGE, SAME_ERROR } from './constants.mjs'

/** Keys that compare the result of a call that succeeded: what they say, or undefined if it holds. */
const RESULTS = {
  ret: ({ ret }, wanted, names) => differs(ret, wanted, names, (a, b) => same(a, b), 'is not'),
  ne: ({ ret }, wanted, names) => differs(ret, wanted, names, (a, b) => !same(a, b), 'is'),
  ge: ({ ret }, wanted, names) => differs(ret, wanted, names, (a, b) => a >= b, 'is less than'),
  le: ({ ret }, wanted, names) => differs(ret, wanted, names, (a, b) => a <= b, 'is more than'),
  aligned: ({ ret }, wanted, names) =>
    differs(ret, wanted, names, (a, b) => a % b === 0n, 'is no multiple of'),
  value: ({ value }, wanted, names) => differs(value, wanted, names, (a, b) => same(a, b), 'is not'),
  bytes: ({ bytes }, wanted) => texts(bytes, bytesOf(wanted).toString('hex'), 'bytes'),
  vec: ({ vec }, wanted) => texts(vec, wanted, 'vec'),
  digest: ({ digest }, wanted) => lists(digest, wanted, 'digest'),
  rets: ({ rets }, wanted, names) =>
    lists(rets?.map(String), sorted(wanted.map((one) => evaluate(one, names))).map(String), 'rets'),
  errnos: ({ errnos }, wanted) => lists(errnos, wanted.map(sameError).sort(), 'errnos'),
  exited: ({ exited }, wanted, names) => texts(exited, Number(evaluate(wanted, names)), 'the exit code'),
  signaled: ({ signaled }, wanted) => texts(signaled, wanted, 'the signal that ended it'),
  out: ({ out }, wanted, names) => fields(out, wanted, names),
  vmas: ({ vmas }, wanted, names) => areas(vmas, wanted, names),
}

/** All keys of `expect`. A scenario with another one is skipped, for nobody would look at it. */
export const EXPECTATIONS = new Set([...Object.keys(RESULTS), 'errno', 'signal', 'code', 'at', 'elapsed_ms'])

/** What contradicts the expectation, as a sentence; undefined if it holds. */
export function mismatch(expect, outcome, names) {
  const complaint = complaintAbout(expect, outcome, names)
  if (complaint === undefined) return undefined
  return `${complaint}; got ${describe(outcome)}, expected ${describeExpected(expect)}`
}

function complaintAbout(expect, outcome, names) {
  if (outcome.broke !== undefined) return 'the engine broke'
  if (outcome.gone !== undefined) return 'the process ended'
  if (expect.signal !== undefined) return faults(expect, outcome, names)
  if (outcome.signal !== undefined) return 'the access faulted'
  if (expect.elapsed_ms !== undefined) {
    const [low, high] = expect.elapsed_ms
    if (!(outcome.ms >= low && outcome.ms <= high)) return `it took ${outcome.ms} ms`
  }
  if (expect.errno !== undefined) {
    const wanted = [expect.errno].flat().map(sameError)
    return wanted.includes(sameError(outcome.errno)) ? undefined : 'not that error'
  }
  if (outcome.errno !== undefined) return 'it failed'
  for (const [key, wanted] of Object.entries(expect)) {
    const complaint = Object.hasOwn(RESULTS, key) ? RESULTS[key](outcome, wanted, names) : undefined
    if (complaint !== undefined) return complaint
  }
  return undefined
}

function faults({ signal, code, at }, outcome, names) {
  if (outcome.signal !== signal) return outcome.signal === undefined ? 'no fault' : 'another fault'
  if (code !== undefined && outcome.code !== code) return 'a fault for another reason'
  if (at !== undefined && pageOf(outcome.addr) !== pageOf(evaluate(at, names)))
    return 'a fault at another page'
  return undefined
}

function pageOf(address) {
  return BigInt(address) / BigInt(PAGE)
}

function sameError(name) {
  return SAME_ERROR[name] ?? name
}

function differs(actual, wanted, names, holds, verb) {
  const expected = evaluate(wanted, names)
  if (actual !== undefined && holds(actual, expected)) return undefined
  return `${show(actual)} ${verb} ${show(expected)}`
}

/** A number that is no integer is never the same as a bigint; otherwise === of numbers. */
function same(a, b) {
  return Number(a) === Number(b) && (typeof a !== 'bigint' || typeof b !== 'bigint' || a === b)
}

function texts(actual, wanted, what) {
  return actual === wanted ? undefined : `${what}: ${actual} is not ${wanted}`
}

function lists(actual, wanted, what) {
  if (actual?.length === wanted.length && wanted.every((one, index) => actual[index] === one))
    return undefined
  return `${what} differ: ${JSON.stringify(actual)}`
}

function fields(out, wanted, names) {
  for (const [name, expression] of Object.entries(wanted)) {
    const actual = out?.[name]
    if (Array.isArray(expression)) {
      const complaint = lists(
        actual?.map(String),
        expression.map((one) => String(evaluate(one, names))),
        name,
      )
      if (complaint !== undefined) return complaint
    } else if (actual === undefined || !same(actual, evaluate(expression, names))) {
      return `${name} is ${show(actual)}`
    }
  }
  return undefined
}

/** An area: [start, pages, "rwxp"], and the page offset in its object if that is asked for. */
function areas(actual, wanted, names) {
  const holds =
    actual?.length === wanted.length &&
    wanted.every(([start, ...rest], index) => {
      const [gotStart, ...got] = actual[index]
      return (
        BigInt(gotStart) === evaluate(start, names) &&
        rest.every((one, field) => same(got[field], one) || got[field] === one)
      )
    })
  return holds ? undefined : `the areas are ${describeAreas(actual)}`
}

function describeAreas(vmas) {
  return JSON.stringify(vmas?.map(([start, ...rest]) => [show(BigInt(start)), ...rest]))
}

/** Sorted results, for finish_all. */
export function sorted(values) {
  return [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
}

/** An outcome in a line. */
export function describe(outcome) {
  if (outcome.broke !== undefined) return outcome.broke
  if (outcome.gone !== undefined) return `the end of the process (${outcome.gone})`
  if (outcome.signal !== undefined) return `${outcome.signal} ${outcome.code} at ${show(outcome.addr)}`
  if (outcome.errno !== undefined) return outcome.errno
  const { vmas, ...rest } = outcome
  const parts = Object.entries(rest).map(
    ([key, value]) => `${key} ${typeof value === 'object' ? quoted(value) : show(value)}`,
  )
  if (vmas !== undefined) parts.push(`vmas ${describeAreas(vmas)}`)
  return parts.join(', ')
}

function describeExpected(expect) {
  return Object.keys(expect).length === 0 ? 'success' : JSON.stringify(expect)
}

function quoted(value) {
  return JSON.stringify(value, (_key, one) => (typeof one === 'bigint' ? String(one) : one))
}

/** Large numbers are addresses. */
export function show(value) {
  if (typeof value !== 'bigint' && typeof value !== 'number') return String(value)
  return value > 1 << 20 ? `0x${value.toString(16)}` : String(value)
}
