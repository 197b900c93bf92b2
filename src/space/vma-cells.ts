/**
 * Cells of areas (vma.ts): written by the mutator of their space, walked by everybody.
 *
 *   cellsOfSpace()  the areas of a space that is at rest; else areasOf() (areas-of.ts)
 *   mappingsOf()    the areas of an object, under the object's lock: they stand still
 *   dropAreas()     a space ends: its areas go
 */

import type { Cpu } from '../host/cpu.ts'
import type { Area, AreaTraits } from './area.ts'
import type { Kernel } from './kernel.ts'
import { SpaceState } from './space-state.ts'
import { Vma } from './vma.ts'

const { sequence } = SpaceState

const LOW = 2 ** 30

/** What a reader gets: a copy of the cell, with the space that it belongs to. */
export interface AreaInfo extends Area {
  readonly space: number
}

/** A number below 2^60 in two words, at `at` and `at` + 1. */
export function storeWide(cpu: Cpu, at: number, value: number): void {
  cpu.store(at, value % LOW)
  cpu.store(at + 1, Math.floor(value / LOW))
}

export function loadWide(cpu: Cpu, at: number): number {
  return cpu.load(at) + cpu.load(at + 1) * LOW
}

/** Writes the bounds of an area: under the lock of its object, if it has one. */
export function storeBounds(cpu: Cpu, at: number, start: number, end: number, offset: number): void {
  storeWide(cpu, at + Vma.startLow, start)
  storeWide(cpu, at + Vma.endLow, end)
  storeWide(cpu, at + Vma.offsetLow, offset)
}

export function storeTraits(cpu: Cpu, at: number, traits: AreaTraits): void {
  cpu.store(at + Vma.flags, traits.flags)
  cpu.store(at + Vma.prot, traits.prot)
  cpu.store(at + Vma.mayProt, traits.mayProt)
  cpu.store(at + Vma.object, traits.object)
  cpu.store(at + Vma.file, traits.file)
}

export function readArea(cpu: Cpu, at: number): AreaInfo {
  return {
    at,
    space: cpu.load(at + Vma.space),
    start: loadWide(cpu, at + Vma.startLow),
    end: loadWide(cpu, at + Vma.endLow),
    flags: cpu.load(at + Vma.flags),
    prot: cpu.load(at + Vma.prot),
    mayProt: cpu.load(at + Vma.mayProt),
    object: cpu.load(at + Vma.object),
    file: cpu.load(at + Vma.file),
    offset: loadWide(cpu, at + Vma.offsetLow),
    anonId: cpu.load(at + Vma.anonId),
  }
}

/** The areas of a space at rest. */
export function cellsOfSpace({ attachment }: Kernel, spaceAt: number): AreaInfo[] {
  const { cpu, frames } = attachment
  const found: AreaInfo[] = []
  for (const at of frames.cellsOf(Vma.signature)) {
    if (cpu.load(at + Vma.space) === spaceAt) found.push(readArea(cpu, at))
  }
  return found.sort((one, other) => one.start - other.start)
}

/** The areas, of whatever space, that map an object. Its lock is held. */
export function* mappingsOf({ attachment }: Kernel, object: number): Generator<AreaInfo> {
  const { cpu, frames } = attachment
  for (const at of frames.cellsOf(Vma.signature)) {
    if (cpu.load(at + Vma.object) === object) yield readArea(cpu, at)
  }
}

/** How many references areas hold on an object: what its `refs` is recounted from. Its lock is held, or all is at rest. */
export function countMappings(kernel: Kernel, object: number): number {
  return [...mappingsOf(kernel, object)].length
}

/**
 * The space ends: every area of it goes, and with each its reference. Page table entries are another step. May be repeated;
 * throws MustNotBlock where the supervisor would have to wait.
 */
export function dropAreas(kernel: Kernel, spaceAt: number): void {
  const { cpu } = kernel.attachment
  // Odd while they go, and it may be so by whoever died in a change: foreign readers wait, as for a mutator.
  const first = cpu.load(spaceAt + sequence) | 1
  cpu.store(spaceAt + sequence, first)
  for (const { at, object } of cellsOfSpace(kernel, spaceAt)) dropArea(kernel, at, object)
  cpu.store(spaceAt + SpaceState.areaCount, 0)
  cpu.store(spaceAt + sequence, (first + 1) | 0)
}

function dropArea({ attachment, objects }: Kernel, at: number, object: number): void {
  const { frames } = attachment
  if (object === 0) {
    if (frames.unpublishCell(at) === 0) frames.freeCell(at)
    return
  }
  objects.withLock(object, () => {
    // Inside the lock: if this thread dies between the two, the references are counted anew.
    if (frames.unpublishCell(at) !== 0) return
    frames.freeCell(at)
    objects.unrefLocked(object)
  })
}
