/**
 * Cpu: one thread's set of instructions on one shared memory.
 *
 * Everything below the public classes is written against this interface and nothing else, which is why the same source
 * runs on wasm in production, on plain `Atomics` where a wasm memory is refused, under assertions in debug mode, and
 * under the interleaving explorer in tests. All instructions but `plainLoad` and `plainStore` are sequentially
 * consistent; of the guarded ones, what they do is, and the looks before it are plain.
 *
 *   at       word index (int32) into the memory            atByte   byte index
 *
 * V8 calls a builtin for each `Atomics.*` (9 ns and more); a wasm export costs the instruction and a short call.
 */

import { cpuBytes } from './cpu-bytes.ts'

export interface Cpu {
  load(at: number): number
  store(at: number, value: number): void
  /** The read-modify-write instructions return the word as it was before. */
  add(at: number, value: number): number
  sub(at: number, value: number): number
  and(at: number, mask: number): number
  or(at: number, mask: number): number
  xor(at: number, mask: number): number
  exchange(at: number, value: number): number
  compareExchange(at: number, expected: number, value: number): number
  /**
   * Stores a word, then loads another one (or the same), in this order for everybody: one half of a Dekker handshake in one
   * call. What the thread accessed plainly before stays before the load, what it accesses afterwards stays behind the store.
   */
  storeLoad(at: number, value: number, other: number): number
  /**
   * The fast paths of locks, a call each. They change nothing unless the word at `guard` is `own`: a lock may have been
   * destroyed while a thread had it in hand. Several checks and one locked instruction in a row cost a third less than the
   * same by several calls, for V8 forgets around each call what it knew.
   *
   * 0 if it was done. Otherwise nothing has changed, and why is for the caller to find out (another thread may only have come
   * in between).
   */
  guardedCompareExchange(guard: number, own: number, at: number, expected: number, value: number): number
  /** Adds 1 to a word that is 0 to 2^31 - 2. */
  guardedAddOne(guard: number, own: number, at: number): number
  /** Takes 1 from a word that is above 0. */
  guardedTakeOne(guard: number, own: number, at: number): number
  /**
   * storeLoad() for a pair of words, aligned, that this thread alone writes: replaces `expected` and 0 by `value` and 0, then
   * loads the word `other` and returns it. -1 if nothing has changed; so `other` must be a word that is never -1.
   */
  guardedPairLoad(
    guard: number,
    own: number,
    at: number,
    expected: number,
    value: number,
    other: number,
  ): number
  /** A load without order: for data that one of the above has published, or as a hint. Never spun on. */
  plainLoad(at: number): number
  /** A store without order: for data that one of the above will publish, or a note that only the reaper reads. */
  plainStore(at: number, value: number): void
  /** memmove(3), memset(3) and memcmp(3) on bytes. */
  copy(toByte: number, fromByte: number, lengthBytes: number): void
  fill(atByte: number, value: number, lengthBytes: number): void
  compare(leftByte: number, rightByte: number, lengthBytes: number): number
  /** Loads until the word differs from `value`, at most `turns` times; returns the last word seen. */
  spinWhileEqual(at: number, value: number, turns: number): number
}

const MOST = 0x7fffffff

type Instructions = Omit<Cpu, 'plainLoad' | 'plainStore'>

/** The instructions as a module that worker threads can be sent, so that each instantiates and none compiles. */
export function compileCpu(): WebAssembly.Module {
  return new WebAssembly.Module(Buffer.from(cpuBytes, 'base64'))
}

/** Production: the instructions compiled to wasm, on the memory itself. */
export function wasmCpu(memory: WebAssembly.Memory, module: WebAssembly.Module): Cpu {
  const instance = new WebAssembly.Instance(module, { env: { memory } })
  return new WasmCpu(instance.exports as unknown as Instructions, wordsOf(memory.buffer as SharedArrayBuffer))
}

/** All words of a buffer as one view of fixed length: length-tracking views are thirty times slower. */
export function wordsOf(buffer: SharedArrayBuffer): Int32Array<SharedArrayBuffer> {
  return new Int32Array(buffer, 0, buffer.byteLength / 4)
}

/** The exports as own properties: V8 sees constant targets and calls the wasm code directly. */
class WasmCpu implements Cpu {
  declare readonly load: Cpu['load']
  declare readonly store: Cpu['store']
  declare readonly add: Cpu['add']
  declare readonly sub: Cpu['sub']
  declare readonly and: Cpu['and']
  declare readonly or: Cpu['or']
  declare readonly xor: Cpu['xor']
  declare readonly exchange: Cpu['exchange']
  declare readonly compareExchange: Cpu['compareExchange']
  declare readonly storeLoad: Cpu['storeLoad']
  declare readonly guardedCompareExchange: Cpu['guardedCompareExchange']
  declare readonly guardedAddOne: Cpu['guardedAddOne']
  declare readonly guardedTakeOne: Cpu['guardedTakeOne']
  declare readonly guardedPairLoad: Cpu['guardedPairLoad']
  declare readonly copy: Cpu['copy']
  declare readonly fill: Cpu['fill']
  declare readonly compare: Cpu['compare']
  declare readonly spinWhileEqual: Cpu['spinWhileEqual']
  declare private readonly words: Int32Array<SharedArrayBuffer>

