/** The verdict on one state: what the last step broke, what does not hold, what will never end. */

import { describeError } from './replay.ts'
import { describeRequest } from './trace.ts'
import type { World } from './world.ts'

export interface Trouble {
  /**
   *   assertion   thread.assert() of a false claim, or something that no operation may do
   *   exception   the code threw
   *   invariant   the model's invariant did not hold
   *   final       the model's final condition did not hold
   *   stuck       somebody waits for what nobody will do: a deadlock, or a lost wake-up
   *   race        two plain accesses without order
   *   unfinished  the search was not finished: nothing is proved
   */
  readonly kind: 'assertion' | 'exception' | 'invariant' | 'final' | 'stuck' | 'race' | 'unfinished'
  readonly message: string
}

/** What is wrong with the present state, from which `progress` steps are possible. */
export function judge(world: World, progress: number): Trouble | undefined {
  const { model } = world.setting
  if (world.trouble !== undefined) return world.trouble
  const broken = check('invariant', () => model.invariant?.(world.snapshot))
  if (broken !== undefined) return broken
  const race = model.races === 'fail' ? world.findRace() : undefined
  if (race !== undefined) return { kind: 'race', message: race }
  if (progress > 0) return undefined
  if (world.isAtEnd()) return check('final', () => model.final?.(world.snapshot))
  return { kind: 'stuck', message: describeStuck(world) }
}

function check(kind: Trouble['kind'], condition: () => void): Trouble | undefined {
  try {
    condition()
    return undefined
  } catch (error) {
    return { kind, message: describeError(error) }
  }
}

function describeStuck(world: World): string {
  const waiting = world.tasks.filter((task) => !world.isThrough(task))
  return waiting.map((task) => `${task.name} waits for ever in ${describeRequest(world, task)}`).join(', ')
}
