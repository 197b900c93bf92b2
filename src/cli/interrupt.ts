/** Ctrl-C: it ends the work, which cleans up; then the process ends by itself. A second one ends it at once. */

import { onInterrupt } from '../host/process.ts'
import { CommandError, INTERRUPTED } from './errors.ts'

/** Does work that is told by its signal of a Ctrl-C. The signal's reason is what the command fails with. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const undo = onInterrupt(() => {
    controller.abort(new CommandError('interrupted', INTERRUPTED))
  })
  try {
    return await work(controller.signal)
  } finally {
    undo()
  }
}
