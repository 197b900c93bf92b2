/**
 * Window: bytes of an address space as typed arrays, with no translation in between. Nothing is copied.
 *
 *   addr ───────────── length ────────────►
 *   ┌────────┬────────┬────────┬────────┐  pages
 *   │ 17     │ 18     │ 19     │ 40     │  frames      runs: 17 ... 19, 40       bytes: ENOTSUP, for there are two
 *   └────────┴────────┴────────┴────────┘
 *
 * Views pass by every check, so the frames stay what they are while the window is open: it pins them. A frame that is
 * unmapped, cut off or left behind by a dead process lies in limbo until nothing pins it. What the window shows then is what
 * the mapping last held.
 *
 *   fault every page in ─► publish pin records ─► do the entries still name these frames? else take the records back
 *
 * Dekker: whoever takes a frame away changes the entry and then looks for pins (paging/limbo.ts); a window publishes pins
 * and then looks at the entries.
 *
 * In private areas a window makes the pages the process's own first, even if they are only to be read: what others write to
 * the zero page or to an object's page behind a copy does not concern it (Linux: FOLL_LONGTERM). Protection ends here: a
 * typed array can be written to, also that of an area that is PROT_READ only.
 */

import { bytesView } from '../host/text.ts'
import type { SharedView, ViewConstructor } from '../memory/region.ts'
import { isPresent, pfnOf } from '../paging/pte.ts'
import { PAGE_SIZE } from '../words/constants.ts'
import { dispose } from '../words/dispose.ts'
import { EBADF, ENOMEM, ENOTSUP, ErrnoError } from '../words/errno.ts'
import { integer, rangeError, typeError } from '../words/usage.ts'
import { ownPage } from './fault.ts'
import type { SpaceParts } from './parts.ts'

interface Run {
  readonly pfn: number
  readonly count: number
}

/** A pinned view of part of an address space. Made by `process.window(addr, length)`; `using` or dispose() ends it. */
export class Window implements Disposable {
  readonly address: number
  readonly byteLength: number
  readonly #space: SpaceParts
  readonly #frames: readonly Run[]
  readonly #cells: readonly number[]
  #runs: readonly Uint8Array<SharedArrayBuffer>[] | undefined
  #isOpen = true

  /**
   * Throws a SegmentationFault or a BusError, as an access to one of its bytes would; an ErrnoError ENOMEM when there is no
   * room for the pages or for what pins them; a RangeError if length is less than 1.
   */
  constructor(space: SpaceParts, addr: number, length: number) {
    const { taskSize } = space.kernel.layout
    this.address = integer('window()', 'addr', addr, 0, taskSize - 1)
    this.byteLength = integer('window()', 'length', length, 1, taskSize - addr)
    this.#space = space
    const { runs, cells } = pinned(space, this.address, this.byteLength)
    this.#frames = runs
    this.#cells = cells
  }

  /** The bytes, one view for each run of frames that lie side by side, in the order of their addresses. */
  get runs(): readonly Uint8Array<SharedArrayBuffer>[] {
    this.#assertOpen()
    return (this.#runs ??= this.#views())
  }

  /** All bytes as one view: a Buffer under Node. ENOTSUP if the frames do not lie side by side. The same object each time. */
  get bytes(): Uint8Array<SharedArrayBuffer> {
    this.#assertContiguous()
    return this.runs[0]
  }

  /**
   * All bytes as another typed array or a DataView. ENOTSUP if the frames do not lie side by side; a RangeError if address or
   * length do not fit the elements.
   */
  as<A>(type: ViewConstructor<A>): SharedView<A> {
    if (typeof type !== 'function') throw typeError('window.as()', 'type', 'a class such as Int32Array', type)
    this.#assertContiguous()
    const { byteOffset, byteLength } = this.runs[0]
    const size = (type as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1
    if (byteOffset % size !== 0 || byteLength % size !== 0) {
      throw rangeError(
        `window.as(): ${byteLength} bytes at ${byteOffset % PAGE_SIZE} of a page do not hold whole elements of ${size} bytes`,
      )
    }
    return new type(this.#space.kernel.attachment.buffer, byteOffset, byteLength / size) as SharedView<A>
  }

  /** Unpins the frames. The views that were given out must not be used any more: others' bytes may come to lie there. */
  dispose(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#runs = undefined
    this.#space.kernel.pins.unpin(this.#cells)
  }

  [dispose](): void {
    this.dispose()
  }

  #views(): Uint8Array<SharedArrayBuffer>[] {
    const { buffer } = this.#space.kernel.attachment
    let skip = this.address % PAGE_SIZE
    let left = this.byteLength
    return this.#frames.map(({ pfn, count }) => {
      const length = Math.min(count * PAGE_SIZE - skip, left)
      const view = bytesView(buffer, pfn * PAGE_SIZE + skip, length)
      left -= length
      skip = 0
      return view
    })
  }

  #assertContiguous(): void {
    this.#assertOpen()
    const { length } = this.#frames
    if (length === 1) return
    throw new ErrnoError(
      ENOTSUP,
      'window',
      `window: its frames lie in ${length} places, and one view cannot cover them. Use runs, or a segment that is contiguous`,
    )
  }

  #assertOpen(): void {
    if (!this.#isOpen) throw new ErrnoError(EBADF, 'window', 'window: it is disposed')
  }
}

/** Pins what lies behind a range now. */
function pinned(space: SpaceParts, addr: number, length: number): { runs: Run[]; cells: readonly number[] } {
  const { pins, limbo, attachment } = space.kernel
  const outOfMemory = () => new ErrnoError(ENOMEM, 'window', attachment.noMemory('window', length))
  // What is unmapped while it is pinned goes there, and must find room.
  if (limbo.prepare() < 0) throw outOfMemory()
  const first = Math.floor(addr / PAGE_SIZE)
  const end = Math.ceil((addr + length) / PAGE_SIZE)
  for (;;) {
    const frames: number[] = []
    for (let vpn = first; vpn < end; vpn++) {
      frames.push(pfnOf(ownPage(space, Math.max(addr, vpn * PAGE_SIZE))))
    }
    const runs = runsOf(frames)
    const cells = pins.pin(runs, space.at)
    if (typeof cells === 'number') throw outOfMemory()
    // Pairs with the look at the pins in limbo: there the entry changes first.
    if (frames.every((pfn, i) => isStill(space, first + i, pfn))) return { runs, cells }
    pins.unpin(cells)
  }
}

function isStill({ cpu, table }: SpaceParts, vpn: number, pfn: number): boolean {
  const at = table.find(vpn)
  const pte = at === 0 ? 0 : cpu.load(at)
  return isPresent(pte) && pfnOf(pte) === pfn
}

/** Frames in the order of their pages, as runs that lie side by side. */
function runsOf(frames: readonly number[]): Run[] {
  const runs: { pfn: number; count: number }[] = []
  for (const pfn of frames) {
    const last = runs.at(-1)
    if (last !== undefined && last.pfn + last.count === pfn) last.count++
    else runs.push({ pfn, count: 1 })
  }
  return runs
}
