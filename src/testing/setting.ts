/** Setting: a model with its defaults filled in and its sets of words as predicates. */

import { ThreadSlot } from '../threads/slot.ts'
import { BrokenParts } from './broken-parts.ts'
import type { GatedOperation, Model, ThreadModel, Words } from './model.ts'

export interface Setting {
  readonly model: Model
  /** What the model's own functions threw. */
  readonly broken: BrokenParts
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
  /** A word's name in traces, if it has one. */
  labelOf(at: number): string | undefined
  readonly isNote: (at: number) => boolean
  readonly isHint: (at: number) => boolean
  readonly isRacy: (at: number) => boolean
}

const DEFAULT_GHOST_WORDS = 16
const DEFAULT_STEPS = 1_000
const DEFAULT_STATES = 2_000_000

export function settingOf(model: Model): Setting {
  const bounds = model.bounds ?? {}
  const broken = new BrokenParts()
  return {
    model,
    broken,
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
    labelOf: (at) => {
      try {
        return model.label?.(at)
      } catch (error) {
        broken.note('label', error)
        return undefined
      }
    },
    isNote: predicateOf('notes', model.notes, broken),
    isHint: predicateOf('hints', model.hints, broken),
    isRacy: predicateOf('racy', model.racy, broken),
  }
}

function tasksOf(thread: ThreadModel): GatedOperation[][] {
  const tasks = 'tasks' in thread ? thread.tasks : [thread]
  return tasks.map((task) =>
    task.map((operation) => (typeof operation === 'function' ? { run: operation } : operation)),
  )
}

function predicateOf(part: string, words: Words | undefined, broken: BrokenParts): (at: number) => boolean {
  if (words === undefined) return () => false
  if (typeof words === 'function') {
    return (at) => {
      try {
        return words(at)
      } catch (error) {
        broken.note(part, error)
        return false
      }
    }
  }
  return (at) => words.some(([first, end]) => at >= first && at < end)
}
