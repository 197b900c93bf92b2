/**
 * Space: one process's address space, put together: areas, page table, TLB, presence and MMU, in the thread that runs it.
 *
 *   load32(addr) ─► mmu ─► tlb ──hit──► the word
 *                    │      │ miss
 *                    │      ▼
 *                    │     table ──present──► fill
 *                    │      │ not there
 *                    ▼      ▼
 *                  presence  fault.ts ─► areas: is it mapped? ─► private-page.ts, object-page.ts: link a frame
 *
 * What it consists of lies in shared memory (space-state.ts, vma.ts, the tables): this object is the thread's own access to
 * it, and holds nothing that its death would lose.
 *
 * Whoever makes one sees to it that `presence` goes offline before the thread blocks (LiveThread.beforeSleep).
 */

import type { Cpu } from '../host/cpu.ts'
import type { Frames } from '../frames/frames.ts'
import { explainAddress, type Walk } from '../paging/explain.ts'
import { Mmu } from '../paging/mmu.ts'
import type { AccessKind } from '../paging/translation.ts'
import { atEndOfRun, Presence, type AtEndOfRun } from '../paging/presence.ts'
import { processIndexOf } from '../paging/processes.ts'
import { PageTable } from '../paging/table.ts'
import { newTlb, type Tlb } from '../paging/tlb.ts'
import type { ObjectStore } from '../storage/objects.ts'
import { Areas } from './areas.ts'
import { populateRange, resolveFault } from './fault.ts'
import type { Kernel } from './kernel.ts'
import type { SpaceParts } from './parts.ts'
import { SpaceState } from './space-state.ts'
import { Window } from './window.ts'

const { root, tlb: tlbState, minorFaults, majorFaults } = SpaceState

export class Space implements SpaceParts {
  declare readonly kernel: Kernel
  /** Word index of its SpaceState: who it is in Frame.object and in its areas. */
  declare readonly at: number
  declare readonly cpu: Cpu
  declare readonly frames: Frames
  declare readonly objects: ObjectStore
  declare readonly table: PageTable
  declare readonly tlb: Tlb
  declare readonly presence: Presence
  declare readonly mmu: Mmu
  declare readonly areas: Areas
  /** The entries that a fault has put around the page it was for, while it may still take them out again. */
  readonly around = new Int32Array(16)

  constructor(kernel: Kernel, spaceAt: number, whenRunEnds: AtEndOfRun = atEndOfRun) {
    const { attachment, layout } = kernel
    const { cpu, frames, buffer } = attachment
    this.kernel = kernel
    this.at = spaceAt
    this.cpu = cpu
    this.frames = frames
    this.objects = kernel.objects
    this.table = new PageTable(frames, layout, spaceAt + root, spaceAt, true)
    this.tlb = newTlb(layout.name)
    this.presence = new Presence(cpu, spaceAt + tlbState, this.tlb, whenRunEnds)
    this.mmu = new Mmu(cpu, buffer, this.presence, this.tlb, this.table, (address, access) => {
      resolveFault(this, address, access)
    })
    this.areas = new Areas(kernel, spaceAt, this.table)
    this.areas.zapper.tlb = this.tlb
    this.areas.populate = (from, to) => {
      populateRange(this, from, to)
    }
  }

  /** Which process of the machine it is. */
  get index(): number {
    return processIndexOf(this.kernel.processes, this.at)
  }

  /**
   * Makes the page at an address accessible. Throws a SegmentationFault, a BusError, or an ErrnoError ENOMEM when there is
   * no frame left.
   */
  fault(address: number, access: AccessKind): void {
    resolveFault(this, address, access)
  }

  /** Faults in what can be of the pages [from, to): MAP_POPULATE. Like Linux it says nothing of those that it cannot. */
  populate(from: number, to: number): void {
    populateRange(this, from, to)
  }

  /** A view of [addr, addr + length) that needs no translation: pinned, until it is disposed. */
  window(addr: number, length: number): Window {
    return new Window(this, addr, length)
  }

  /** How an address is translated at the moment, level by level. */
  explain(addr: number): Walk {
    return explainAddress(this.table, addr)
  }

  /** Faults so far: minor, those that needed no I/O, and major. */
  get faults(): { readonly minor: number; readonly major: number } {
    const { cpu, at } = this
    return { minor: cpu.load(at + minorFaults) >>> 0, major: cpu.load(at + majorFaults) >>> 0 }
  }

  /** A fault was resolved without I/O. The process only. */
  countMinorFault(): void {
    const at = this.at + minorFaults
    this.cpu.plainStore(at, this.cpu.plainLoad(at) + 1)
  }
}
