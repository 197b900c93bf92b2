/**
 * smaps(): what each mapping of a process takes, as /proc/PID/smaps shows it; smapsRollup() adds it up.
 *
 *   7f571dff3000-7f571dff5000 rw-s 00000000 00:1b 2                          /dev/shm/jobs
 *   Size:                  8 kB
 *   ...
 *   Pss:                   2 kB
 *   ...
 *   VmFlags: rd wr sh mr mw me ms
 *
 * Other than on Linux, a page of shared memory counts as dirty only for the entry through which it was written.
 *
 * See: proc_pid_smaps(5); show_smap() and show_smaps_rollup() of fs/proc/task_mmu.c.
 */

import type { ProcessView } from '../machine/process-view.ts'
import type { AreaInfo } from '../space/areas-of.ts'
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../space/constants.ts'
import type { Kernel } from '../space/kernel.ts'
import { VM_ACCOUNT, VM_GROWSDOWN, VM_LOCKED, VM_NOHUGEPAGE, VM_NORESERVE, VM_SHARED } from '../space/vma.ts'
import { PAGE_SIZE } from '../words/constants.ts'
import { mappingOf } from './mapping.ts'
import { MemoryUseCounter } from './memory-use.ts'
import { allAreas, countMappings, visitResident, type MapCounts } from './resident.ts'
import type { Smap, SmapsRollup } from './smap.ts'
import { rollupText, smapText } from './smaps-text.ts'
import { withText, type Texted } from './text.ts'
import { insideKernel, lookAt } from './where.ts'

/** The mappings of a process in the order of their addresses. As a text: /proc/PID/smaps. */
export function smaps(process: ProcessView): readonly (Smap & Texted)[] & Texted {
  const each = lookAt('smaps()', process, (kernel, areas) => {
    const sharing = areasSharingWith(kernel, areas)
    return insideKernel(kernel, () => {
      const counts = countMappings(kernel, sharing)
      return areas.map((area) => {
        const use = new MemoryUseCounter()
        addArea(use, kernel, area, counts)
        return withText({ ...mappingOf(kernel, area), ...sizesOf(area), ...use.result() }, smapText)
      })
    })
  })
  return withText(each, (all) => all.map(smapText).join(''))
}

/** The sum. As a text: /proc/PID/smaps_rollup. */
export function smapsRollup(process: ProcessView): SmapsRollup & Texted {
  const rollup = lookAt('smapsRollup()', process, (kernel, areas) => {
    const sharing = areasSharingWith(kernel, areas)
    const use = new MemoryUseCounter()
    insideKernel(kernel, () => {
      const counts = countMappings(kernel, sharing)
      for (const area of areas) addArea(use, kernel, area, counts)
    })
    const start = (areas.at(0)?.start ?? 0) * PAGE_SIZE
    const end = (areas.at(-1)?.end ?? 0) * PAGE_SIZE
    return { start, end, ...use.result() }
  })
  return withText(rollup, rollupText)
}

/** All areas, of whatever space, that map an object which one of these maps. */
function areasSharingWith(kernel: Kernel, areas: readonly AreaInfo[]): AreaInfo[] {
  const objects = new Set(areas.map(({ object }) => object))
  return objects.size === (objects.has(0) ? 1 : 0)
    ? []
    : allAreas(kernel).filter(({ object }) => object !== 0 && objects.has(object))
}

function addArea(use: MemoryUseCounter, kernel: Kernel, area: AreaInfo, counts: MapCounts): void {
  const isLocked = (area.flags & VM_LOCKED) !== 0
  visitResident(kernel, area.space, area, (page) => {
    use.add(page, counts, isLocked)
  })
}

function sizesOf(area: AreaInfo): Pick<Smap, 'size' | 'kernelPageSize' | 'mmuPageSize' | 'vmFlags'> {
  const size = (area.end - area.start) * PAGE_SIZE
  return { size, kernelPageSize: PAGE_SIZE, mmuPageSize: PAGE_SIZE, vmFlags: vmFlagsOf(area) }
}

/** In Linux's order: that of the bits. */
function vmFlagsOf({ prot, mayProt, flags }: AreaInfo): string[] {
  const is = (bit: number): boolean => (flags & bit) !== 0
  const may = (bit: number): boolean => (mayProt & bit) !== 0
  const letters: [boolean, string][] = [
    [(prot & PROT_READ) !== 0, 'rd'],
    [(prot & PROT_WRITE) !== 0, 'wr'],
    [(prot & PROT_EXEC) !== 0, 'ex'],
    // Linux clears VM_SHARED, and keeps VM_MAYSHARE, where the object was opened for reading only.
    [is(VM_SHARED) && may(PROT_WRITE), 'sh'],
    [may(PROT_READ), 'mr'],
    [may(PROT_WRITE), 'mw'],
    [may(PROT_EXEC), 'me'],
    [is(VM_SHARED), 'ms'],
    [is(VM_GROWSDOWN), 'gd'],
    [is(VM_LOCKED), 'lo'],
    [is(VM_ACCOUNT), 'ac'],
    [is(VM_NORESERVE), 'nr'],
    [is(VM_NOHUGEPAGE), 'nh'],
  ]
  return letters.filter(([isSo]) => isSo).map(([, letter]) => letter)
}
