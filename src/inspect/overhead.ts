/**
 * overhead(): the share of a machine's memory that the kernel takes for itself, counted now.
 *
 *   fixed        superblock, thread slots, lot, frame table: what every memory of this size has
 *   machine      process slots and their header
 *   slabs        small objects: areas, objects of shared memory, names, locks ...
 *   tables       page tables of processes, and of the pages of shared memory
 *   descriptors  a frame for each process; and one for each 511 robust mutexes that it holds
 *   zeroPage     one
 */

import { kindOf, SLAB } from '../frames/frame.ts'
import { visitChunk } from '../frames/truth.ts'
import { chunkCount, lockZone, unlockZone } from '../frames/zone.ts'
import { ProcessSlot, REGION_WORDS } from '../machine/process-slot.ts'
import { heldFrames } from '../machine/sync/held-mutexes.ts'
import { processAt } from '../paging/processes.ts'
import type { Kernel } from '../space/kernel.ts'
import { ShmObject } from '../storage/shm-object.ts'
import { KiB, PAGE_SIZE, PAGE_WORDS } from '../words/constants.ts'
import { indexTableOf, tableOf } from './resident.ts'
import { withText, type Texted } from './text.ts'
import { insideKernel, kernelOf, type Where } from './where.ts'

/** Bytes. */
export interface OverheadParts {
  readonly fixed: number
  readonly machine: number
  readonly slabs: number
  readonly tables: number
  readonly descriptors: number
  readonly zeroPage: number
}

export interface Overhead {
  readonly totalBytes: number
  readonly kernelBytes: number
  /** kernelBytes / totalBytes. */
  readonly share: number
  readonly parts: OverheadParts
}

/** What the kernel of a machine takes at this moment. As a text: a line for each part, with its share. */
export function overhead(where: Where): Overhead & Texted {
  const kernel = kernelOf('overhead()', where)
  const { geometry } = kernel.attachment.frames
  const slabs = slabFrames(kernel) * PAGE_SIZE
  const parts = insideKernel(kernel, () => ({
    fixed: geometry.reservedFrames * PAGE_SIZE,
    machine: Math.ceil(REGION_WORDS / PAGE_WORDS) * PAGE_SIZE,
    slabs,
    ...framesOfProcesses(kernel),
    zeroPage: PAGE_SIZE,
  }))
  const totalBytes = geometry.frameCount * PAGE_SIZE
  const kernelBytes = sumOf(Object.values(parts))
  return withText({ totalBytes, kernelBytes, share: kernelBytes / totalBytes, parts }, textOf)
}

function slabFrames({ attachment: { frames } }: Kernel): number {
  let count = 0
  for (let chunk = 0; chunk < chunkCount(frames.geometry); chunk++) {
    lockZone(frames)
    try {
      visitChunk(frames, chunk, (_pfn, flags, extent) => {
        if (kindOf(flags) === SLAB) count += extent
      })
    } finally {
      unlockZone(frames)
    }
  }
  return count
}

function framesOfProcesses(kernel: Kernel): Pick<OverheadParts, 'tables' | 'descriptors'> {
  const { processes, attachment } = kernel
  const { cpu, frames } = attachment
  let tables = 0
  let descriptors = 0
  for (let index = 0; index < processes.count; index++) {
    const at = processAt(processes, index)
    tables += sumOf(tableOf(kernel, at).countTables())
    if (cpu.load(at + ProcessSlot.descriptors) !== 0) descriptors++
    descriptors += [...heldFrames(attachment, at + ProcessSlot.held)].length
  }
  for (const at of frames.cellsOf(ShmObject.signature)) {
    tables += sumOf(indexTableOf(kernel, at).countTables())
  }
  return { tables: tables * PAGE_SIZE, descriptors: descriptors * PAGE_SIZE }
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0)
}

function textOf({ totalBytes, kernelBytes, parts }: Overhead): string {
  const rows: Record<string, number> = { ...parts, kernel: kernelBytes, total: totalBytes }
  return Object.keys(rows)
    .map((name) => {
      const kB = String(rows[name] / KiB).padStart(8)
      const percent = ((rows[name] / totalBytes) * 100).toFixed(3).padStart(7)
      return `${`${name}:`.padEnd(16)}${kB} kB ${percent} %\n`
    })
    .join('')
}
