/** Tasks: what an asynchronous function has in common with all that it starts, and with nothing else. */

import type { AsyncLocalStorage } from 'node:async_hooks'

const { process } = globalThis

/** A value that everything sees which a function starts, directly or not. */
export class TaskValue<T> {
  #storage: AsyncLocalStorage<T> | undefined

  /** Runs a function, and all that it starts, with the value. */
  run<R>(value: T, work: () => R): R {
    this.#storage ??= new (process.getBuiltinModule('node:async_hooks').AsyncLocalStorage)<T>()
    return this.#storage.run(value, work)
  }

  /** The value that this was started with. */
  get(): T | undefined {
    return this.#storage?.getStore()
  }
}
