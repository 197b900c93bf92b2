/** Setting: a model with its defaults filled in and its sets of words as predicates. */

import { ThreadSlot } from '../threads/slot.ts'
import type { GatedOperation, Model, ThreadModel, Words } from './model.ts'

export interface Setting {
  readonly model: Model
  readonly words: number
  readonly ghostWords: number
  /** Tasks of each thread. */
  readonly threads: readonly (readonly (readonly GatedOperation[])[])[]
  readonly kill: ReadonlySet<number>
  readonly raceCheck: boolean
  readonly bounds: {
    readonly preemptions: number
    readonly kills: number
    readonly timeouts: number
    readonly spurious: number
    readonly steps: number
    readonly states: number
    readonly failures: number
  }
  /** ThreadSlot of a thread. */
  slotAt(thread: number): number
  readonly isNote: (at: number) => boolean
  readonly isHint: (at: number) => boolean
  readonly isRacy: (at: number) => boolean
}

const DEFAULT_GHOST_WORDS = 16
const DEFAULT_STEPS = 1_000
const DEFAULT_STATES = 2_000_000

export function settingOf(model: Model): Setting {
  const bounds = model.bounds ?? {}
  return {
    model,
    words: model.words,
    ghostWords: model.ghostWords ?? DEFAULT_GHOST_WORDS,
    threads: model.threads.map(tasksOf),
    kill: new Set(model.kill),
    raceCheck: model.raceCheck ?? false,
    bounds: {
      preemptions: bounds.preemptions ?? Infinity,
      kills: model.kill === undefined ? 0 : (bounds.kills ?? 1),
      timeouts: bounds.timeouts ?? Infinity,
      spurious: bounds.spurious ?? 0,
      steps: bounds.steps ?? DEFAULT_STEPS,
      states: bounds.states ?? DEFAULT_STATES,
      failures: bounds.failures ?? 1,
    },
    slotAt: (thread) => (model.slotsAt ?? 0) + thread * ThreadSlot.sizeof,
    isNote: predicateOf(model.notes),
    isHint: predicateOf(model.hints),
    isRacy: predicateOf(model.racy),
  }
}

function tasksOf(thread: ThreadModel): GatedOperation[][] {
  const tasks = 'tasks' in thread ? thread.tasks : [thread]
  return tasks.map((task) =>
    task.map((operation) => (typeof operation === 'function' ? { run: operation } : operation)),
  )
}

function predicateOf(words: Words | undefined): (at: number) => boolean {
  if (words === undefined) return () => false
  if (typeof words === 'function') return words
  return (at) => words.some(([first, end]) => at >= first && at < end)
}
