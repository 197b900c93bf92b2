/**
 * The check of address spaces: tables, entries, areas, frames and pins of a machine at rest are counted against each other.
 *
 * Each sentence says what does not fit, and where. Nothing is trusted: whatever is damaged, the walk ends.
 */

import { Frame, KIND_NAMES, kindOf, OWNED } from '../frames/frame.ts'
import { flagsOf, frameAt } from '../frames/zone.ts'
import { showAddress } from '../paging/addresses.ts'
import { processAt } from '../paging/processes.ts'
import {
  EXCLUSIVE,
  HIDDEN,
  isMarker,
  isPresent,
  pfnOf,
  SPECIAL,
  TABLE_ENTRIES,
  WRITE,
} from '../paging/pte.ts'
import { PageTable } from '../paging/table.ts'
import { PAGE_SIZE, PAGE_WORDS } from '../words/constants.ts'
import { PROT_EXEC, PROT_READ, PROT_WRITE } from './constants.ts'
import type { Kernel } from './kernel.ts'
import { isPrivateFrame } from './private-page.ts'
import { SpaceState } from './space-state.ts'
import { framesOwnedBy } from '../frames/owned.ts'
import { cellsOfSpace, type AreaInfo } from './vma-cells.ts'
import { VM_SHARED } from './vma.ts'

const PROT_ANY = PROT_READ | PROT_WRITE | PROT_EXEC

/** `others` are frames that a space owns besides tables and pages: its descriptors. */
export function* spaceProblems(
  kernel: Kernel,
  others: (spaceAt: number) => readonly number[] = () => [],
): Generator<string> {
  for (let index = 0; index < kernel.processes.count; index++) {
    const spaceAt = processAt(kernel.processes, index)
    yield* problemsOf(kernel, index, spaceAt, others(spaceAt))
  }
}

function* problemsOf(
  kernel: Kernel,
  index: number,
  spaceAt: number,
  others: readonly number[],
): Generator<string> {
  const { cpu, frames } = kernel.attachment
  const areas = cellsOfSpace(kernel, spaceAt)
  const name = `space ${index}`
  yield* areaProblems(kernel, name, areas)
  const counted = cpu.load(spaceAt + SpaceState.areaCount)
  if (counted !== areas.length) yield `${name} counts ${counted} areas and has ${areas.length}`
  const found = new Map<number, string>(others.map((pfn) => [pfn, 'its descriptors']))
  yield* tableProblems(kernel, name, spaceAt, found)
  yield* entryProblems(kernel, name, spaceAt, areas, found)
  const pinned = kernel.pins.snapshot()
  for (const pfn of framesOwnedBy(frames, spaceAt)) {
    if (!found.has(pfn) && !pinned.covers(pfn)) yield `${name} owns frame ${pfn} and does not use it`
  }
}

function* areaProblems(kernel: Kernel, name: string, areas: readonly AreaInfo[]): Generator<string> {
  let reached = 0
  for (const { start, end, object } of areas) {
    const where = `${name}, area ${showPage(start)}-${showPage(end)}`
    if (start >= end || end * PAGE_SIZE > kernel.layout.taskSize) yield `${where}: these are no bounds`
    if (start < reached) yield `${where} overlaps the one before it`
    if (object !== 0 && !kernel.objects.isObject(object)) yield `${where} maps ${object}, where no object is`
    reached = end
  }
}

/** Every table is the space's, with its level in Frame.index, and linked once. */
function* tableProblems(
  { attachment, layout }: Kernel,
  name: string,
  spaceAt: number,
  found: Map<number, string>,
): Generator<string> {
  const { cpu, frames, map } = attachment
  const links = [{ link: cpu.load(spaceAt + SpaceState.root), level: layout.levels - 1 }]
  for (let next = links.pop(); next !== undefined; next = links.pop()) {
    const { link, level } = next
    if (link === 0) continue
    const pfn = pfnOf(link)
    if (!isPresent(link) || pfn >= map.frames.frameCount) {
      yield `${name}: a link of level ${level} says ${link}`
      continue
    }
    if (found.has(pfn)) {
      yield `${name}: frame ${pfn} is a table, and is ${String(found.get(pfn))}`
      continue
    }
    found.set(pfn, 'a table')
    const frame = frameAt(frames.geometry, pfn)
    const kind = kindOf(flagsOf(frames, pfn))
    if (kind !== OWNED || cpu.load(frame + Frame.object) !== spaceAt) {
      yield `${name}: table ${pfn} is ${KIND_NAMES[kind]}, of ${cpu.load(frame + Frame.object)}`
    }
    if (cpu.load(frame + Frame.index) !== level)
      yield `${name}: table ${pfn} is not said to be of level ${level}`
    if (level === 0) continue
    for (let i = 0; i < TABLE_ENTRIES; i++) {
      links.push({ link: cpu.load(pfn * PAGE_WORDS + i), level: level - 1 })
    }
  }
}

