/** Where somebody looks: any process of a machine, or the machine itself, which is seen by its own process. */

import type { ProcessView } from '../machine/process-view.ts'
import { areasOf, type AreaInfo } from '../space/areas-of.ts'
import type { Kernel } from '../space/kernel.ts'
import { ErrnoError, ESRCH } from '../words/errno.ts'
import { typeError, verbOf } from '../words/usage.ts'

export type Where = ProcessView | { readonly self: ProcessView }

export function kernelOf(call: string, where: Where): Kernel {
  const process = isMachine(where) ? where.self : where
  return viewOf(call, process, 'machine', 'a Machine, a Process or a Child').kernel
}

/**
 * Looks at a process: at its areas, as they were at one moment. Throws ESRCH if there is no such process any more, for its
 * slot may be another's. Outside the kernel: whoever changes areas at the moment is waited for.
 */
export function lookAt<T>(
  call: string,
  process: ProcessView,
  look: (kernel: Kernel, areas: readonly AreaInfo[]) => T,
): T {
  const { kernel, spaceAt } = viewOf(call, process, 'process', 'a Process or a Child')
  assertThere(call, process)
  const seen = look(kernel, areasOf(kernel, spaceAt))
  assertThere(call, process)
  return seen
}

/** By what it has, not by its class: another copy of pageframe may have made it. */
function viewOf(call: string, process: ProcessView, argument: string, rule: string): ProcessView {
  if (!isObject(process) || !isObject(process.kernel)) throw typeError(call, argument, rule, process)
  process.kernel.attachment.assertSound()
  return process
}

function isMachine(where: Where): where is Exclude<Where, ProcessView> {
  return isObject(where) && 'self' in where
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

function assertThere(call: string, { state, pid }: ProcessView): void {
  if (state !== 'free') return
  throw new ErrnoError(ESRCH, verbOf(call), `${call}: process ${pid} has ended, and its status was asked for`)
}

/** Walks tables: whatever others unlink meanwhile stays readable. Nothing is waited for inside (frames/retire.ts). */
export function insideKernel<T>({ attachment: { frames } }: Kernel, look: () => T): T {
  frames.enterKernel()
  try {
    return look()
  } finally {
    frames.leaveKernel()
  }
}
