/** Kernel: what a thread needs to run kernel code in a machine's memory. Made once for a thread and a machine. */

import type { Attachment } from '../memory/attachment.ts'
import type { AddressLayout } from '../paging/addresses.ts'
import type { Limbo } from '../paging/limbo.ts'
import type { Pins } from '../paging/pins.ts'
import type { ProcessTable } from '../paging/processes.ts'
import type { ObjectStore } from '../storage/objects.ts'

export interface Kernel {
  readonly attachment: Attachment
  readonly layout: AddressLayout
  readonly processes: ProcessTable
  /** Frames that are unmapped and may still be translated somewhere. */
  readonly limbo: Limbo
  /** Frames that views bypass the MMU to. */
  readonly pins: Pins
  readonly objects: ObjectStore
  /** The frame of zeroes that pages which were only read share. */
  readonly zeroFrame: number
}
