/**
 * frame(): what a frame of physical memory is used for, and where processes see it.
 *
 *   frame 310, byte 0x136000
 *   page 0 of /dev/shm/jobs
 *   process 1 at 0x7f3c5a1e2000, writable
 *   process 2 at 0x7f11c0de4000
 *
 * It is as good as the moment it is asked in: others go on meanwhile.
 */

import { FREE, FLOATING, Frame, kindOf, MAGAZINE, OWNED, RETIRED, SLAB } from '../frames/frame.ts'
import { isCell, slabOf, cacheOf, signatureOf } from '../frames/slab.ts'
import { frameAt } from '../frames/zone.ts'
import { ProcessSlot } from '../machine/process-slot.ts'
import { pidIn } from '../machine/process-table.ts'
import { heldFrames } from '../machine/sync/held-mutexes.ts'
import { RegionObject } from '../memory/region.ts'
import { showAddress } from '../paging/addresses.ts'
import { LimboBatch } from '../paging/limbo.ts'
import { processIndexOf } from '../paging/processes.ts'
import { hasFrame, isPresent, pfnOf, WRITE } from '../paging/pte.ts'
import type { AreaInfo } from '../space/areas-of.ts'
import type { Kernel } from '../space/kernel.ts'
import { ShmObject } from '../storage/shm-object.ts'
import { PAGE_SIZE } from '../words/constants.ts'
import { integer } from '../words/usage.ts'
import { extentAround, type Extent } from './extent.ts'
import { backingOf } from './mapping.ts'
import { allAreas, pageIndexOf, tableOf } from './resident.ts'
import { withText, type Texted } from './text.ts'
import { insideKernel, kernelOf, type Where } from './where.ts'

/**
 *   kernel       fixed parts: superblock to frame table          slab      small objects of the kernel
 *   free         in the buddy allocator or a magazine            table     a page table, of a process or of an object
 *   held         allocated by a thread and linked nowhere        process   a private page, descriptors, or held mutexes of a process
 *   retired      unlinked, perhaps still being walked            shared    a page of shared memory
 *   limbo        unmapped, perhaps still translated              zero      the page of zeroes
 *                                                                region    a Region's, or another object's of the memory
 */
export type FrameUse =
  | 'kernel'
  | 'free'
  | 'held'
  | 'retired'
  | 'limbo'
  | 'slab'
  | 'table'
  | 'process'
  | 'shared'
  | 'zero'
  | 'region'

/** A place where a process sees the frame. */
export interface FrameMapping {
  readonly pid: number
  readonly address: number
  readonly writable: boolean
}

export interface FrameInfo {
  readonly frame: number
  /** Where it lies in the memory's buffer. */
  readonly byte: number
  readonly use: FrameUse
  /** The same for people, with whose it is. */
  readonly what: string
  readonly mappings: readonly FrameMapping[]
  /** A view holds it in place. */
  readonly isPinned: boolean
}

type Use = Pick<FrameInfo, 'use' | 'what'>

/** What a frame, by its number, is used for. Throws a RangeError if there is no such frame. */
export function frame(where: Where, pfn: number): FrameInfo & Texted {
  const kernel = kernelOf('frame()', where)
  const { frames } = kernel.attachment
  integer('frame()', 'pfn', pfn, 0, frames.geometry.frameCount - 1)
  const extent = extentAround(frames, pfn)
  const areas = allAreas(kernel)
  return insideKernel(kernel, () => {
    const mappings = mappingsOf(kernel, areas, pfn)
    const use = useOf(kernel, pfn, extent, mappings.length > 0)
    const isPinned = kernel.pins.isPinned(pfn)
    return withText({ frame: pfn, byte: pfn * PAGE_SIZE, ...use, mappings, isPinned }, textOf)
  })
}

