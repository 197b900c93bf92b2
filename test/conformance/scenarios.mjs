/**
 * Scenario files: one line of JSON is one scenario (the language: README.md). A file that is not in that shape is refused
 * as a whole, with the line and what is wrong with it; blank lines and lines that begin with # are comments.
 */

import { readFileSync } from 'node:fs'

/** A file that is no scenario file. The message says where and why. */
export class MalformedFile extends Error {
  name = 'MalformedFile'
}

/** Steps that the driver does itself, and that need no process. */
const WITHOUT_PROCESS = new Set(['finish_any', 'finish_all'])

const STARTS = new Set([true, false, 'maybe'])

/**
 * @typedef {{ p?: string, call: string, args?: Record<string, any>, expect?: Record<string, any>, as?: string,
 *             start?: boolean | 'maybe' }} Step
 * @typedef {{ id: string, group: string, tier: number, title: string, needs: string[], procs: string[],
 *             steps: Step[] }} Scenario
 */

/** @returns {Scenario[]} */
export function readScenarios(file) {
  let text
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new MalformedFile(`${file} cannot be read: ${error.message}`)
  }
  return parseScenarios(text, file)
}

/** @returns {Scenario[]} */
export function parseScenarios(text, file = 'the text') {
  const scenarios = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    try {
      scenarios.push(checked(JSON.parse(withLargeNumbersQuoted(line))))
    } catch (error) {
      throw new MalformedFile(`${file}:${index + 1}: ${error.message}`)
    }
  }
  if (scenarios.length === 0) throw new MalformedFile(`${file} holds no scenario`)
  return scenarios
}

/**
 * JSON numbers become doubles, which end at 2^53. An integer of 16 digits or more becomes a string: an expression, which
 * means the same.
 */
function withLargeNumbersQuoted(line) {
  return line.replace(/"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g, (found) =>
    found[0] === '"' ? found : `"${found}"`,
  )
}

function checked(scenario) {
  expectThat(isPlain(scenario), 'a scenario is an object')
  const { id, group = 'none', tier = 1, title = id, needs = [], procs = ['A'], steps } = scenario
  expectThat(typeof id === 'string' && id !== '', 'id: a scenario has one, a string')
  const where = `scenario ${id}`
  expectThat(typeof group === 'string', `${where}: group is no string`)
  expectThat(Number.isInteger(tier), `${where}: tier is no integer`)
  expectThat(isListOfNames(needs), `${where}: needs is no list of names`)
  expectThat(isListOfNames(procs) && procs.length > 0, `${where}: procs is no list of names`)
  expectThat(new Set(procs).size === procs.length, `${where}: procs names one process twice`)
  expectThat(Array.isArray(steps) && steps.length > 0, `${where}: steps is no list, or empty`)
  for (const [index, step] of steps.entries()) checkStep(step, `${where}, step ${index + 1}`)
  return { id, group, tier, title, needs, procs, steps }
}

function checkStep(step, where) {
  expectThat(isPlain(step), `${where} is no object`)
  const { p, call, args, expect, as, start } = step
  expectThat(typeof call === 'string' && call !== '', `${where}: call is no name`)
  const isFree = WITHOUT_PROCESS.has(call)
  expectThat(typeof p === 'string' || (isFree && p === undefined), `${where} (${call}): p names no process`)
  expectThat(args === undefined || isPlain(args), `${where} (${call}): args is no object`)
  expectThat(expect === undefined || isPlain(expect), `${where} (${call}): expect is no object`)
  expectThat(as === undefined || typeof as === 'string', `${where} (${call}): as is no name`)
  expectThat(
    start === undefined || STARTS.has(start),
    `${where} (${call}): start is neither true nor "maybe"`,
  )
  if (isFree) expectThat(isListOfNames(args?.of), `${where} (${call}): args.of is no list of processes`)
}

function isPlain(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isListOfNames(value) {
  return Array.isArray(value) && value.every((name) => typeof name === 'string')
}

function expectThat(holds, otherwise) {
  if (!holds) throw new Error(otherwise)
}
