/** Progress: one line on a terminal, rewritten ten times a second; elsewhere a line a second. */

import { status } from '../host/process.ts'

const REWRITE_MS = 100
const NEW_LINE_MS = 1000

export class Progress {
  #describe: () => string = () => ''
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(
      () => {
        status.write(this.#describe())
      },
      status.isRewritten ? REWRITE_MS : NEW_LINE_MS,
    )
  }

  /** From now on this is what is going on; asked each time the line is written. */
  show(describe: () => string): void {
    this.#describe = describe
  }

  end(): void {
    clearInterval(this.#timer)
    status.clear()
  }
}
