/**
 * BrokenParts: what the model's own functions threw (init, label, mayKill, when, and words given as functions), kept until
 * the verdict on the present state tells it. Whoever asked goes on with an answer that changes nothing.
 *
 * invariant() and final() are not among them: that they throw is their verdict.
 */

import type { Trouble } from './report.ts'
import { describeError } from './rerun.ts'

export class BrokenParts {
  #trouble: Trouble | undefined = undefined

  /** Of several the first is kept: it may be why others threw. */
  note(part: string, error: unknown): void {
    this.#trouble ??= { kind: 'exception', message: `${part}(): ${describeError(error)}` }
  }

  /** What was noted since the last time. */
  take(): Trouble | undefined {
    const trouble = this.#trouble
    this.#trouble = undefined
    return trouble
  }
}
