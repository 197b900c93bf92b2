/**
 * A hand: one worker of an exchange, which answers orders one at a time, and whose death is an error.
 *
 *   starting ──'ready'──► idle ──ask()──► working ──answer──► idle        end(): from any of them, and nothing more is heard
 */

import { Worker, type Transferable } from '../../host/workers.ts'
import { CommandError } from '../errors.ts'

export class Hand {
  readonly #worker: Worker
  readonly #name: string
  #settle: { resolve: (answer: unknown) => void; reject: (error: Error) => void } | undefined
  #failure: Error | undefined
  #isEnded = false

  /** Resolves when the worker says so; rejects if it dies before. */
  readonly ready: Promise<unknown>

  constructor(name: string, url: URL, workerData: object, transferList: Transferable[]) {
    this.#name = name
    this.#worker = new Worker(url, { name, workerData, transferList })
    this.#worker.on('message', (answer: unknown) => this.#settle?.resolve(answer))
    this.#worker.on('error', (error: Error) => {
      this.#fail(error.message)
    })
    this.#worker.on('exit', (code) => {
      this.#fail(`it exited with code ${code}`)
    })
    this.ready = this.#answer()
    // Whoever starts several may hear of another's failure first, and never ask this one.
    this.ready.catch(() => undefined)
  }

  ask<Answer>(order: object): Promise<Answer> {
    const answer = this.#answer()
    this.#worker.postMessage(order)
    return answer as Promise<Answer>
  }

  /** Ends the worker, whatever it does. */
  async end(): Promise<void> {
    this.#isEnded = true
    await this.#worker.terminate()
  }

  #answer(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
      if (this.#failure !== undefined) reject(this.#failure)
    })
  }

  #fail(why: string): void {
    if (this.#isEnded) return
    this.#failure ??= new CommandError(`the worker '${this.#name}' died: ${why}`)
    this.#settle?.reject(this.#failure)
  }
}