function* entryProblems(
  kernel: Kernel,
  name: string,
  spaceAt: number,
  areas: readonly AreaInfo[],
  found: Map<number, string>,
): Generator<string> {
  const { frames } = kernel.attachment
  const table = new PageTable(frames, kernel.layout, spaceAt + SpaceState.root, spaceAt)
  const entries: { vpn: number; pte: number }[] = []
  table.visit(0, kernel.layout.taskSize / PAGE_SIZE, (_, vpn, pte) => entries.push({ vpn, pte }))
  let next = 0
  for (const { vpn, pte } of entries) {
    while (next < areas.length && areas[next].end <= vpn) next++
    const area = next < areas.length && areas[next].start <= vpn ? areas[next] : undefined
    const where = `${name}, page ${showPage(vpn)}`
    if (area === undefined) yield `${where} is mapped (${pte}), and no area is there`
    else for (const problem of problemsOfEntry(kernel, spaceAt, area, vpn, pte)) yield `${where} ${problem}`
    const pfn = pfnOf(pte)
    if (!isPrivateFrame(frames, pfn, spaceAt)) continue
    if (found.has(pfn)) yield `${where} has frame ${pfn}, which is ${String(found.get(pfn))}`
    found.set(pfn, `page ${showPage(vpn)}`)
  }
}

function* problemsOfEntry(
  kernel: Kernel,
  spaceAt: number,
  area: AreaInfo,
  vpn: number,
  pte: number,
): Generator<string> {
  const pfn = pfnOf(pte)
  const isHidden = isMarker(pte, HIDDEN)
  if (!isPresent(pte) && !isHidden) {
    yield `holds ${pte}, which nothing at rest does`
    return
  }
  if (isHidden === ((area.prot & PROT_ANY) !== 0))
    yield `is ${isHidden ? '' : 'not '}hidden, against its area`
  if ((pte & WRITE) !== 0 && !isHidden && (area.prot & PROT_WRITE) === 0)
    yield 'can be written, against its area'
  if (isPrivateFrame(kernel.attachment.frames, pfn, spaceAt)) {
    if (!isHidden && (pte & EXCLUSIVE) === 0) yield `has frame ${pfn} of its own, and does not say so`
    if ((area.flags & VM_SHARED) !== 0) yield `has frame ${pfn} of its own, in a shared area`
  } else if (isHidden && pfn === kernel.zeroFrame) {
    if (area.object !== 0) yield 'hides the zero page, and maps an object'
  } else if (!isHidden && (pte & SPECIAL) !== 0) {
    if (pfn !== kernel.zeroFrame || (pte & WRITE) !== 0)
      yield `has frame ${pfn} for the zero page, or may write it`
  } else {
    yield* problemsOfObjectPage(kernel, area, vpn, pfn)
  }
}

function* problemsOfObjectPage(kernel: Kernel, area: AreaInfo, vpn: number, pfn: number): Generator<string> {
  const { objects, attachment } = kernel
  if (area.object === 0) {
    yield `has frame ${pfn}, which is not its own`
    return
  }
  const index = area.offset + (vpn - area.start)
  attachment.frames.enterKernel()
  const there = index < objects.pages(area.object) ? objects.pageAt(area.object, index, false) : -1
  attachment.frames.leaveKernel()
  if (there !== pfn) yield `has frame ${pfn}, and page ${index} of its object is ${there}`
}

function showPage(vpn: number): string {
  return showAddress(vpn * PAGE_SIZE)
}