  constructor(exports: Instructions, words: Int32Array<SharedArrayBuffer>) {
    this.load = exports.load
    this.store = exports.store
    this.add = exports.add
    this.sub = exports.sub
    this.and = exports.and
    this.or = exports.or
    this.xor = exports.xor
    this.exchange = exports.exchange
    this.compareExchange = exports.compareExchange
    this.storeLoad = exports.storeLoad
    this.guardedCompareExchange = exports.guardedCompareExchange
    this.guardedAddOne = exports.guardedAddOne
    this.guardedTakeOne = exports.guardedTakeOne
    this.guardedPairLoad = exports.guardedPairLoad
    this.copy = exports.copy
    this.fill = exports.fill
    this.compare = exports.compare
    this.spinWhileEqual = exports.spinWhileEqual
    this.words = words
  }

  plainLoad(at: number): number {
    return this.words[at]
  }

  plainStore(at: number, value: number): void {
    this.words[at] = value
  }
}

/** The fallback for a plain SharedArrayBuffer, and the proof that the semantics agree. */
export function atomicsCpu(buffer: SharedArrayBuffer): Cpu {
  return new AtomicsCpu(buffer)
}

class AtomicsCpu implements Cpu {
  declare private readonly words: Int32Array<SharedArrayBuffer>
  readonly #bytes: Uint8Array<SharedArrayBuffer>

  constructor(buffer: SharedArrayBuffer) {
    this.words = wordsOf(buffer)
    this.#bytes = new Uint8Array(buffer, 0, buffer.byteLength)
  }

  load(at: number): number {
    return Atomics.load(this.words, at)
  }

  store(at: number, value: number): void {
    Atomics.store(this.words, at, value)
  }

  add(at: number, value: number): number {
    return Atomics.add(this.words, at, value)
  }

  sub(at: number, value: number): number {
    return Atomics.sub(this.words, at, value)
  }

  and(at: number, mask: number): number {
    return Atomics.and(this.words, at, mask)
  }

  or(at: number, mask: number): number {
    return Atomics.or(this.words, at, mask)
  }

  xor(at: number, mask: number): number {
    return Atomics.xor(this.words, at, mask)
  }

  exchange(at: number, value: number): number {
    return Atomics.exchange(this.words, at, value)
  }

  compareExchange(at: number, expected: number, value: number): number {
    return Atomics.compareExchange(this.words, at, expected, value)
  }

  storeLoad(at: number, value: number, other: number): number {
    Atomics.store(this.words, at, value)
    return Atomics.load(this.words, other)
  }

  guardedCompareExchange(guard: number, own: number, at: number, expected: number, value: number): number {
    if (this.words[guard] !== own) return -1
    return Atomics.compareExchange(this.words, at, expected, value) ^ expected
  }

  guardedAddOne(guard: number, own: number, at: number): number {
    const seen = this.words[at]
    if (seen < 0 || seen === MOST) return -1
    return this.guardedCompareExchange(guard, own, at, seen, seen + 1)
  }

  guardedTakeOne(guard: number, own: number, at: number): number {
    const seen = this.words[at]
    return seen <= 0 ? -1 : this.guardedCompareExchange(guard, own, at, seen, seen - 1)
  }

  guardedPairLoad(
    guard: number,
    own: number,
    at: number,
    expected: number,
    value: number,
    other: number,
  ): number {
    const isDone =
      this.words[at + 1] === 0 && this.guardedCompareExchange(guard, own, at, expected, value) === 0
    return isDone ? Atomics.load(this.words, other) : -1
  }

  plainLoad(at: number): number {
    return this.words[at]
  }

  plainStore(at: number, value: number): void {
    this.words[at] = value
  }

  copy(toByte: number, fromByte: number, lengthBytes: number): void {
    this.#bytes.copyWithin(toByte, fromByte, fromByte + lengthBytes)
  }

  fill(atByte: number, value: number, lengthBytes: number): void {
    this.#bytes.fill(value, atByte, atByte + lengthBytes)
  }

  compare(leftByte: number, rightByte: number, lengthBytes: number): number {
    for (let i = 0; i < lengthBytes; i++) {
      const difference = this.#bytes[leftByte + i] - this.#bytes[rightByte + i]
      if (difference !== 0) return difference
    }
    return 0
  }

  spinWhileEqual(at: number, value: number, turns: number): number {
    let seen
    do seen = Atomics.load(this.words, at)
    while (seen === value && --turns > 0)
    return seen
  }
}
