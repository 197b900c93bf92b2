/** What somebody asks about: a memory, as a SharedMemory or by default, and whether its locks are watched. */

import type { Attachment } from '../memory/attachment.ts'
import { attachmentById, defaultAttachment } from '../memory/inventory.ts'
import { handleIn, type Handle } from '../memory/kind.ts'
import { describeSwitch } from '../memory/lock-switch.ts'
import { typeError, usageError } from '../words/usage.ts'

/** The memory that somebody asks about: the default one if it is absent. */
export function attachmentFor(call: string, memory: Handle | undefined): Attachment {
  if (memory === undefined) return defaultAttachment()
  const handle = handleIn(memory)
  if (handle?.$pageframe !== 'SharedMemory') throw typeError(call, 'memory', 'a SharedMemory', memory)
  return attachmentById(handle.memory)
}

/** `bit`: what must be noted there, or nothing could be told. */
export function assertWatched(call: string, { label, lockDiagnostics }: Attachment, bit: number): void {
  if ((lockDiagnostics & bit) !== 0) return
  const part = describeSwitch(bit)
  throw usageError(
    'ERR_PAGEFRAME_NOT_WATCHED',
    `${call}: memory '${label}' notes no ${part} of its locks. Start with PAGEFRAME_LOCKS=${part}, or make it with ` +
      `new SharedMemory({ locks: { ${part}: true } })`,
  )
}
