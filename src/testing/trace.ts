/**
 * Traces: a run as text, one line a step.
 *
 *   T0 compareExchange(lock, 0, 256) = 0
 *   T1 sleep(lock, 256) falls asleep
 *   KILL T0
 *   REAPER ring(lock) wakes T1
 */

import type { Task } from './cast.ts'
import { instructions, type InstructionName } from './instructions.ts'
import { ALL_ASLEEP, type Request } from './rerun.ts'
import { KILL, kindOf, SPURIOUS, taskOf, TIME_OUT, type Transition } from './transition.ts'
import type { World } from './world.ts'

/** Takes the steps of a run, and says what each was. Throws a RangeError at a step that is not possible there. */
export function walk(world: World, path: readonly Transition[]): string[] {
  return path.map((step, i) => {
    const possible: Transition[] = []
    world.steps.list(possible, 0)
    if (!possible.includes(step)) throw new RangeError(`step ${i} of the schedule is not possible there`)
    return takeStep(world, step)
  })
}

/** What a task is about to do: `sleep(lock, 256)`. */
export function describeRequest(world: World, task: Task): string {
  const position = world.state.positionOf(task)
  return position === undefined ? 'death' : describe(world, position.request, position.operation)
}

/** What a task waits for: `sleep(lock, 256)`; of a loop all that it looks at: `load(flag) and load(turn)`. */
export function describeWait(world: World, task: Task): string {
  const position = world.state.positionOf(task)
  if (position?.turn === undefined) return describeRequest(world, task)
  // It may stand in the middle of its turn: so in the order of the words.
  const requests = position.turn.map(({ request }) => request).sort((one, other) => one.a - other.a)
  return [...new Set(requests.map((each) => describe(world, each, position.operation)))].join(' and ')
}

function describe(world: World, { verb, name, a, b, c }: Request, operation: number): string {
  const at = world.setting.labelOf(a) ?? String(a)
  switch (verb) {
    case 'cpu': {
      const { operands, isOnBytes } = instructions[name as InstructionName]
      return `${name}(${[isOnBytes ? a : at, b, c].slice(0, operands).join(', ')})`
    }
    case 'sleep':
    case 'awaitChange':
      return `${name}(${at}, ${b})`
    case 'ring':
      return name === 'notify' && b !== ALL_ASLEEP ? `notify(${at}, ${b})` : `${name}(${at})`
    case 'choose':
      return `choose(${a})`
    case 'start':
      return `start of operation ${operation}`
    default:
      return verb
  }
}

function takeStep(world: World, step: Transition): string {
  const task = world.tasks[taskOf(step)]
  const asked = describeRequest(world, task)
  const position = world.state.positionOf(task)
  world.take(step)
  const kind = kindOf(step)
  if (kind === KILL) return `KILL T${task.thread}`
  if (kind === TIME_OUT) return `${task.name} timed out in ${asked}`
  if (kind === SPURIOUS) return `${task.name} woke for no reason in ${asked}`
  return `${task.name} ${asked}${outcome(world, task, position?.verb, position?.instruction?.returns)}`
}

function outcome(world: World, task: Task, verb: string | undefined, returns: boolean | undefined): string {
  if (verb === 'sleep') return world.state.isAsleep(task) ? ' falls asleep' : ' goes on: it differs'
  if (verb === 'ring') {
    const names = world.woken.map(({ name }) => name)
    return names.length === 0 ? ' finds nobody' : ` wakes ${names.join(', ')}`
  }
  return returns === true || verb === 'choose' ? ` = ${world.result}` : ''
}
