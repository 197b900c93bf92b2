/**
 * Ranges of bytes at virtual addresses: read, write, copy, fill. Page by page, each piece by one instruction on bytes; what
 * lies before a page that faults is done by then, as with memcpy(3).
 */

import type { Cpu } from '../host/cpu.ts'
import { integer, isUint8Array, typeError } from '../words/usage.ts'
import type { Presence } from './presence.ts'
import type { PageTable } from './table.ts'
import { MISS, type Tlb } from './tlb.ts'
import { asNumber, OFFSET, pageRest, Translation, type FaultHandler } from './translation.ts'

export class Ranges extends Translation {
  declare protected readonly bytes: Uint8Array
  declare private readonly buffer: SharedArrayBuffer

  constructor(
    cpu: Cpu,
    buffer: SharedArrayBuffer,
    presence: Presence,
    tlb: Tlb,
    table: PageTable,
    fault: FaultHandler,
  ) {
    super(cpu, buffer, presence, tlb, table, fault)
    this.buffer = buffer
    this.bytes = new Uint8Array(buffer, 0, buffer.byteLength)
  }

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

  private length(length: number, call: string): number {
    return integer(`${call}()`, 'length', length, 0, Number.MAX_SAFE_INTEGER)
  }
}

/** The same bytes by a view that nobody has given methods of his own: they would run between translation and access. */
function plainView(call: string, name: string, value: Uint8Array): Uint8Array {
  if (!isUint8Array(value)) throw typeError(`${call}()`, name, 'a Uint8Array', value)
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
}

/** Bytes from the beginning of the page of the byte before an address, to that address. */
function pageBefore(end: number): number {
  return ((end - 1) & OFFSET) + 1
}
