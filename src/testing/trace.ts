/**
 * Traces: a run as text, one line a step.
 *
 *   T0 compareExchange(lock, 0, 256) = 0
 *   T1 sleep(lock, 256) falls asleep
 *   KILL T0
 *   REAPER ring(lock) wakes T1
 */

import { instructions, type InstructionName } from './instructions.ts'
import { judge, type Trouble } from './judge.ts'
import type { Model } from './model.ts'
import { settingOf, type Setting } from './setting.ts'
import {
  KILL, kindOf, parseSchedule, SPURIOUS, taskOf, TIME_OUT, type Transition,
} from './transition.ts' // prettier-ignore
import { World, type Task } from './world.ts'

/** What replay() saw: the steps, and what is wrong with the state they led to. */
export interface Replayed {
  readonly trace: readonly string[]
  readonly trouble: Trouble | undefined
}

/** Runs one schedule of a model, as the report of a failure states it. Throws a RangeError at a step that is not possible. */
export function replay(model: Model, schedule: string): Replayed {
  const world = new World(settingOf(model))
  const trace = walk(world, parseSchedule(schedule))
  return { trace, trouble: judge(world, world.possible([])) }
}

/** The lines of a run from the first state. */
export function traceOf(setting: Setting, path: readonly Transition[]): string[] {
  return walk(new World(setting), path)
}

/** What a task is about to do: `sleep(lock, 256)`. */
export function describeRequest(world: World, task: Task): string {
  const asked = world.requestOf(task)
  if (asked === undefined) return 'is dead'
  const { verb, name, a, b, c } = asked
  const at = world.setting.model.label?.(a) ?? String(a)
  if (verb === 'cpu') {
    const { operands, isOnBytes } = instructions[name as InstructionName]
    return `${name}(${[isOnBytes ? a : at, b, c].slice(0, operands).join(', ')})`
  }
  if (verb === 'ring') return `ring(${at})`
  if (verb === 'sleep' || verb === 'awaitChange') return `${verb}(${at}, ${b})`
  return verb === 'choose' ? `choose(${a})` : verb
}

function walk(world: World, path: readonly Transition[]): string[] {
  const possible: Transition[] = []
  return path.map((step, i) => {
    world.possible(possible)
    if (!possible.includes(step)) throw new RangeError(`step ${i} of the schedule is not possible there`)
    return takeStep(world, step)
  })
}

function takeStep(world: World, step: Transition): string {
  const task = world.tasks[taskOf(step)]
  const asked = describeRequest(world, task)
  const verb = world.requestOf(task)?.verb
  world.step(step)
  const kind = kindOf(step)
  if (kind === KILL) return `KILL T${task.thread}`
  if (kind === TIME_OUT) return `${task.name} timed out`
  if (kind === SPURIOUS) return `${task.name} woke without a ring`
  if (verb === 'sleep')
    return `${task.name} ${asked} ${world.fellAsleep ? 'falls asleep' : 'goes on: it differs'}`
  if (verb === 'ring')
    return `${task.name} ${asked} ${world.woken ? `wakes ${world.woken.name}` : 'finds nobody'}`
  return verb === 'cpu' || verb === 'choose'
    ? `${task.name} ${asked} = ${world.result}`
    : `${task.name} ${asked}`
}
