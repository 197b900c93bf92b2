/** Where somebody looks: any process of a machine, or the machine itself, which is seen by its own process. */

import type { ProcessView } from '../machine/process-view.ts'
import type { Kernel } from '../space/kernel.ts'

export type Where = ProcessView | { readonly self: ProcessView }

export function kernelOf(where: Where): Kernel {
  return 'self' in where ? where.self.kernel : where.kernel
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
