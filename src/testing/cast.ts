/** Cast: the tasks of a model in order, with what each of them runs: those of the threads, and the reaper last. */

import { tidOf } from '../threads/slot.ts'
import type { GatedOperation } from './model.ts'
import type { Program } from './positions.ts'
import type { Setting } from './setting.ts'

export interface Task {
  readonly index: number
  readonly thread: number
  /** T0; or T0.1 if there are several tasks on the thread. */
  readonly name: string
}

export interface Cast {
  readonly tasks: readonly Task[]
  /** By task; the reaper's is `idle`. */
  readonly programs: readonly Program[]
  /** By thread; the reaper is the last thread. */
  readonly tasksOf: readonly (readonly Task[])[]
  readonly threads: number
  readonly reaper: Task | undefined
  /** What the reaper does, by dead thread; and when nobody is dead. */
  readonly reaps: readonly Program[]
  readonly idle: Program
}

export function castOf(setting: Setting): Cast {
  const tasks: Task[] = []
  const programs: Program[] = []
  const tasksOf: Task[][] = []
  const add = (name: string, program: Program): Task => {
    const task = { index: tasks.length, thread: program.thread, name }
    tasks.push(task)
    programs.push(program)
    ;(tasksOf[program.thread] ??= []).push(task)
    return task
  }

  setting.threads.forEach((each, thread) => {
    const hasSiblings = each.length > 1
    each.forEach((operations, which) => {
      add(hasSiblings ? `T${thread}.${which}` : `T${thread}`, {
        thread,
        operations,
        hasSiblings,
        roots: new Map(),
      })
    })
  })
  const threads = setting.threads.length
  const reap = (operations: readonly GatedOperation[]): Program => {
    return { thread: threads, operations, hasSiblings: false, roots: new Map() }
  }
  const idle = reap([])
  const reaper = setting.model.reaper === undefined ? undefined : add('REAPER', idle)
  return {
    tasks,
    programs,
    tasksOf,
    threads,
    reaper,
    reaps: setting.threads.map((_, dead) => reap(reapOf(setting, dead))),
    idle,
  }
}

function reapOf({ model }: Setting, dead: number): GatedOperation[] {
  const operations = model.reaper ?? []
  return operations.map((operation) => ({
    run: (thread) => {
      operation(thread, tidOf(dead, 1))
    },
  }))
}
