/** Operations with a mistake planted in them: the same code, on a Cpu that does some instructions in another way. */

import type { Cpu } from '../../src/host/cpu.ts'
import type { ModelThread } from '../../src/testing/model.ts'

/** What a mistake does in place of an instruction, given the honest Cpu. Made anew for each run of an operation. */
export type Mistake = (honest: Cpu) => Partial<Cpu>

/** The thread with the mistake in its Cpu. */
export function tampered(thread: ModelThread, mistake: Mistake): ModelThread {
  const cpu = overlaid(thread.cpu, mistake(thread.cpu))
  return overlaid(thread, { cpu })
}

/** `base` with some members replaced; methods still run on `base`, whose private fields they need. */
function overlaid<T extends object>(base: T, replaced: Partial<T>): T {
  return new Proxy(base, {
    get: (target, key) => {
      if (key in replaced) return Reflect.get(replaced, key) as unknown
      const value = Reflect.get(target, key, target) as unknown
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
    set: (target, key, value) => Reflect.set(target, key, value, target),
  })
}
