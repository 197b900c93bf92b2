/** A process without a space above it: a page table in real frames, a TLB, an MMU, and demand-zero pages below `mapped`. */

import { ILP32, LP64, type AddressLayoutName } from '../../src/paging/addresses.ts'
import { Mmu } from '../../src/paging/mmu.ts'
import type { AccessKind } from '../../src/paging/translation.ts'
import { Presence, TlbState } from '../../src/paging/presence.ts'
import { EXCLUSIVE, PRESENT, pteOf, WRITE } from '../../src/paging/pte.ts'
import { SegmentationFault } from '../../src/paging/signals.ts'
import { PageTable } from '../../src/paging/table.ts'
import { newTlb } from '../../src/paging/tlb.ts'
import { PAGE_SIZE, PAGE_WORDS } from '../../src/words/constants.ts'
import { world } from '../frames/world.ts'

export function paging(name: AddressLayoutName, frameCount = 256) {
  const base = world(frameCount, { reserved: 32 })
  const { cpu } = base
  const frames = base.frames(0)
  const stateAt = 24 * PAGE_WORDS
  const rootAt = stateAt + TlbState.sizeof
  const table = new PageTable(frames, name === 'lp64' ? LP64 : ILP32, rootAt, rootAt)
  const tlb = newTlb(name)
  const endings: (() => void)[] = []
  const presence = new Presence(cpu, stateAt, tlb, (endRun) => endings.push(endRun))
  const faults: [number, AccessKind][] = []
  const areas = new Map<number, { writable: boolean }>()

  const mmu = new Mmu(cpu, base.words.buffer, presence, tlb, table, (address, access) => {
    faults.push([address, access])
    const page = address - (address % PAGE_SIZE)
    const area = areas.get(page)
    if (area === undefined) throw new SegmentationFault('SEGV_MAPERR', address)
    if (access === 'write' && !area.writable) throw new SegmentationFault('SEGV_ACCERR', address)
    install(page, area.writable)
  })

  /** Puts a zeroed frame behind a page, unless it has one. */
  function install(page: number, writable: boolean): number {
    const at = table.ensure(page / PAGE_SIZE)
    if (cpu.load(at) === 0) {
      const pfn = frames.allocFrame()
      frames.own(pfn, rootAt)
      cpu.store(at, pteOf(pfn, PRESENT | EXCLUSIVE | (writable ? WRITE : 0)))
    }
    return at
  }

  return {
    ...base,
    frames,
    table,
    presence,
    mmu,
    faults,
    install,
    stateAt,
    rootAt,
    /** Pages that may be accessed. */
    map: (page: number, count = 1, writable = true) => {
      for (let i = 0; i < count; i++) areas.set(page + i * PAGE_SIZE, { writable })
    },
    /** The microtask at the end of the run. */
    endRun: () => {
      for (const end of endings.splice(0)) end()
    },
  }
}

/** A high address of each layout, page-aligned: no int32, in lp64 no uint32 either. */
export const HIGH = { lp64: 0x7f3c_5a1e_2000, ilp32: 0xb7fd_1000 } as const
