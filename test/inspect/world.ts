/** A machine whose threads take turns in this one, with processes to be looked at: their spaces, descriptors, and views. */

import { Descriptors } from '../../src/ipc/descriptors.ts'
import { ftruncate, shmOpen, shmUnlink } from '../../src/ipc/posix-shm.ts'
import { ProcessSlot, RUNNING } from '../../src/machine/process-slot.ts'
import { stateWord } from '../../src/machine/process-table.ts'
import { ProcessView } from '../../src/machine/process-view.ts'
import type { AddressLayoutName } from '../../src/paging/addresses.ts'
import { processAt } from '../../src/paging/processes.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { machine } from '../space/fault-world.ts'

export function inspectable(layout: AddressLayoutName) {
  const m = machine(layout)
  const namesLockAt = processAt(m.kernel.processes, m.kernel.processes.count - 1)

  function process(index: number) {
    const made = m.process(index)
    m.cpu.store(made.at + ProcessSlot.state, stateWord(index + 1, RUNNING))
    const { kernel, space, mmu } = made
    const names = { kernel, namesLockAt }
    const descriptors = new Descriptors(kernel, made.at + ProcessSlot.descriptors, made.at)
    return {
      ...made,
      view: new ProcessView(m.kernel, index),
      /** As a Machine has it, for what takes a machine or a process. */
      self: new ProcessView(kernel, index),
      /** A word of the process slot. */
      slotWord: (field: number) => m.cpu.load(made.at + field),
      open: (name: string, oflag: number) => shmOpen(names, descriptors, name, oflag, 0o600),
      truncate: (fd: number, bytes: number) => ftruncate(descriptors, fd, bytes),
      unlink: (name: string) => shmUnlink(names, name),
      /** mmap(2), with what it maps by descriptor. */
      mapFd: (
        address: number,
        pages: number,
        prot: number,
        flags: number,
        fd: number,
        offset = 0,
      ): number => {
        const found = descriptors.get(fd)
        const backing = typeof found === 'number' ? undefined : found
        const at = space.areas.mmap(address, pages * PAGE_SIZE, prot, flags, backing, offset)
        if (at < 0) throw new Error(`mmap: ${at}`)
        return at
      },
      read: (at: number, page: number) => mmu.load8(at + page * PAGE_SIZE),
      write: (at: number, page: number) => {
        mmu.store8(at + page * PAGE_SIZE, 1)
      },
      protect: (at: number, pages: number, prot: number) => {
        if (space.areas.mprotect(at, pages * PAGE_SIZE, prot) !== 0) throw new Error('mprotect')
      },
    }
  }

  return { ...m, process }
}
