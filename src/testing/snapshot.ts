/** Snapshot: the present state as invariants, conditions and gates may look at it. */

import type { Cpu } from '../host/cpu.ts'
import { instructions } from './instructions.ts'
import type { Snapshot } from './model.ts'
import type { Setting } from './setting.ts'
import type { State } from './state.ts'

/** A claim of an invariant or a final condition that was false. */
export class FalseClaim extends Error {
  override readonly name = 'FalseClaim'
}

/** One snapshot serves all states: it looks when it is asked. */
export function snapshotOf(setting: Setting, state: State): Snapshot {
  const tasksOf = (thread: number) => state.cast.tasksOf[thread]
  return {
    cpu: readOnlyCpu(setting, state),
    ghost: state.ghosts,
    isDead: (thread) => state.isDead(thread),
    isAsleep: (thread) => tasksOf(thread).some((task) => state.isAsleep(task)),
    isFinished: (thread) => tasksOf(thread).every((task) => state.isThrough(task)),
    assert: (claim, message) => {
      if (!claim) throw new FalseClaim(message)
    },
  }
}

function readOnlyCpu(setting: Setting, state: State): Cpu {
  const load = (at: number): number => {
    if (!Number.isInteger(at) || at < 0 || at >= setting.words)
      throw new RangeError(`word ${at} is outside the memory`)
    return state.word(at)
  }
  const refuse = (): never => {
    throw new TypeError('a snapshot is there to be looked at: it has load(), plainLoad() and compare()')
  }
  return {
    load,
    plainLoad: load,
    spinWhileEqual: load,
    compare: (left, right, length) => instructions.compare.execute(state.cells, left, right, length),
    store: refuse,
    add: refuse,
    sub: refuse,
    and: refuse,
    or: refuse,
    xor: refuse,
    exchange: refuse,
    compareExchange: refuse,
    storeLoad: refuse,
    guardedCompareExchange: refuse,
    guardedAddOne: refuse,
    guardedTakeOne: refuse,
    guardedPairLoad: refuse,
    plainStore: refuse,
    copy: refuse,
    fill: refuse,
  }
}
