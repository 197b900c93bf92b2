/** What explore() and replay() refuse: a model that is none, before anything runs. */

import { assertFunction, integer, typeError, usageError } from '../words/usage.ts'
import type { Bounds, Model, ThreadModel } from './model.ts'

/** Each task has a bit of an int32 (world.ts), and the reaper is one of them. */
const MOST_TASKS = 30
const MOST_WORDS = 1 << 24
const MOST = 2 ** 31 - 1
const PARTS: Readonly<Record<keyof Model, true>> = {
  name: true,
  words: true,
  init: true,
  threads: true,
  reaper: true,
  kill: true,
  mayKill: true,
  invariant: true,
  final: true,
  ghostWords: true,
  slotsAt: true,
  spinTurns: true,
  spinLoops: true,
  handOff: true,
  raceCheck: true,
  racy: true,
  hints: true,
  notes: true,
  bounds: true,
  label: true,
}
const LEAST_BOUNDS: Readonly<Record<keyof Bounds, number>> = {
  preemptions: 0,
  kills: 0,
  timeouts: 0,
  spurious: 0,
  steps: 1,
  states: 1,
  failures: 1,
}

/** Throws a TypeError or a RangeError that names the call, the part of the model and the rule. */
export function assertModel(call: string, model: unknown): asserts model is Model {
  if (typeof model !== 'object' || model === null)
    throw typeError(call, 'model', 'an object with name, words and threads', model)
  for (const part of Object.keys(model))
    if (!Object.hasOwn(PARTS, part)) throw unknown(call, `model.${part}`, 'part of a model', PARTS)
  const { name, words, threads, ghostWords, slotsAt, spinTurns, kill, reaper, bounds } =
    model as Partial<Model>
  if (typeof name !== 'string') throw typeError(call, 'model.name', 'a string', name)
  integer(call, 'model.words', words, 1, MOST_WORDS)
  if (ghostWords !== undefined) integer(call, 'model.ghostWords', ghostWords, 0, MOST_WORDS)
  if (slotsAt !== undefined) integer(call, 'model.slotsAt', slotsAt, 0, MOST_WORDS)
  if (spinTurns !== undefined) integer(call, 'model.spinTurns', spinTurns, 0, MOST)
  for (const part of ['spinLoops', 'handOff', 'raceCheck'] as const) {
    const value: unknown = (model as Partial<Model>)[part]
    if (value !== undefined && typeof value !== 'boolean')
      throw typeError(call, `model.${part}`, 'true or false', value)
  }
  for (const part of ['racy', 'hints', 'notes'] as const) {
    const value = (model as Partial<Model>)[part]
    if (value !== undefined) assertWords(call, `model.${part}`, value)
  }
  for (const part of ['init', 'mayKill', 'invariant', 'final', 'label'] as const) {
    const value = (model as Partial<Model>)[part]
    if (value !== undefined) assertFunction(call, `model.${part}`, value)
  }
  assertThreads(call, threads)
  if (reaper !== undefined) assertOperations(call, 'model.reaper', reaper)
  if (kill !== undefined) assertKill(call, kill, threads.length)
  if (bounds !== undefined) assertBounds(call, bounds)
}

function unknown(call: string, which: string, what: string, known: object): Error {
  const message = `${call}: ${which} is no ${what}: there are ${Object.keys(known).join(', ')}`
  return usageError('ERR_PAGEFRAME_INVALID_ARGUMENT', message)
}

function assertWords(call: string, which: string, words: unknown): void {
  if (typeof words === 'function') return
  if (!Array.isArray(words))
    throw typeError(call, which, 'an array of pairs [first, end), or a function', words)
  for (const [i, pair] of (words as readonly unknown[]).entries()) {
    if (!Array.isArray(pair) || pair.length !== 2)
      throw typeError(call, `${which}[${i}]`, 'a pair [first, end)', pair)
    for (const [j, end] of (pair as readonly unknown[]).entries())
      integer(call, `${which}[${i}][${j}]`, end, 0, MOST_WORDS)
  }
}

function assertThreads(call: string, threads: unknown): asserts threads is readonly ThreadModel[] {
  if (!Array.isArray(threads))
    throw typeError(call, 'model.threads', 'an array with the operations of each thread', threads)
  let count = 0
  for (const [index, thread] of (threads as readonly unknown[]).entries()) {
    const which = `model.threads[${index}]`
    if (Array.isArray(thread)) {
      count++
      assertOperations(call, which, thread)
      continue
    }
    const tasks = (thread as { tasks?: unknown } | null | undefined)?.tasks
    if (!Array.isArray(tasks) || tasks.length === 0)
      throw typeError(call, which, 'an array of operations, or { tasks: [...] }', thread)
    count += tasks.length
    for (const [i, task] of (tasks as readonly unknown[]).entries())
      assertOperations(call, `${which}.tasks[${i}]`, task)
  }
  if (count < 1 || count > MOST_TASKS) {
    const message = `${call}: model.threads must have 1 to ${MOST_TASKS} threads and tasks, not ${count}`
    throw usageError('ERR_PAGEFRAME_INVALID_ARGUMENT', message)
  }
}

function assertOperations(call: string, which: string, operations: unknown): void {
  if (!Array.isArray(operations)) throw typeError(call, which, 'an array of operations', operations)
  for (const [i, operation] of (operations as readonly unknown[]).entries()) {
    const run = typeof operation === 'function' ? operation : (operation as { run?: unknown } | null)?.run
    if (typeof run !== 'function')
      throw typeError(call, `${which}[${i}]`, 'a function, or { run, when }', operation)
    const when = (operation as { when?: unknown }).when
    if (when !== undefined) assertFunction(call, `${which}[${i}].when`, when)
  }
}

function assertKill(call: string, kill: unknown, threads: number): void {
  if (!Array.isArray(kill)) throw typeError(call, 'model.kill', 'an array of indices of threads', kill)
  for (const [i, thread] of (kill as readonly unknown[]).entries())
    integer(call, `model.kill[${i}]`, thread, 0, threads - 1)
}

function assertBounds(call: string, bounds: unknown): void {
  if (typeof bounds !== 'object' || bounds === null)
    throw typeError(call, 'model.bounds', 'an object', bounds)
  for (const [bound, value] of Object.entries(bounds)) {
    if (!Object.hasOwn(LEAST_BOUNDS, bound))
      throw unknown(call, `model.bounds.${bound}`, 'bound', LEAST_BOUNDS)
    const least = LEAST_BOUNDS[bound as keyof Bounds]
    if (value !== undefined && value !== Infinity) integer(call, `model.bounds.${bound}`, value, least, MOST)
  }
}
