/** The texts of /proc/PID/smaps and smaps_rollup: kB, rounded down, in columns of 8 digits. */

import { KiB } from '../words/constants.ts'
import { mappingLine } from './mapping.ts'
import type { MemoryUse } from './memory-use.ts'
import type { Smap, SmapsRollup } from './smap.ts'

/** Where the unit of the longest label's number ends: `KernelPageSize:` and 8 digits. */
const LABEL_WIDTH = 16

/** One mapping: its line of maps, and 24 more. */
export function smapText(smap: Smap): string {
  return (
    `${mappingLine(smap)}\n` +
    line('Size', smap.size) +
    line('KernelPageSize', smap.kernelPageSize) +
    line('MMUPageSize', smap.mmuPageSize) +
    useText(smap, '') +
    'THPeligible:           0\n' +
    `VmFlags: ${smap.vmFlags.map((letters) => `${letters} `).join('')}\n`
  )
}

export function rollupText(rollup: SmapsRollup): string {
  const { start, end } = rollup
  const header = { start, end, perms: '---p', offset: 0, device: '00:00', inode: 0, name: '[rollup]' }
  const kinds =
    line('Pss_Anon', rollup.pssAnon) + line('Pss_File', rollup.pssFile) + line('Pss_Shmem', rollup.pssShmem)
  return `${mappingLine(header)}\n${useText(rollup, kinds)}`
}

/** What there is nothing of here, huge pages for example, Linux prints as 0 too. */
function useText(use: MemoryUse, kinds: string): string {
  return (
    line('Rss', use.rss) +
    line('Pss', use.pss) +
    line('Pss_Dirty', use.pssDirty) +
    kinds +
    line('Shared_Clean', use.sharedClean) +
    line('Shared_Dirty', use.sharedDirty) +
    line('Private_Clean', use.privateClean) +
    line('Private_Dirty', use.privateDirty) +
    line('Referenced', use.referenced) +
    line('Anonymous', use.anonymous) +
    ['KSM', 'LazyFree', 'AnonHugePages', 'ShmemPmdMapped', 'FilePmdMapped', 'Shared_Hugetlb']
      .map((label) => line(label, 0))
      .join('') +
    ['Private_Hugetlb', 'Swap', 'SwapPss'].map((label) => line(label, 0)).join('') +
    line('Locked', use.locked)
  )
}

function line(label: string, bytes: number): string {
  const kB = String(Math.floor(bytes / KiB)).padStart(8)
  return `${`${label}:`.padEnd(LABEL_WIDTH)}${kB} kB\n`
}
