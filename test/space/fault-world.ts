/** A machine without processes: a memory with threads that take turns in this one, process slots, and spaces in them. */

import { reserve, type Backing } from '../../src/host/buffer.ts'
import { compileCpu } from '../../src/host/cpu.ts'
import { Attachment, claim, format, view } from '../../src/memory/attachment.ts'
import { ILP32, LP64, type AddressLayoutName } from '../../src/paging/addresses.ts'
import { Limbo } from '../../src/paging/limbo.ts'
import { Pins } from '../../src/paging/pins.ts'
import { TlbState } from '../../src/paging/presence.ts'
import { processAt, type ProcessTable } from '../../src/paging/processes.ts'
import { Areas } from '../../src/space/areas.ts'
import { spaceProblems } from '../../src/space/check.ts'
import { MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE } from '../../src/space/constants.ts'
import type { Kernel } from '../../src/space/kernel.ts'
import { Space } from '../../src/space/space.ts'
import { SpaceState } from '../../src/space/space-state.ts'
import { unmapObject } from '../../src/space/unmap-object.ts'
import { countMappings } from '../../src/space/vma-cells.ts'
import { ObjectStore } from '../../src/storage/objects.ts'
import { LiveThread } from '../../src/threads/live-thread.ts'
import { CLAIMED, moveState, RUNNING } from '../../src/threads/slot.ts'
import { MiB, PAGE_SIZE, PAGE_WORDS } from '../../src/words/constants.ts'

export const RW = PROT_READ | PROT_WRITE
export const ANON = MAP_PRIVATE | MAP_ANONYMOUS
export const SHARED_ANON = MAP_SHARED | MAP_ANONYMOUS
export const PRIVATE = MAP_PRIVATE
export const SHARED = MAP_SHARED

const PROCESSES = 8
const SLOT_WORDS = 128

export function machine(layout: AddressLayoutName, options: { sizeMiB?: number } = {}) {
  const module = compileCpu()
  const backing = reserved((options.sizeMiB ?? 16) * MiB)
  format(backing, module, 'm9.9', 'machine', false)
  const addressLayout = layout === 'lp64' ? LP64 : ILP32

  /** A thread of its own, that is no more than its slot. */
  function attach(kind: typeof LiveThread = LiveThread): Attachment {
    const seen = view(backing, module, 'machine')
    const { slot, tid } = claim(seen, 'machine', '')
    moveState(seen.cpu, seen.map.slotsAt, tid, CLAIMED, RUNNING)
    return new Attachment('m9.9', 'machine', seen, new kind(seen.cpu, seen.words, slot, tid, 0))
  }

  const first = attach()
  const region = first.frames.allocRun((1 + PROCESSES) * SLOT_WORDS * 4)
  first.frames.own(region, region * PAGE_WORDS)
  const zeroFrame = first.frames.allocFrame()
  first.frames.own(zeroFrame, region * PAGE_WORDS)
  const processes: ProcessTable = {
    firstAt: region * PAGE_WORDS + SLOT_WORDS,
    stride: SLOT_WORDS,
    count: PROCESSES,
  }

  function kernelOf(attachment: Attachment): Kernel {
    const limbo = new Limbo(attachment.frames, processes)
    const objects = new ObjectStore(attachment, limbo)
    const pins = new Pins(attachment.frames)
    const kernel = { attachment, layout: addressLayout, processes, limbo, pins, objects, zeroFrame }
    objects.onCut((objectAt, firstPage, volley) => {
      unmapObject(kernel, objectAt, firstPage, volley)
    })
    objects.onCount((objectAt) => countMappings(kernel, objectAt))
    return kernel
  }

  const kernel = kernelOf(first)

  /** The space of process `index`, run by a thread of its own unless one is given. Its runs end when endRun() is called. */
  function process(index: number, by: Kernel = kernelOf(attach())) {
    const at = processAt(processes, index)
    const { cpu, thread, frames } = by.attachment
    cpu.store(at + SpaceState.tlb + TlbState.tid, thread.tid)
    Areas.format(by, at, { seed: 1, randomize: false })
    const endings: (() => void)[] = []
    const space = new Space(by, at, (endRun) => endings.push(endRun))
    thread.beforeSleep = () => {
      space.presence.goOffline()
    }
    return {
      at,
      space,
      kernel: by,
      mmu: space.mmu,
      frames,
      endRun: () => {
        for (const end of endings.splice(0)) end()
      },
      /** Faults that `work` takes. */
      faults: (work: () => void): number => {
        const before = space.faults.minor
        work()
        return space.faults.minor - before
      },
      map: (pages: number, prot = RW, flags = ANON, object = 0, offset = 0, address = 0): number => {
        const backing = object === 0 ? undefined : { object, access: 2 }
        const result = space.areas.mmap(address, pages * PAGE_SIZE, prot, flags, backing, offset * PAGE_SIZE)
        if (result < 0) throw new Error(`mmap: ${result}`)
        return result
      },
    }
  }

  return {
    kernel,
    cpu: first.cpu,
    kernelOf,
    attach,
    process,
    /** A shared memory object of so many pages, which one reference keeps. */
    object: (pages: number, flags = 0): number => {
      const at = kernel.objects.create({ flags, mode: 0o600 })
      if (at < 0) throw new Error(`create: ${at}`)
      kernel.objects.refLocked(at)
      kernel.objects.publish(at)
      if (pages > 0 && kernel.objects.resize(at, pages * PAGE_SIZE) !== 0) throw new Error('resize')
      return at
    },
    problems: (): readonly string[] => [...spaceProblems(kernel), ...first.frames.check()],
  }
}

function reserved(bytes: number): Backing {
  const backing = reserve(bytes)
  if (backing === undefined) throw new Error('no memory')
  return backing
}

export type TestMachine = ReturnType<typeof machine>
export type TestProcess = ReturnType<TestMachine['process']>
