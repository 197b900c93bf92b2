/**
 * Code that is written against `Atomics` and an Int32Array, under the explorer, as it stands.
 *
 *   class MyLock {                                         explore({
 *     constructor(words) { this.words = words }              name: 'my lock',
 *     lock() {                                               words: 1,
 *       while (Atomics.exchange(this.words, 0, 1) === 1)     threads: [[onAtomics(section)], [onAtomics(section)]],
 *         Atomics.wait(this.words, 0, 1)                   })
 *     }                                                    function section({ words }) {
 *     unlock() {                                             const lock = new MyLock(words)
 *       Atomics.store(this.words, 0, 0)                      lock.lock()
 *       Atomics.notify(this.words, 0, 1)                     lock.unlock()
 *     }                                                    }
 *   }
 *
 * While the operation runs, the global `Atomics` is a double that asks the explorer for each of its calls, and `words` is a
 * stand-in for an Int32Array on the model's memory: `words[i]` is a plain load, `words[i] = x` a plain store.
 *
 * Differences
 *  - waitAsync() is refused: an operation is synchronous. What a promise would continue is an operation of its own.
 *  - Only the stand-in's words are shared. A view that the code makes itself, of another buffer, is its own.
 */

import { withGlobalAtomics } from '../host/atomics-global.ts'
import { usageError } from '../words/usage.ts'
import type { ModelThread } from './model.ts'
import { ThreadDouble } from './model-thread.ts'
import { ALL_ASLEEP, DIFFERED, TIMED_OUT } from './rerun.ts'

/** What an operation gets that is written against `Atomics`. */
export interface AtomicsView {
  /** The memory of the model. */
  readonly words: Int32Array
  /** The same as the global while the operation runs. */
  readonly Atomics: typeof Atomics
  /** For assert(), ghost(), choose(); its `cpu` is the same memory. */
  readonly thread: ModelThread
  /** In the reaper's operations: the tid of the dead. */
  readonly deadTid: number
}

/** Where the words of a stand-in begin. */
const firstOf = new WeakMap<object, number>()

/**
 * Makes an operation of a function that uses `Atomics`. It may stand wherever an operation may, also in Model.reaper.
 *
 * Throws a TypeError when it is called outside explore() and replay().
 */
export function onAtomics(
  operation: (view: AtomicsView) => unknown,
): (thread: ModelThread, deadTid?: number) => unknown {
  return (thread, deadTid = 0) => {
    if (!(thread instanceof ThreadDouble)) {
      throw usageError(
        'ERR_PAGEFRAME_INVALID_ARGUMENT',
        'onAtomics(): the operation it makes is run by explore() and replay() only',
      )
    }
    const double = atomicsOn(thread)
    const words = standIn(thread, 0, thread.wordCount)
    return withGlobalAtomics(double, () => operation({ words, Atomics: double, thread, deadTid }))
  }
}

function atomicsOn(thread: ThreadDouble): typeof Atomics {
  const { cpu } = thread
  const double = {
    [Symbol.toStringTag]: 'Atomics',
    load: (words: object, index: number) => cpu.load(at(words, index)),
    store: (words: object, index: number, value: number) => {
      const stored = Math.trunc(value) + 0
      cpu.store(at(words, index), stored | 0)
      return stored
    },
    add: (words: object, index: number, value: number) => cpu.add(at(words, index), value | 0),
    sub: (words: object, index: number, value: number) => cpu.sub(at(words, index), value | 0),
    and: (words: object, index: number, value: number) => cpu.and(at(words, index), value | 0),
    or: (words: object, index: number, value: number) => cpu.or(at(words, index), value | 0),
    xor: (words: object, index: number, value: number) => cpu.xor(at(words, index), value | 0),
    exchange: (words: object, index: number, value: number) => cpu.exchange(at(words, index), value | 0),
    compareExchange: (words: object, index: number, expected: number, value: number) =>
      cpu.compareExchange(at(words, index), expected | 0, value | 0),
    wait: (words: object, index: number, value: number, timeoutMs = Infinity) => {
      const canTimeOut = Number.isNaN(timeoutMs) ? false : timeoutMs !== Infinity
      const outcome = thread.wait(at(words, index), value | 0, canTimeOut)
      if (outcome === TIMED_OUT) return 'timed-out'
      return outcome === DIFFERED ? 'not-equal' : 'ok'
    },
    notify: (words: object, index: number, count = Infinity) =>
      thread.notify(at(words, index), Math.max(0, Math.min(Math.trunc(count) || 0, ALL_ASLEEP))),
    isLockFree: (size: number) => size === 1 || size === 2 || size === 4 || size === 8,
    waitAsync: () => {
      thread.assert(false, 'Atomics.waitAsync() is not modelled: an operation is synchronous')
    },
    pause: () => undefined,
  }
  return double as unknown as typeof Atomics
}

function at(words: object, index: number): number {
  const first = firstOf.get(words)
  if (first === undefined)
    throw new TypeError('Atomics: this is not the `words` of the model, nor a subarray of it')
  const { length } = words as Int32Array
  if (!Number.isInteger(index) || index < 0 || index >= length)
    throw new RangeError(`Atomics: index ${index} is outside of the ${length} words`)
  return first + index
}

/** An Int32Array of words [first, first + length) of the model, as far as code uses one that is shared. */
function standIn(thread: ThreadDouble, first: number, length: number): Int32Array {
  const { cpu } = thread
  const indexOf = (key: string | symbol): number => {
    const index = typeof key === 'string' && /^\d+$/.test(key) ? Number(key) : -1
    return index < length ? index : -1
  }
  const made: Int32Array = new Proxy(new Int32Array(0), {
    get: (_, key) => {
      const index = indexOf(key)
      if (index >= 0) return cpu.plainLoad(first + index)
      switch (key) {
        case 'length':
          return length
        case 'byteLength':
          return 4 * length
        case 'byteOffset':
          return 4 * first
        case 'BYTES_PER_ELEMENT':
          return 4
        case 'subarray':
          return (from = 0, to = length) => {
            const begin = clamp(from, length)
            return standIn(thread, first + begin, Math.max(0, clamp(to, length) - begin))
          }
        case Symbol.toStringTag:
          return 'Int32Array'
        default:
          thread.assert(false, `words.${String(key)} is not modelled: use words[i], or Atomics`)
          return undefined
      }
    },
    set: (_, key, value) => {
      const index = indexOf(key)
      if (index < 0) thread.assert(false, `words[${String(key)}] is outside of the ${length} words`)
      cpu.plainStore(first + index, Number(value) | 0)
      return true
    },
  })
  firstOf.set(made, first)
  return made
}

/** As subarray() reads its arguments: a negative one counts from the end. */
function clamp(index: number, length: number): number {
  return Math.min(length, Math.max(0, index < 0 ? length + index : index))
}
