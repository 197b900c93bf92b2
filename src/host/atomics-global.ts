/** The global `Atomics`, replaced while a function runs: how code that uses it is run on something else. */

/** Runs a function for which `Atomics` is another object. */
export function withGlobalAtomics<T>(other: object, run: () => T): T {
  const real = globalThis.Atomics
  globalThis.Atomics = other as typeof Atomics
  try {
    return run()
  } finally {
    globalThis.Atomics = real
  }
}
