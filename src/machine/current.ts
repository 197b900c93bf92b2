/** Which process this thread runs. */

import { threadState } from '../host/workers.ts'
import { usageError } from '../words/usage.ts'
import type { Process } from './process.ts'
import { SIGNATURE } from './protocol.ts'

/** On `process`: a second copy of the package in the same thread finds the same. */
export const here: { process: Process | undefined } = threadState(`pageframe process:${SIGNATURE}`, () => ({
  process: undefined,
}))

/**
 * The process that this thread runs. Throws ERR_PAGEFRAME_NOT_A_PROCESS in a thread that runs none; the thread that booted
 * a machine has `machine.self`.
 *
 * @example
 *   const at = current().mmap(null, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)
 */
export function current(): Process {
  if (here.process !== undefined) return here.process
  throw usageError(
    'ERR_PAGEFRAME_NOT_A_PROCESS',
    'current(): this thread was not spawned by a Machine. Use machine.self, or machine.adopt(worker)',
  )
}
