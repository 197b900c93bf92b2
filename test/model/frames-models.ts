/** A few frames and threads that take and give them: what the models of the frames floor share. */

import type { Frames } from '../../src/frames/frames.ts'
import type { Bounds, Model, ModelThread, Operation, Snapshot } from '../../src/testing/model.ts'
import type { FramesWorld } from '../frames/model-world.ts'
import * as verdicts from './verdicts.ts'

/** The cells of the models: two in a slab. Each builder writes the word CONTENT of its own. */
export const KIND = 4711
export const CELL_WORDS = 512
export const CONTENT = 5

export interface Shape {
  readonly name: string
  readonly world: FramesWorld
  readonly threads: readonly (readonly Operation[])[]
  readonly prepare?: (frames: Frames) => void
  readonly repair?: (frames: Frames, dead: number, thread: ModelThread) => void
  readonly kill?: readonly number[]
  readonly bounds?: Bounds
  readonly final?: (state: Snapshot) => void
}

export function holds(shape: Shape): void {
  verdicts.holds(modelOf(shape))
}

/** A planted bug, which the explorer is required to find. */
export function finds(shape: Shape, what: RegExp): void {
  verdicts.finds(modelOf(shape), what)
}

function modelOf(shape: Shape): Model {
  const { world } = shape
  return {
    ...world.base,
    name: shape.name,
    init: (cpu) => {
      const frames = world.prepare(cpu)
      shape.prepare?.(frames)
    },
    threads: shape.threads,
    ...(shape.kill === undefined ? {} : { kill: shape.kill }),
    reaper: [
      (thread, dead) => {
        world.reap(thread, dead, (frames) => {
          if (shape.repair === undefined) frames.repair(dead)
          else shape.repair(frames, dead, thread)
        })
      },
    ],
    final: (state) => {
      const problems = world.problems(state)
      state.assert(problems.length === 0, problems.join('; '))
      shape.final?.(state)
    },
    bounds: { states: 4_000_000, ...shape.bounds },
  }
}
