/**
 * A search with nothing clever in it, to hold the explorer against: every step that is possible in every state, and
 * states told apart by all their cells.
 */

import type { Model } from '../../../src/testing/model.ts'
import { settingOf } from '../../../src/testing/setting.ts'
import type { Transition } from '../../../src/testing/transition.ts'
import { World } from '../../../src/testing/world.ts'

/** Calls `look` in each state. Returns how many there are. */
export function visitAll(model: Model, look: (world: World) => void = () => undefined): number {
  const world = new World(settingOf(withoutReduction(model)))
  const { cells } = world.state
  const seen = new Set<string>()
  const visit = (): void => {
    const key = cells.values.join()
    if (seen.has(key)) return
    seen.add(key)
    look(world)
    const steps: Transition[] = []
    world.steps.list(steps, 0)
    for (const step of steps) {
      const mark = cells.mark()
      world.take(step)
      visit()
      cells.rewind(mark)
    }
  }
  visit()
  return seen.size
}

/** The same model with every step in every state: what reduces them leaves off where it cannot know enough. */
export function withoutReduction(model: Model): Model {
  return { mayKill: () => true, ...model, raceCheck: false }
}
