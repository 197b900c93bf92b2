/** The Region that a memory's notes about locks lie in: made by whoever needs it first, found by its name by all others. */

import type { Attachment } from '../../memory/attachment.ts'
import { Region } from '../../memory/region.ts'
import { SharedMemory } from '../../memory/shared-memory.ts'
import { writeText } from '../../memory/superblock.ts'
import { MiB, PAGE_SIZE, PAGE_WORDS } from '../../words/constants.ts'
import { withGraph } from './graph.ts'
import { LockClass, LockNotes, LockOrder, MOST_REPORTS, Notes, REPORT_BYTES } from './notes.ts'

const NAME = 'pageframe: watched locks'
const MAGIC = 0x4c6f636b // 'Lock'

const known = new WeakMap<Attachment, Notes>()

/** The notes of a memory, made by whoever needs them first. Undefined if there is no room. Not in the directory's lock. */
export function notesOf(attachment: Attachment): Notes | undefined {
  const there = known.get(attachment)
  if (there !== undefined) return there
  const region = openRegion(attachment)
  if (region === undefined) return undefined
  const notes = new Notes(attachment, region)
  known.set(attachment, notes)
  return notes
}

/** The notes of a memory if there are any yet. */
export function findNotes(attachment: Attachment): Notes | undefined {
  if (attachment.lockDiagnostics === 0) return undefined
  return notesOf(attachment)
}

function openRegion(attachment: Attachment): Region | undefined {
  const { sizeBytes } = attachment.map
  const [classes, orders] = sizeBytes >= 64 * MiB ? [256, 512] : [32, 64]
  const size = (1 + classes) * PAGE_SIZE + orders * LockOrder.sizeof * 4 + MOST_REPORTS * REPORT_BYTES
  try {
    const region = Region.open(NAME, size, { memory: faceOf(attachment) })
    const at = region.bytes.byteOffset / 4
    withGraph(attachment, () => {
      const { cpu } = attachment
      if (cpu.load(at + LockNotes.magic) === MAGIC) return
      cpu.store(at + LockNotes.mostClasses, classes)
      cpu.store(at + LockNotes.mostOrders, orders)
      const others = at + PAGE_WORDS
      writeText(cpu, others + LockClass.kindBytes, others + LockClass.kind, 'all other locks')
      cpu.store(at + LockNotes.classes, 1)
      cpu.store(at + LockNotes.magic, MAGIC)
    })
    return region
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOMEM') return undefined
    throw error
  }
}

function faceOf(attachment: Attachment): SharedMemory {
  return SharedMemory.from({ $pageframe: 'SharedMemory', memory: attachment.id, at: 0, generation: 0 })
}
