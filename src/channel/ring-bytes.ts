/**
 * Ring bytes: bytes that somebody else holds, in which a channel's records lie instead of a run of its own.
 *
 *   Channel { ring }   │ ChannelObject, pfn 0 │   facts, positions and roles: a cell of the memory, as for every channel
 *                              │ RawChannel.data
 *                              ▼
 *   a Region, or the frames    ┌────────┬────────────┬────────────┬──── ─ ─
 *   behind a machine's window  │ free   │ length  n  │ length n+1 │            capacity = all of the bytes
 *                              └────────┴────────────┴────────────┴──── ─ ─
 *
 * The channel borrows them: destroy() and the reaper leave them alone, and whoever gave them keeps them for as long as the
 * channel is used, and writes nothing there. What they hold is the giver's business before and after, so check() reads
 * no records in them, and a repair that meets nonsense there stops.
 *
 * Invariants
 *  1. The bytes begin on a frame, behind the memory's own frames, and their length is a capacity: a power of two.
 *  2. pfn is 0 if and only if the records lie in bytes that were given.
 */

import type { Attachment } from '../memory/attachment.ts'
import { readText, Superblock } from '../memory/superblock.ts'
import { isPowerOfTwo } from '../words/bits.ts'
import { PAGE_SIZE } from '../words/constants.ts'
import { showBytes, typeError, usageError, isUint8Array } from '../words/usage.ts'
import { LEAST_CAPACITY_BYTES, MOST_CAPACITY_BYTES } from './ring.ts'

export type RingBytes = Uint8Array<SharedArrayBuffer>

/**
 * The bytes that the option `ring` names, read once. Throws, with the code
 *
 *  ERR_PAGEFRAME_INVALID_ARGUMENT  not a Uint8Array on a SharedArrayBuffer
 *  ERR_PAGEFRAME_RING_LENGTH       not a power of two from 4 KiB to 1 GiB, or `capacity` says something else
 *  ERR_PAGEFRAME_RING_ALIGNMENT    they do not begin on 4 KiB
 */
export function readRing(call: string, ring: unknown, capacityBytes: number | undefined): RingBytes {
  const bytes = viewOf(ring)
  if (bytes === undefined) throw typeError(call, 'ring', 'a Uint8Array of shared bytes', ring)
  const { byteLength, byteOffset } = bytes
  if (!isPowerOfTwo(byteLength) || byteLength < LEAST_CAPACITY_BYTES || byteLength > MOST_CAPACITY_BYTES) {
    throw wrong(
      'LENGTH',
      `${call}: ring must have a power of two of bytes, from 4096 to 2 ** 30, not ${byteLength}`,
    )
  }
  if (capacityBytes !== undefined && capacityBytes !== byteLength) {
    throw wrong(
      'LENGTH',
      `${call}: ring has ${showBytes(byteLength)}, which is the capacity, and capacity says ${showBytes(capacityBytes)}: leave it out`,
    )
  }
  if (byteOffset % PAGE_SIZE !== 0) {
    throw wrong(
      'ALIGNMENT',
      `${call}: ring must begin on a frame, that is, a multiple of ${PAGE_SIZE}, not at byte ${byteOffset} of its buffer`,
    )
  }
  return bytes
}

/**
 * Throws ERR_PAGEFRAME_RING_BUFFER if the bytes are not of this memory, or are the memory's own: its superblock and tables.
 */
export function admitRing(attachment: Attachment, call: string, ring: RingBytes): void {
  if (!isOfMemory(attachment, ring.buffer)) {
    throw usageError(
      'ERR_PAGEFRAME_RING_BUFFER',
      `${call}: ring must be bytes of memory '${attachment.label}', in which the channel lies: a Region's, or those of a window of its machine`,
    )
  }
  const ownBytes = attachment.map.frames.reservedFrames * PAGE_SIZE
  if (ring.byteOffset < ownBytes) {
    throw usageError(
      'ERR_PAGEFRAME_RING_BUFFER',
      `${call}: ring begins at byte ${ring.byteOffset} of memory '${attachment.label}', whose first ${ownBytes} are its own`,
    )
  }
}

/** By tag, since it may come from another context; a fresh view, since an object's properties may be anything. */
function viewOf(ring: unknown): RingBytes | undefined {
  if (!isUint8Array(ring)) return undefined
  const { buffer, byteOffset, byteLength } = ring
  if (Object.prototype.toString.call(buffer) !== '[object SharedArrayBuffer]') return undefined
  return new Uint8Array(buffer as SharedArrayBuffer, byteOffset, byteLength)
}

/** A view that crossed a message has a buffer object of its own on the same bytes: the memory's id says so. */
function isOfMemory({ buffer, cpu, id }: Attachment, other: SharedArrayBuffer): boolean {
  if (other === buffer) return true
  if (other.byteLength !== buffer.byteLength) return false
  const words = new Int32Array(other, 0, Superblock.sizeof)
  return (
    words[Superblock.magic] === cpu.load(Superblock.magic) &&
    readText({ load: (at) => words[at] }, Superblock.idBytes, Superblock.id) === id
  )
}

function wrong(what: 'LENGTH' | 'ALIGNMENT', message: string): RangeError {
  return Object.assign(new RangeError(message), { code: `ERR_PAGEFRAME_RING_${what}` })
}
