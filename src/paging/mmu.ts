/**
 * MMU: load, store and copy at virtual addresses, by way of the TLB, the page table and, last, the space's fault handler.
 *
 *   address ─► gen changed? ─► TLB ──hit──► the word in its frame
 *                 │ sync        │ miss, unaligned
 *                 ▼             ▼
 *               TLB cleared   page table ──present──► set ACCESSED, DIRTY ─► fill ─► the word
 *                               │ not present, not writable
 *                               ▼
 *                             fault(address, access): resolves it, or throws SegmentationFault or BusError; then again
 *
 * Integers are little-endian, at any alignment; what is aligned is loaded and stored in one piece. An access over the end of
 * a page needs both pages before it touches one.
 *
 * Between translation and access runs no code of the user's: what was passed is made a number (asNumber) before anything is
 * looked up. And whatever may have blocked looks up again (presence.ts, invariant 3).
 */

import type { Cpu } from '../host/cpu.ts'
import { PAGE_SIZE, PAGE_WORDS } from '../words/constants.ts'
import { integer, rangeError, typeError } from '../words/usage.ts'
import { showAddress } from './addresses.ts'
import type { Presence } from './presence.ts'
import { ACCESSED, DIRTY, isPresent, pfnOf, WRITE } from './pte.ts'
import type { PageTable } from './table.ts'
import { MISS, type Tlb } from './tlb.ts'

export type AccessKind = 'read' | 'write'

/** Makes the page at an address accessible, or throws. It may block. */
export type FaultHandler = (address: number, access: AccessKind) => void

const OFFSET = PAGE_SIZE - 1

