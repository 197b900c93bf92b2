/** What explore() and replay() refuse: a model that is none, before anything runs. */

import { assertFunction, integer, typeError, usageError } from '../words/usage.ts'
import type { Bounds, Model, ThreadModel } from './model.ts'

/** Each task has a bit of an int32 (world.ts), and the reaper is one of them. */
const MOST_TASKS = 30
const MOST_WORDS = 1 << 24
const MOST = 2 ** 31 - 1
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
  const { name, words, threads, ghostWords, slotsAt, spinTurns, kill, reaper, bounds } =
    model as Partial<Model>
  if (typeof name !== 'string') throw typeError(call, 'model.name', 'a string', name)
  integer(call, 'model.words', words, 1, MOST_WORDS)
  if (ghostWords !== undefined) integer(call, 'model.ghostWords', ghostWords, 0, MOST_WORDS)
  if (slotsAt !== undefined) integer(call, 'model.slotsAt', slotsAt, 0, MOST_WORDS)
  if (spinTurns !== undefined) integer(call, 'model.spinTurns', spinTurns, 0, MOST)
  for (const part of ['init', 'mayKill', 'invariant', 'final', 'label'] as const) {
    const value = (model as Partial<Model>)[part]
    if (value !== undefined) assertFunction(call, `model.${part}`, value)
  }
  assertThreads(call, threads)
  if (reaper !== undefined) assertOperations(call, 'model.reaper', reaper)
  if (kill !== undefined) assertKill(call, kill, threads.length)
  if (bounds !== undefined) assertBounds(call, bounds)
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
    if (!(bound in LEAST_BOUNDS)) {
      const known = Object.keys(LEAST_BOUNDS).join(', ')
      const message = `${call}: model.bounds.${bound} is no bound: there are ${known}`
      throw usageError('ERR_PAGEFRAME_INVALID_ARGUMENT', message)
    }
    const least = LEAST_BOUNDS[bound as keyof Bounds]
    if (value !== undefined && value !== Infinity) integer(call, `model.bounds.${bound}`, value, least, MOST)
  }
}
