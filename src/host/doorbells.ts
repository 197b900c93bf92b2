/**
 * Doorbells: the only user of Atomics.wait, notify and waitAsync.
 *
 * V8's futex is one process-wide mutex and a small map of addresses, so a thread sleeps on one word of its own, and
 * whoever wakes it knows that word. This is also the one file to replace when participants become OS processes.
 */

export const RANG = 0
export const TIMED_OUT = 1
/** The word did not hold the value: whoever rang may have been too early to find anybody. */
export const DIFFERED = 2

const OUTCOMES = { ok: RANG, 'timed-out': TIMED_OUT, 'not-equal': DIFFERED } as const

export class Doorbells {
  readonly #words: Int32Array<SharedArrayBuffer>

  constructor(words: Int32Array<SharedArrayBuffer>) {
    this.#words = words
  }

  /** Blocks while the word holds `value`, at most `timeoutMs`. */
  wait(at: number, value: number, timeoutMs: number): typeof RANG | typeof TIMED_OUT | typeof DIFFERED {
    return OUTCOMES[Atomics.wait(this.#words, at, value, timeoutMs)]
  }

  /**
   * Calls back, from the event loop, once the word was rung or did not hold `value` to begin with: then, with false. Holds
   * no handle.
   */
  listen(at: number, value: number, onRing: (wasAsleep: boolean) => void): void {
    const result = Atomics.waitAsync(this.#words, at, value)
    if (result.async) {
      void result.value.then(() => {
        onRing(true)
      })
    } else {
      queueMicrotask(() => {
        onRing(false)
      })
    }
  }

  /** How many it woke: 1, or 0 if nobody sleeps there. */
  ring(at: number): number {
    return Atomics.notify(this.#words, at, 1)
  }
}
