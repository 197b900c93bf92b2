/**
 * Region: a run of shared bytes, contiguous and locked in memory, of any size up to the memory's.
 *
 *   RegionObject  0        1            2       3      4     5        6
 *               ┌────────┬────────────┬───────┬──────┬─────┬────────┬────────┐
 *               │ status │ generation │ entry │      │ pfn │ lowest │ highest│    bytes = highest * 2^30 + lowest
 *               └────────┴────────────┴───────┴──────┴─────┴────────┴────────┘
 *
 * Contiguity belongs to the segment: JavaScript cannot make one view of two ranges, so a Region is one buddy block or run.
 */

import { bytesView } from '../host/text.ts'
import { PAGE_SIZE, PAGE_WORDS } from '../words/constants.ts'
import { EEXIST, ErrnoError } from '../words/errno.ts'
import { i32, layout } from '../words/layout.ts'
import { assertOptions, bytesOf, present, rangeError, typeError, type Size } from '../words/usage.ts'
import type { Attachment } from './attachment.ts'
import { MOST_BYTES } from './inventory.ts'
import { Found, objectHeader, registerKind, type Kind, type Place } from './kind.ts'
import { SharedObject } from './object.ts'
import { from, open } from './open.ts'
import { dispose } from '../words/dispose.ts'

export const RegionObject = layout('Region', 32, {
  ...objectHeader,
  pfn: i32,
  low: i32,
  high: i32,
  _spare1: i32,
})
const { entry, pfn, low, high } = RegionObject
const SPLIT = 2 ** 30

export interface RegionOptions extends Place {
  size?: Size
}

/** A view type: Int32Array, Float64Array, DataView ... */
export type ViewConstructor<A> = new (buffer: SharedArrayBuffer, byteOffset: number, length: number) => A

/** What a view type makes of shared bytes. TypeScript asks a constructor's last overload, and that has an ArrayBuffer. */
export type SharedView<A> = A extends { readonly [Symbol.toStringTag]: infer Tag extends keyof SharedViews }
  ? SharedViews[Tag]
  : A

interface SharedViews {
  readonly Int8Array: Int8Array<SharedArrayBuffer>
  readonly Uint8Array: Uint8Array<SharedArrayBuffer>
  readonly Uint8ClampedArray: Uint8ClampedArray<SharedArrayBuffer>
  readonly Int16Array: Int16Array<SharedArrayBuffer>
  readonly Uint16Array: Uint16Array<SharedArrayBuffer>
  readonly Int32Array: Int32Array<SharedArrayBuffer>
  readonly Uint32Array: Uint32Array<SharedArrayBuffer>
  readonly Float32Array: Float32Array<SharedArrayBuffer>
  readonly Float64Array: Float64Array<SharedArrayBuffer>
  readonly BigInt64Array: BigInt64Array<SharedArrayBuffer>
  readonly BigUint64Array: BigUint64Array<SharedArrayBuffer>
}

/**
 * Gigabytes that every thread sees at once. Made by `memory.alloc(size)` or `Region.open(name, size)`; its bytes begin
 * as zeroes.
 *
 * @example
 *   const index = Region.open('index', '2GiB')       // one thread fills it
 *   await file.read(index.bytes)                     // fs, net and crypto take the bytes directly
 *   const ids = Region.open('index').as(Uint32Array) // and the others read it
 */
export class Region extends SharedObject implements Disposable {
  #bytes: Uint8Array<SharedArrayBuffer> | undefined
  readonly #isBorrowed: boolean

  constructor(options: RegionOptions | Found) {
    super(REGION, options instanceof Found ? options : withSize(options))
    this.#isBorrowed = options instanceof Found || this.attachment.cpu.load(this.at + entry) !== 0
  }

  /** Attaches to the region of that name, or creates it with `size`. ENOENT if there is none and no size is given. */
  static open(name: string, size?: Size, options: Place = {}): Region {
    assertOptions('Region.open()', options)
    return open(REGION, name, present({ memory: options.memory, name, size }), size !== undefined)
  }

  /** The region of a handle that arrived in a message. */
  static from(handle: unknown): Region {
    return from(REGION, handle)
  }

