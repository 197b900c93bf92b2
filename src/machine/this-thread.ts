/** What this thread has in its machines: its kernels, and the children whose end it has not seen. */

import { threadState, warn } from '../host/workers.ts'
import type { Attachment } from '../memory/attachment.ts'
import { showDuration } from '../words/usage.ts'
import type { Child } from './child.ts'
import { kernelOf, type MachineKernel } from './kernel-of.ts'
import { ProcessView } from './process-view.ts'
import { SIGNATURE } from './protocol.ts'

interface ThreadMachines {
  /** By the id of the machine's memory. */
  readonly kernels: Map<string, MachineKernel>
  /** Children whose end this thread has not seen, by the same. */
  readonly children: Map<string, Set<Child>>
}

/** On `process`: a second copy of the package in the same thread finds the same. */
const thisThread: ThreadMachines = threadState(`pageframe machines:${SIGNATURE}`, () => ({
  kernels: new Map(),
  children: new Map(),
}))

/** This thread's kernel of a machine, made once. */
export function kernelIn(attachment: Attachment, headerAt: number): MachineKernel {
  const known = thisThread.kernels.get(attachment.id)
  if (known !== undefined) return known
  const kernel = kernelOf(attachment, headerAt)
  kernel.limbo.onStuck = (index, sinceMs) => {
    const { pid, name } = new ProcessView(kernel, index)
    warn(
      `process ${pid} '${name}' has kept frames from being reused for ${showDuration(sinceMs)}: it computes, or blocks outside ` +
        `pageframe's waits. Let it call safepoint() now and then`,
    )
  }
  thisThread.kernels.set(attachment.id, kernel)
  return kernel
}

/** The children of this thread in a machine that have not ended yet, as far as it knows. */
export function childrenIn(memory: string): Set<Child> {
  let children = thisThread.children.get(memory)
  if (children === undefined) thisThread.children.set(memory, (children = new Set()))
  return children
}

export function keepChild(memory: string, child: Child): Child {
  const children = childrenIn(memory)
  children.add(child)
  child.onEnd(() => children.delete(child))
  return child
}

/** The machine is gone. */
export function forgetMachine(memory: string): void {
  for (const child of childrenIn(memory)) child.forget()
  thisThread.children.delete(memory)
  thisThread.kernels.delete(memory)
}
