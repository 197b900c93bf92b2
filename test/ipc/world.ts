/** The world of the storage tests, with descriptors for its processes and a name space. */

import { countDescriptors, Descriptors, dropDescriptors, type IpcKernel } from '../../src/ipc/descriptors.ts'
import { repairNames } from '../../src/ipc/names.ts'
import {
  fstat,
  ftruncate,
  shmOpen,
  shmUnlink,
  type ShmOpenOptions,
  type Stat,
} from '../../src/ipc/posix-shm.ts'
import { PAGE_WORDS } from '../../src/words/constants.ts'
import { framesOwnedBy } from '../../src/frames/owned.ts'
import { DESCRIPTORS, storageWorld, type Member } from '../storage/world.ts'

export function ipcWorld(options: { sizeMiB?: number } = {}) {
  const world = storageWorld(options)
  const region = world.first.attachment.frames.allocFrame()
  world.first.attachment.frames.own(region, 1)
  const namesLockAt = region * PAGE_WORDS
  const kernels = new Map<Member, IpcKernel>()

  function kernelOf(member: Member): IpcKernel {
    let kernel = kernels.get(member)
    if (kernel === undefined) {
      const made = { attachment: member.attachment, processes: world.processes, objects: member.objects }
      kernel = made
      kernels.set(member, made)
      member.objects.onCount((object) => countDescriptors(made, DESCRIPTORS, object))
    }
    return kernel
  }
  kernelOf(world.first)
  const reaper = kernelOf(world.reaper)

  return {
    ...world,
    /** Process `index`, as a thread runs it. */
    process: (index: number, member: Member = world.member()) => {
      const kernel = kernelOf(member)
      const descriptors = new Descriptors(kernel, world.slotAt(index) + DESCRIPTORS, world.slotAt(index))
      const names = { kernel, namesLockAt }
      return {
        member,
        descriptors,
        open: (name: string, oflag: number, mode = 0o600, more: ShmOpenOptions = {}) =>
          shmOpen(names, descriptors, name, oflag, mode, more),
        unlink: (name: string) => shmUnlink(names, name),
        truncate: (fd: number, length: number) => ftruncate(descriptors, fd, length),
        close: (fd: number) => descriptors.close(fd),
        dup: (fd: number) => descriptors.dup(fd),
        stat: (fd: number): Stat => {
          const result = fstat(descriptors, fd)
          if (typeof result === 'number') throw new Error(`fstat: ${result}`)
          return result
        },
        errorOfStat: (fd: number) => fstat(descriptors, fd),
        object: (fd: number): number => {
          const open = descriptors.get(fd)
          if (typeof open === 'number') throw new Error(`get: ${open}`)
          return open.object
        },
      }
    },
    /** The reaper's steps for a dead process. */
    bury: (index: number, member: Member): void => {
      world.reap(member, (dead) => {
        repairNames(reaper, namesLockAt, dead)
        dropDescriptors(reaper, world.slotAt(index) + DESCRIPTORS)
        // As the teardown of its space.
        for (const pfn of framesOwnedBy(world.reaper.attachment.frames, world.slotAt(index))) {
          world.reaper.attachment.frames.retireFrame(pfn)
        }
      })
    },
  }
}

export type IpcWorld = ReturnType<typeof ipcWorld>
export type TestProcess = ReturnType<IpcWorld['process']>
