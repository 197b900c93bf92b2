/**
 * MMU: loads and stores at virtual addresses (translation.ts), and of ranges (ranges.ts).
 *
 * Integers are little-endian, at any alignment; what is aligned is loaded and stored in one piece. An access over the end of
 * a page needs both pages before it touches one.
 */

import type { Cpu } from '../host/cpu.ts'
import { rangeError, typeError } from '../words/usage.ts'
import { showAddress } from './addresses.ts'
import type { Presence } from './presence.ts'
import { Ranges } from './ranges.ts'
import type { PageTable } from './table.ts'
import { MISS, type Tlb } from './tlb.ts'
import { asNumber, OFFSET, pageRest, type AccessKind, type FaultHandler } from './translation.ts'

export class Mmu extends Ranges {
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
    super(cpu, buffer, presence, tlb, table, fault)
    const { byteLength } = buffer
    this.halves = new Uint16Array(buffer, 0, byteLength / 2)
    this.floats = new Float32Array(buffer, 0, byteLength / 4)
    this.doubles = new Float64Array(buffer, 0, byteLength / 8)
    this.longs = new BigInt64Array(buffer, 0, byteLength / 8)
    this.view = new DataView(buffer, 0, byteLength)
  }

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

  /**
   * Word index of the memory where an address, a multiple of 4, lies now: for kernel code that works on words. Void once this
   * thread may have waited (presence.ts, invariant 3), unless its frame is held (held-frames.ts).
   */
  wordOf(address: number, access: AccessKind): number {
    return this.translate(address, access) + ((address & OFFSET) >>> 2)
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
}

/** Writes a value through a view. A closure over the value would cost each store that needs none 5 ns. */
type Put<T> = (view: DataView, at: number, value: T) => void

const putUint8: Put<number> = (view, at, value) => { view.setUint8(at, value) } // prettier-ignore
const putUint16: Put<number> = (view, at, value) => { view.setUint16(at, value, true) } // prettier-ignore
const putInt32: Put<number> = (view, at, value) => { view.setInt32(at, value, true) } // prettier-ignore
const putBigInt64: Put<bigint> = (view, at, value) => { view.setBigInt64(at, value, true) } // prettier-ignore
const putFloat32: Put<number> = (view, at, value) => { view.setFloat32(at, value, true) } // prettier-ignore
const putFloat64: Put<number> = (view, at, value) => { view.setFloat64(at, value, true) } // prettier-ignore
