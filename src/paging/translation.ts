/**
 * Translation: from a virtual address to the word of the memory where it lies now, by way of the TLB, the page table and,
 * last, the space's fault handler.
 *
 *   address ─► gen changed? ─► TLB ──hit──► the word in its frame
 *                 │ sync        │ miss
 *                 ▼             ▼
 *               TLB cleared   page table ──present──► set ACCESSED, DIRTY ─► fill ─► the word
 *                               │ not present, not writable
 *                               ▼
 *                             fault(address, access): resolves it, or throws SegmentationFault or BusError; then again
 *
 * Between translation and access runs no code of the user's: what was passed is made a number (asNumber) before anything is
 * looked up. And whatever may have blocked looks up again (presence.ts, invariant 3).
 */

import type { Cpu } from '../host/cpu.ts'
import { PAGE_SIZE, PAGE_WORDS } from '../words/constants.ts'
import { typeError } from '../words/usage.ts'
import type { Presence } from './presence.ts'
import { ACCESSED, DIRTY, isPresent, pfnOf, WRITE } from './pte.ts'
import type { PageTable } from './table.ts'
import { MISS, type Tlb } from './tlb.ts'

export type AccessKind = 'read' | 'write'

/** Makes the page at an address accessible, or throws. It may block. */
export type FaultHandler = (address: number, access: AccessKind) => void

/** The bits of an address within its page. */
export const OFFSET = PAGE_SIZE - 1

export class Translation {
  declare protected readonly cpu: Cpu
  declare protected readonly presence: Presence
  declare protected readonly words: Int32Array
  declare protected readonly genAt: number
  declare protected readonly tlb: Tlb
  declare private readonly table: PageTable
  declare private readonly fault: FaultHandler

  constructor(
    cpu: Cpu,
    buffer: SharedArrayBuffer,
    presence: Presence,
    tlb: Tlb,
    table: PageTable,
    fault: FaultHandler,
  ) {
    this.cpu = cpu
    this.presence = presence
    // An explicit length: views that follow a buffer's length are thirty times slower.
    this.words = new Int32Array(buffer, 0, buffer.byteLength / 4)
    this.genAt = presence.genAt
    this.tlb = tlb
    this.table = table
    this.fault = fault
  }

  /** Forgets what was translated for one page: its owner has changed the entry. */
  forget(pageAddress: number): void {
    this.tlb.forget(pageAddress)
  }

  protected forReading(address: number): number {
    if (this.words[this.genAt] !== this.presence.seen) this.presence.sync()
    return this.tlb.readBase(address)
  }

  protected forWriting(address: number): number {
    if (this.words[this.genAt] !== this.presence.seen) this.presence.sync()
    return this.tlb.writeBase(address)
  }

  /** Byte of the memory where an address lies now. */
  protected byteAt(address: number, access: AccessKind): number {
    return this.translate(address, access) * 4 + (address & OFFSET)
  }

  /** Word index of the frame of the page at an address; faults until there is one. */
  protected translate(address: number, access: AccessKind): number {
    for (;;) {
      const base = access === 'read' ? this.forReading(address) : this.forWriting(address)
      if (base !== MISS) return base
      if (!this.walk(address, access)) this.fault(address, access)
    }
  }

  /** Fills the TLB from the page table. False if the entry does not permit the access. */
  private walk(address: number, access: AccessKind): boolean {
    const { cpu } = this
    const page = address - (address & OFFSET)
    if (!(page >= 0 && page < this.table.layout.taskSize)) return false
    const at = this.table.find(page / PAGE_SIZE)
    if (at === 0) return false
    for (;;) {
      const pte = cpu.load(at)
      if (!isPresent(pte) || (access === 'write' && (pte & WRITE) === 0)) return false
      const used = pte | (access === 'write' ? ACCESSED | DIRTY : ACCESSED)
      // Whoever takes the entry away sees the bits, or this fails and we look again.
      if (used !== pte && cpu.compareExchange(at, pte, used) !== pte) continue
      this.tlb.fill(page, pfnOf(used) * PAGE_WORDS, (used & (WRITE | DIRTY)) === (WRITE | DIRTY))
      return true
    }
  }

  protected address(address: number, call: string): number {
    if (Number.isInteger(address)) return address
    throw typeError(`${call}()`, 'addr', 'a whole number', address)
  }
}

/** What was passed, as a number: a valueOf() of the user's runs now, or never. */
export function asNumber(passed: number): number {
  return passed - 0 // no call, unlike Number()
}

/** Bytes from an address to the end of its page. */
export function pageRest(address: number): number {
  return PAGE_SIZE - (address & OFFSET)
}