export class Mmu {
  declare private readonly cpu: Cpu
  declare private readonly presence: Presence
  declare private readonly tlb: Tlb
  declare private readonly table: PageTable
  declare private readonly fault: FaultHandler
  declare private readonly buffer: SharedArrayBuffer
  declare private readonly genAt: number
  declare private readonly words: Int32Array
  declare private readonly bytes: Uint8Array
  declare private readonly halves: Uint16Array
  declare private readonly floats: Float32Array
  declare private readonly doubles: Float64Array
  declare private readonly longs: BigInt64Array
  declare private readonly view: DataView
  /** For what lies on two pages. */
  private readonly scratch = new DataView(new ArrayBuffer(8))
  /** Of viewFor(). */
  private offset = 0

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
    this.genAt = presence.genAt
    this.tlb = tlb
    this.table = table
    this.fault = fault
    this.buffer = buffer
    // Explicit lengths: views that follow a buffer's length are thirty times slower.
    const { byteLength } = buffer
    this.words = new Int32Array(buffer, 0, byteLength / 4)
    this.bytes = new Uint8Array(buffer, 0, byteLength)
    this.halves = new Uint16Array(buffer, 0, byteLength / 2)
    this.floats = new Float32Array(buffer, 0, byteLength / 4)
    this.doubles = new Float64Array(buffer, 0, byteLength / 8)
    this.longs = new BigInt64Array(buffer, 0, byteLength / 8)
    this.view = new DataView(buffer, 0, byteLength)
  }

  // ── scalars ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** An unsigned byte. */
  load8(addr: number): number {
    const address = asNumber(addr)
    const base = this.forReading(address)
    return base !== MISS
      ? this.bytes[base * 4 + (address & OFFSET)]
      : this.viewFor(address, 1, 'load8').getUint8(this.offset)
  }

  /** Unsigned, 16 bits. */
  load16(addr: number): number {
    const address = asNumber(addr)
    const base = this.forReading(address)
    return base !== MISS && (address & 1) === 0
      ? this.halves[base * 2 + ((address & OFFSET) >>> 1)]
      : this.slowLoad16(address)
  }

  /** Signed, 32 bits: C's int. */
  load32(addr: number): number {
    const address = asNumber(addr)
    const base = this.forReading(address)
    return base !== MISS && (address & 3) === 0
      ? this.words[base + ((address & OFFSET) >>> 2)]
      : this.slowLoad32(address)
  }

  /** Signed, 64 bits. */
  load64(addr: number): bigint {
    const address = asNumber(addr)
    return (address & 7) === 0
      ? this.longs[this.wordAt(address, 'read', 'load64') >>> 1]
      : this.viewFor(address, 8, 'load64').getBigInt64(this.offset, true)
  }

  loadF32(addr: number): number {
    const address = asNumber(addr)
    const base = this.forReading(address)
    return base !== MISS && (address & 3) === 0
      ? this.floats[base + ((address & OFFSET) >>> 2)]
      : this.slowLoadF32(address)
  }

  loadF64(addr: number): number {
    const address = asNumber(addr)
    const base = this.forReading(address)
    return base !== MISS && (address & 7) === 0
      ? this.doubles[(base + ((address & OFFSET) >>> 2)) >>> 1]
      : this.slowLoadF64(address)
  }

  /** The lowest 8 bits of a number. */
  store8(addr: number, value: number): void {
    const address = asNumber(addr)
    const bits = asNumber(value)
    const base = this.forWriting(address)
    if (base !== MISS) this.bytes[base * 4 + (address & OFFSET)] = bits
    else this.store(address, 1, 'store8', bits, putUint8)
  }

  store16(addr: number, value: number): void {
    const address = asNumber(addr)
    const bits = asNumber(value)
    const base = this.forWriting(address)
    if (base !== MISS && (address & 1) === 0) this.halves[base * 2 + ((address & OFFSET) >>> 1)] = bits
    else if ((address & 1) === 0) {
      this.halves[this.wordAt(address, 'write', 'store16') * 2 + ((address & 3) >>> 1)] = bits
    } else this.store(address, 2, 'store16', bits, putUint16)
  }

  store32(addr: number, value: number): void {
    const address = asNumber(addr)
    const bits = asNumber(value)
    const base = this.forWriting(address)
    if (base !== MISS && (address & 3) === 0) this.words[base + ((address & OFFSET) >>> 2)] = bits
    else if ((address & 3) === 0) this.words[this.wordAt(address, 'write', 'store32')] = bits
    else this.store(address, 4, 'store32', bits, putInt32)
  }

  store64(addr: number, value: bigint): void {
    const address = asNumber(addr)
    if (typeof value !== 'bigint') throw typeError('store64()', 'value', 'a bigint', value)
    if ((address & 7) === 0) this.longs[this.wordAt(address, 'write', 'store64') >>> 1] = value
    else this.store(address, 8, 'store64', value, putBigInt64)
  }

  storeF32(addr: number, value: number): void {
    const address = asNumber(addr)
    const float = asNumber(value)
    const base = this.forWriting(address)
    if (base !== MISS && (address & 3) === 0) this.floats[base + ((address & OFFSET) >>> 2)] = float
    else if ((address & 3) === 0) this.floats[this.wordAt(address, 'write', 'storeF32')] = float
    else this.store(address, 4, 'storeF32', float, putFloat32)
  }

  storeF64(addr: number, value: number): void {
    const address = asNumber(addr)
    const float = asNumber(value)
    const base = this.forWriting(address)
    if (base !== MISS && (address & 7) === 0) this.doubles[(base + ((address & OFFSET) >>> 2)) >>> 1] = float
    else if ((address & 7) === 0) this.doubles[this.wordAt(address, 'write', 'storeF64') >>> 1] = float
    else this.store(address, 8, 'storeF64', float, putFloat64)
  }

  /** Adds to 32 bits, in one step that nobody comes between; what they were, signed. At a multiple of 4 only. */
  add32(addr: number, value: number): number {
    const address = asNumber(addr)
    const addend = asNumber(value)
    if ((address & 3) !== 0) throw rangeError(`add32(): ${showAddress(address)} is no multiple of 4`)
    return this.cpu.add(this.wordAt(address, 'write', 'add32'), addend)
  }

  // ── ranges ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Copies out. As with memcpy(3), what lies before a page that faults has been copied. */
  read(addr: number, into: Uint8Array): void {
    const at = this.address(asNumber(addr), 'read')
    const target = plainView('read', 'into', into)
    const { length } = target
    const within = target.buffer === this.buffer ? target.byteOffset : -1
    for (let done = 0; done < length;) {
      const count = Math.min(length - done, pageRest(at + done))
      const from = this.byteAt(at + done, 'read')
      if (within >= 0) this.cpu.copy(within + done, from, count)
      else target.set(this.bytes.subarray(from, from + count), done)
      done += count
    }
  }

  /** Copies in. */
  write(addr: number, from: Uint8Array): void {
    const at = this.address(asNumber(addr), 'write')
    const source = plainView('write', 'from', from)
    const { length } = source
    const within = source.buffer === this.buffer ? source.byteOffset : -1
    for (let done = 0; done < length;) {
      const count = Math.min(length - done, pageRest(at + done))
      const into = this.byteAt(at + done, 'write')
      if (within >= 0) this.cpu.copy(into, within + done, count)
      else this.bytes.set(source.subarray(done, done + count), into)
      done += count
    }
  }

  /** memmove(3): the ranges may overlap. */
  copy(to: number, from: number, length: number): void {
    const target = this.address(asNumber(to), 'copy')
    const source = this.address(asNumber(from), 'copy')
    const total = this.length(asNumber(length), 'copy')
    const backwards = target > source && target < source + total
    for (let done = 0; done < total;) {
      const rest = total - done
      const count = backwards
        ? Math.min(rest, pageBefore(source + rest), pageBefore(target + rest))
        : Math.min(rest, pageRest(source + done), pageRest(target + done))
      const skipped = backwards ? rest - count : done
      this.copyPiece(target + skipped, source + skipped, count)
      done += count
    }
  }

  /** Within a page on each side. */
  private copyPiece(target: number, source: number, count: number): void {
    if (this.words[this.genAt] !== this.presence.seen) this.presence.sync()
    // One look for both: nothing can come in between.
    const into = this.tlb.writeBase(target)
    const from = this.tlb.readBase(source)
    if (into === MISS || from === MISS) {
      this.copySlowly(target, source, count)
      return
    }
    this.cpu.copy(into * 4 + (target & OFFSET), from * 4 + (source & OFFSET), count)
  }

  private copySlowly(target: number, source: number, count: number): void {
    const { presence } = this
    for (;;) {
      const into = this.byteAt(target, 'write')
      const { syncs } = presence
      const from = this.byteAt(source, 'read')
      if (presence.syncs !== syncs) continue // the second look may have blocked: the first is void
      this.cpu.copy(into, from, count)
      return
    }
  }

  /** memset(3). */
  fill(addr: number, value: number, length: number): void {
    const at = this.address(asNumber(addr), 'fill')
    const byte = asNumber(value) & 0xff
    const total = this.length(asNumber(length), 'fill')
    for (let done = 0; done < total;) {
      const count = Math.min(total - done, pageRest(at + done))
      this.cpu.fill(this.byteAt(at + done, 'write'), byte, count)
      done += count
    }
  }

  // ── translation ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** Forgets what was translated for one page: its owner has changed the entry. */
  forget(pageAddress: number): void {
    this.tlb.forget(pageAddress)
  }

  private forReading(address: number): number {
    if (this.words[this.genAt] !== this.presence.seen) this.presence.sync()
    return this.tlb.readBase(address)
  }

  private forWriting(address: number): number {
    if (this.words[this.genAt] !== this.presence.seen) this.presence.sync()
    return this.tlb.writeBase(address)
  }

  /** Byte of the memory where an address lies now. */
  private byteAt(address: number, access: AccessKind): number {
    return this.translate(address, access) * 4 + (address & OFFSET)
  }

  /** Word index of the frame of the page at an address; faults until there is one. */
  private translate(address: number, access: AccessKind): number {
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

  // What is aligned is read and written in one piece, for others look on. A DataView's is so many bytes to them, unless it
  // runs as optimized code; so it serves for the rest only, which has no such promise on any machine.

  private slowLoad16(address: number): number {
    return (address & 1) === 0
      ? this.halves[this.wordAt(address, 'read', 'load16') * 2 + ((address & 3) >>> 1)]
      : this.viewFor(address, 2, 'load16').getUint16(this.offset, true)
  }

  private slowLoad32(address: number): number {
    return (address & 3) === 0
      ? this.words[this.wordAt(address, 'read', 'load32')]
      : this.viewFor(address, 4, 'load32').getInt32(this.offset, true)
  }

  private slowLoadF32(address: number): number {
    return (address & 3) === 0
      ? this.floats[this.wordAt(address, 'read', 'loadF32')]
      : this.viewFor(address, 4, 'loadF32').getFloat32(this.offset, true)
  }

  private slowLoadF64(address: number): number {
    return (address & 7) === 0
      ? this.doubles[this.wordAt(address, 'read', 'loadF64') >>> 1]
      : this.viewFor(address, 8, 'loadF64').getFloat64(this.offset, true)
  }

  /** Word index of the memory where an address lies now; faults until there is one. */
  private wordAt(address: number, access: AccessKind, call: string): number {
    this.address(address, call)
    return this.translate(address, access) + ((address & OFFSET) >>> 2)
  }

  /** The slow way to read up to 8 bytes: where they are, as a view and `offset` in it. */
  private viewFor(address: number, size: number, call: string): DataView {
    this.address(address, call)
    if (size <= pageRest(address)) {
      this.offset = this.byteAt(address, 'read')
      return this.view
    }
    this.offset = 0
    this.gather(address, size)
    return this.scratch
  }

  /** Bytes of two pages into `scratch`. */
  private gather(address: number, size: number): void {
    const { presence } = this
    const first = pageRest(address)
    for (;;) {
      const low = this.byteAt(address, 'read')
      const { syncs } = presence
      const high = this.byteAt(address + first, 'read')
      if (presence.syncs !== syncs) continue
      for (let i = 0; i < size; i++) {
        this.scratch.setUint8(i, this.bytes[i < first ? low + i : high + i - first])
      }
      return
    }
  }

  /** The slow way to write: both pages are there before one is touched. */
  private store<T>(address: number, size: number, call: string, value: T, put: Put<T>): void {
    this.address(address, call)
    const first = pageRest(address)
    if (size <= first) {
      put(this.view, this.byteAt(address, 'write'), value)
      return
    }
    put(this.scratch, 0, value)
    const { presence } = this
    for (;;) {
      const low = this.byteAt(address, 'write')
      const { syncs } = presence
      const high = this.byteAt(address + first, 'write')
      if (presence.syncs !== syncs) continue
      for (let i = 0; i < size; i++) {
        this.bytes[i < first ? low + i : high + i - first] = this.scratch.getUint8(i)
      }
      return
    }
  }

  private address(address: number, call: string): number {
    if (Number.isInteger(address)) return address
    throw typeError(`${call}()`, 'addr', 'a whole number', address)
  }

  private length(length: number, call: string): number {
    return integer(`${call}()`, 'length', length, 0, Number.MAX_SAFE_INTEGER)
  }
}