  get byteLength(): number {
    this.assertLive('byteLength')
    return lengthOf(this.attachment, this.at)
  }

  /** All bytes, in place. A Buffer under Node, so fs, net and crypto take it. The same object each time. */
  get bytes(): Uint8Array<SharedArrayBuffer> {
    this.assertLive('bytes')
    return (this.#bytes ??= bytesView(this.attachment.buffer, this.#startByte(), this.byteLength))
  }

  /**
   * All bytes as another typed array or a DataView: `region.as(Float64Array)`. Throws a RangeError if the length is not a
   * whole number of elements.
   */
  as<A>(type: ViewConstructor<A>): SharedView<A> {
    const { byteLength } = this
    if (!isClass(type)) throw typeError('Region.as()', 'type', 'a class such as Int32Array', type)
    const size = (type as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1
    if (byteLength % size !== 0) {
      throw rangeError(`Region.as(): ${byteLength} bytes are not a whole number of elements of ${size} bytes`)
    }
    return new type(this.attachment.buffer, this.#startByte(), byteLength / size) as SharedView<A>
  }

  /** Ends what this scope borrowed: a region that it made without a name is destroyed, any other is only let go of. */
  [dispose](): void {
    this.#bytes = undefined
    if (!this.#isBorrowed && this.isLive) this.destroy()
  }

  #startByte(): number {
    return startByteOf(this.attachment, this.at)
  }
}

/** Only open() may leave the size out. */
function withSize(options: RegionOptions): RegionOptions {
  assertOptions('new Region()', options)
  const { memory, name, size } = options
  return present<RegionOptions>({ memory, name, size: bytesOf('new Region()', 'size', size, MOST_BYTES) })
}

/** True for what `new` takes. Nothing of it runs: as a new.target it is only looked at. */
function isClass(value: unknown): boolean {
  try {
    Reflect.construct(Object, [], value as new () => unknown)
    return true
  } catch {
    return false
  }
}

export function lengthOf({ cpu }: Attachment, at: number): number {
  return cpu.load(at + high) * SPLIT + cpu.load(at + low)
}

/** Where the bytes of a region begin in its memory. */
export function startByteOf({ cpu }: Attachment, at: number): number {
  return cpu.load(at + pfn) * PAGE_SIZE
}

export const REGION: Kind<RegionOptions, Region> = {
  name: 'Region',
  layout: RegionObject,

  read: (call, { size }) =>
    present({ size: size === undefined ? undefined : bytesOf(call, 'size', size, MOST_BYTES) }),

  build(attachment, at, options) {
    const { cpu, frames } = attachment
    const bytes = bytesOf('Region', 'size', options.size, MOST_BYTES)
    const run = frames.allocRun(bytes)
    if (run < 0) return run
    cpu.store(at + low, bytes % SPLIT)
    cpu.store(at + high, Math.floor(bytes / SPLIT))
    cpu.store(at + pfn, run)
    frames.own(run, at)
    return 0
  },

  compare(attachment, at, name, options) {
    if (options.size === undefined) return
    const asked = bytesOf('Region.open()', 'size', options.size, MOST_BYTES)
    const there = lengthOf(attachment, at)
    if (asked === there) return
    throw new ErrnoError(
      EEXIST,
      'open',
      `Region '${name}' exists and has ${there} bytes; this thread asked for ${asked}`,
    )
  },

  demolish(attachment, at) {
    const run = attachment.cpu.exchange(at + pfn, 0)
    if (run === 0) return
    const [from, length] = [run * PAGE_WORDS, Math.ceil(lengthOf(attachment, at) / 4)]
    attachment.lot.endWaits(from, from + length) // who sleeps on a futex in there
    attachment.frames.freeRun(run)
  },

  noMemory(attachment, options) {
    const label = options.name === undefined ? 'Region' : `Region '${options.name}'`
    return attachment.noMemory(label, bytesOf('Region', 'size', options.size, MOST_BYTES))
  },

  make: (found) => new Region(found),
}

registerKind('Region', (value) => Region.from(value), REGION)
