/** What the supervisor repairs after a death in a machine, and counts in one that is at rest. */

import type { Attachment } from '../memory/attachment.ts'
import type { KindRepair } from '../memory/reaper.ts'
import { limboRepair } from '../paging/limbo.ts'
import { spaceProblems } from '../space/check.ts'
import { storageProblems } from '../storage/check.ts'
import { storageRepairs } from '../storage/repairs.ts'
import { assert } from '../words/assert.ts'
import type { MachineKernel } from './kernel-of.ts'
import { descriptors, held } from './process-table.ts'
import { heldFrames } from './sync/held-mutexes.ts'

/** Limbo first: what is in a batch of the dead is finished before a lock is taken over under which it was taken. */
export function machineRepairs(
  kernelIn: (attachment: Attachment) => MachineKernel | undefined,
): readonly KindRepair[] {
  const kernel = (attachment: Attachment) => {
    const found = kernelIn(attachment)
    assert(found !== undefined, `memory '${attachment.label}' is no machine's`)
    return found
  }
  return [
    limboRepair((attachment) => kernel(attachment).limbo),
    ...storageRepairs((attachment) => kernelIn(attachment)?.objects),
  ]
}

/** What does not add up in a machine at rest, beside its memory. */
export function* machineProblems(kernel: MachineKernel): Generator<string> {
  const { cpu } = kernel.attachment
  yield* spaceProblems(kernel, (spaceAt) => {
    const pfn = cpu.load(spaceAt + descriptors)
    return [...(pfn === 0 ? [] : [pfn]), ...heldFrames(kernel.attachment, spaceAt + held)]
  })
  yield* storageProblems(kernel.objects)
}