/** Writes a value through a view. A closure over the value would cost each store that needs none 5 ns. */
type Put<T> = (view: DataView, at: number, value: T) => void

const putUint8: Put<number> = (view, at, value) => { view.setUint8(at, value) } // prettier-ignore
const putUint16: Put<number> = (view, at, value) => { view.setUint16(at, value, true) } // prettier-ignore
const putInt32: Put<number> = (view, at, value) => { view.setInt32(at, value, true) } // prettier-ignore
const putBigInt64: Put<bigint> = (view, at, value) => { view.setBigInt64(at, value, true) } // prettier-ignore
const putFloat32: Put<number> = (view, at, value) => { view.setFloat32(at, value, true) } // prettier-ignore
const putFloat64: Put<number> = (view, at, value) => { view.setFloat64(at, value, true) } // prettier-ignore

/** The same bytes by a view that nobody has given methods of his own: they would run between translation and access. */
function plainView(call: string, name: string, value: Uint8Array): Uint8Array {
  if (!(value instanceof Uint8Array)) throw typeError(`${call}()`, name, 'a Uint8Array', value)
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
}

/** What was passed, as a number: a valueOf() of the user's runs now, or never. */
function asNumber(passed: number): number {
  return passed - 0 // no call, unlike Number()
}

/** Bytes from an address to the end of its page. */
function pageRest(address: number): number {
  return PAGE_SIZE - (address & OFFSET)
}

/** Bytes from the beginning of the page of the byte before an address, to that address. */
function pageBefore(end: number): number {
  return ((end - 1) & OFFSET) + 1
}
