/** The verdict on one state: what the last step broke, what does not hold, what will never end. */

import { findRace } from './races.ts'
import type { Trouble } from './report.ts'
import { describeError } from './rerun.ts'
import { FalseClaim } from './snapshot.ts'
import { describeWait } from './trace.ts'
import type { World } from './world.ts'

/** What is wrong with the present state, from which `progress` steps lead on. */
export function judge(world: World, progress: number): Trouble | undefined {
  const { setting, state, snapshot } = world
  const { model } = setting
  const trouble = world.trouble ?? setting.broken.take()
  if (trouble !== undefined) return trouble
  if (model.invariant !== undefined) {
    try {
      model.invariant(snapshot)
    } catch (error) {
      return broken('invariant', error)
    }
  }
  const race = setting.raceCheck ? findRace(setting, state, world.moved) : undefined
  if (race !== undefined) return { kind: 'race', message: race }
  if (progress > 0) return undefined
  if (!world.isAtEnd()) return { kind: 'stuck', message: describeStuck(world) }
  try {
    model.final?.(snapshot)
    return undefined
  } catch (error) {
    return broken('final', error)
  }
}

function broken(kind: Trouble['kind'], error: unknown): Trouble {
  return { kind, message: error instanceof FalseClaim ? error.message : describeError(error) }
}

function describeStuck(world: World): string {
  const waiting = world.tasks.filter((task) => !world.state.isThrough(task))
  return waiting.map((task) => `${task.name} waits for ever: ${describeWait(world, task)}`).join(', ')
}
