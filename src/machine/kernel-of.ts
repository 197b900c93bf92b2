/**
 * The kernel of a machine, as one thread has it: put together from the floors below, once for a thread and a machine.
 *
 *   the machine's memory   Region 'pageframe machine'   MachineHeader, process slots            process-slot.ts
 *                          the frame of zeroes          OWNED by the Region's cell
 *
 * The supervisor makes one like everybody, over its own attachment: so nothing in here asks for memories or starts threads.
 */

import type { Cpu } from '../host/cpu.ts'
import { countDescriptors } from '../ipc/descriptors.ts'
import type { Attachment } from '../memory/attachment.ts'
import { ILP32, LP64, type AddressLayoutName } from '../paging/addresses.ts'
import { Limbo } from '../paging/limbo.ts'
import { Pins } from '../paging/pins.ts'
import { PROCESS_COUNT } from '../paging/processes.ts'
import type { Kernel } from '../space/kernel.ts'
import { unmapObject } from '../space/unmap-object.ts'
import { countMappings } from '../space/vma-cells.ts'
import { ObjectStore } from '../storage/objects.ts'
import { EPROTO, ErrnoError } from '../words/errno.ts'
import { MachineHeader, ProcessSlot } from './process-slot.ts'
import { SIGNATURE } from './protocol.ts'

const { builtWith, layout, zeroFrame, nextPid, seed, bootedAt } = MachineHeader

export interface MachineKernel extends Kernel {
  /** Word index of the MachineHeader. */
  readonly headerAt: number
}

export interface Setup {
  readonly layout: AddressLayoutName
  /** Of the places that mmap chooses; -1: they are not random. */
  readonly seed: number
  /** A frame of zeroes. */
  readonly zeroFrame: number
}

/** Writes the header of a new machine. Nobody else knows of it. */
export function formatMachine(cpu: Cpu, headerAt: number, setup: Setup): void {
  cpu.store(headerAt + layout, setup.layout === 'lp64' ? 0 : 1)
  cpu.store(headerAt + zeroFrame, setup.zeroFrame)
  cpu.store(headerAt + nextPid, 1)
  cpu.store(headerAt + seed, setup.seed)
  cpu.store(headerAt + bootedAt, Math.floor(Date.now() / 1000))
  cpu.store(headerAt + builtWith, SIGNATURE)
}

/** EPROTO if the machine was booted by a pageframe whose structures are others. */
export function kernelOf(attachment: Attachment, headerAt: number): MachineKernel {
  const { cpu, frames, label } = attachment
  if (cpu.load(headerAt + builtWith) !== SIGNATURE) {
    throw new ErrnoError(
      EPROTO,
      'attach',
      `the machine in memory '${label}' was booted by another version of pageframe`,
    )
  }
  const processes = {
    firstAt: headerAt + MachineHeader.sizeof,
    stride: ProcessSlot.sizeof,
    count: PROCESS_COUNT,
  }
  const limbo = new Limbo(frames, processes)
  const objects = new ObjectStore(attachment, limbo)
  const kernel: MachineKernel = {
    attachment,
    headerAt,
    layout: cpu.load(headerAt + layout) === 0 ? LP64 : ILP32,
    processes,
    limbo,
    pins: new Pins(frames),
    objects,
    zeroFrame: cpu.load(headerAt + zeroFrame),
  }
  objects.onCut((object, firstPage, volley) => {
    unmapObject(kernel, object, firstPage, volley)
  })
  objects.onCount(
    (object) => countMappings(kernel, object) + countDescriptors(kernel, ProcessSlot.descriptors, object),
  )
  return kernel
}
