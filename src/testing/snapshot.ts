/** Snapshot: the present state of a world as invariants, conditions and gates may look at it. */

import type { Cpu } from '../host/cpu.ts'
import { instructions } from './instructions.ts'
import type { Snapshot } from './model.ts'
import type { World } from './world.ts'

/** A claim in an invariant or a final condition that was false. */
export class FalseClaim extends Error {
  override readonly name = 'FalseClaim'
}

/** One snapshot serves all states of a world: it looks at the world each time it is asked. */
export function snapshotOf(world: World): Snapshot {
  return {
    cpu: readOnlyCpu(world),
    ghost: world.ghosts,
    isDead: (thread) => world.isDead(thread),
    isAsleep: (thread) => world.isAsleep(thread),
    isFinished: (thread) => world.isFinished(thread),
    assert: (claim, message) => {
      if (!claim) throw new FalseClaim(message)
    },
  }
}

function readOnlyCpu(world: World): Cpu {
  const load = (at: number): number => {
    if (!Number.isInteger(at) || at < 0 || at >= world.setting.words)
      throw new RangeError(`word ${at} is outside`)
    return world.cells.values[at]
  }
  const refuse = (): never => {
    throw new TypeError('a snapshot is there to be looked at: only load, plainLoad and compare')
  }
  return {
    load,
    plainLoad: load,
    spinWhileEqual: load,
    compare: (left, right, length) => instructions.compare.execute(world.cells, left, right, length),
    store: refuse,
    add: refuse,
    sub: refuse,
    and: refuse,
    or: refuse,
    xor: refuse,
    exchange: refuse,
    compareExchange: refuse,
    plainStore: refuse,
    copy: refuse,
    fill: refuse,
  }
}
