/** Where somebody looks: any process of a machine, or the machine itself, which is seen by its own process. */

import type { ProcessView } from '../machine/process-view.ts'
import type { Kernel } from '../space/kernel.ts'
import { ErrnoError, ESRCH } from '../words/errno.ts'

export type Where = ProcessView | { readonly self: ProcessView }

export function kernelOf(where: Where): Kernel {
  return 'self' in where ? where.self.kernel : where.kernel
}

/** Looks at a process inside the kernel. Throws ESRCH if there is no such process any more: its slot may be another's. */
export function lookAt<T>(process: ProcessView, look: () => T): T {
  assertThere(process)
  const seen = insideKernel(process.kernel, look)
  assertThere(process)
  return seen
}

function assertThere(process: ProcessView): void {
  if (process.state !== 'free') return
  throw new ErrnoError(ESRCH, 'inspect', `process ${process.pid} has ended, and its status was asked for`)
}

/** Runs with the kernel's own memory held still: whatever others unlink meanwhile stays readable. */
export function insideKernel<T>({ attachment: { frames } }: Kernel, look: () => T): T {
  frames.enterKernel()
  try {
    return look()
  } finally {
    frames.leaveKernel()
  }
}