function useOf(kernel: Kernel, pfn: number, extent: Extent | undefined, isMapped: boolean): Use {
  if (extent === undefined) return { use: 'kernel', what: "the kernel's own words" }
  if (pfn === kernel.zeroFrame) return { use: 'zero', what: 'the page of zeroes: what was only read' }
  const { cpu, geometry } = kernel.attachment.frames
  const word = (field: number): number => cpu.load(frameAt(geometry, extent.first) + field)
  switch (kindOf(extent.flags)) {
    case FREE:
      return { use: 'free', what: 'free' }
    case MAGAZINE:
      return { use: 'free', what: "free, in a thread's magazine" }
    case FLOATING:
      return { use: 'held', what: `held by ${kernel.attachment.threadName(word(Frame.owner))}` }
    case RETIRED:
      return { use: 'retired', what: `retired by ${kernel.attachment.threadName(word(Frame.owner))}` }
    case SLAB:
      return { use: 'slab', what: 'small objects of the kernel' }
    case OWNED:
      return ownedUse(kernel, pfn, word(Frame.object), isMapped)
    default:
      return { use: 'held', what: 'changing hands' }
  }
}

function ownedUse(kernel: Kernel, pfn: number, ownerAt: number, isMapped: boolean): Use {
  const { cpu, frames } = kernel.attachment
  if (isProcess(kernel, ownerAt)) {
    const owner = `process ${pidOf(kernel, ownerAt)}`
    if (cpu.load(ownerAt + ProcessSlot.descriptors) === pfn)
      return { use: 'process', what: `the descriptors of ${owner}` }
    if ([...heldFrames(kernel.attachment, ownerAt + ProcessSlot.held)].includes(pfn))
      return { use: 'process', what: `the robust mutexes that ${owner} holds` }
    // What a space owns is linked: a page by an entry of an area, or else a table.
    return isMapped
      ? { use: 'process', what: `a private page of ${owner}` }
      : { use: 'table', what: `a page table of ${owner}` }
  }
  switch (isCell(frames, ownerAt) ? signatureOf(frames, cacheOf(frames, slabOf(frames, ownerAt))) : 0) {
    case ShmObject.signature: {
      const index = pageIndexOf(kernel, ownerAt, pfn)
      const { name } = backingOf(kernel, ownerAt)
      return index === undefined
        ? { use: 'table', what: `a table of the pages of ${name}` }
        : { use: 'shared', what: `page ${index} of ${name}` }
    }
    case LimboBatch.signature:
      return { use: 'limbo', what: 'unmapped, perhaps still translated' }
    case RegionObject.signature:
      return { use: 'region', what: 'of a Region' }
    default:
      return { use: 'region', what: 'of an object of the memory' }
  }
}

function isProcess({ processes }: Kernel, at: number): boolean {
  const index = processIndexOf(processes, at)
  return Number.isInteger(index) && index >= 0 && index < processes.count
}

function pidOf({ attachment: { cpu } }: Kernel, slotAt: number): number {
  return pidIn(cpu.load(slotAt + ProcessSlot.state))
}

/** Every entry of every process that names the frame. */
function mappingsOf(kernel: Kernel, areas: readonly AreaInfo[], pfn: number): FrameMapping[] {
  const mappings: FrameMapping[] = []
  for (const { space, start, end } of areas) {
    tableOf(kernel, space).visit(start, end, (_at, vpn, pte) => {
      if (!hasFrame(pte) || pfnOf(pte) !== pfn) return
      const writable = isPresent(pte) && (pte & WRITE) !== 0
      mappings.push({ pid: pidOf(kernel, space), address: vpn * PAGE_SIZE, writable })
    })
  }
  return mappings
}

function textOf({ frame: pfn, byte, what, mappings, isPinned }: FrameInfo): string {
  const lines = [`frame ${pfn}, byte ${showAddress(byte)}`, `  ${what}${isPinned ? ', pinned' : ''}`]
  for (const { pid, address, writable } of mappings) {
    lines.push(`  process ${pid} at ${showAddress(address)}${writable ? ', writable' : ''}`)
  }
  return `${lines.join('\n')}\n`
}
