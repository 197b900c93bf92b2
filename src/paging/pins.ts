/**
 * Pins: frames that views reach past the MMU. No TLB check stops a view, so its frames keep their identity until it is
 * disposed.
 *
 *   PinRecord  0        1            2       3          4
 *            ┌────────┬────────────┬───────┬──────────┬─────────────────────────────┐
 *            │ status │ generation │ space │ runCount │ runs: (pfn, count) ...      │   a cell
 *            └────────┴────────────┴───────┴──────────┴─────────────────────────────┘
 *
 * Nothing counts pins: a frame is pinned if a live record covers it.
 *
 *   window                                            who frees a frame
 *   publish the record ─► look whether the entries    change the entry ─► look for records ─► free it
 *     still name these frames; if not, take it back
 *
 * Dekker: either the window finds the entry changed, or the other finds its record. A record that is published while the
 * other looks may be read half: it came after the entry was changed, so its window takes it back.
 *
 * A death: a record that is not published yet is freed like every cell that is being built. A published one stays, for
 * the views outlive the JavaScript that made them (a host call may be writing): releaseAll(), when the worker has exited.
 */

import type { Frames } from '../frames/frames.ts'
import { i32, layout, words } from '../words/layout.ts'

const RUNS = 14
/** In `runCount`: the runs change while the record is live (held-frames.ts). */
export const CHANGING = 0x100

export const PinRecord = layout('PinRecord', 128, {
  status: i32,
  generation: i32,
  space: i32,
  runCount: i32,
  runs: words(2 * RUNS),
})

const { space: spaceField, runCount, runs: runsField, sizeof, signature } = PinRecord

/** Frames that lie in a row. */
export interface FrameRun {
  readonly pfn: number
  readonly count: number
}

export class Pins {
  readonly #frames: Frames
  #mine = 0

  constructor(frames: Frames) {
    this.#frames = frames
  }

  /**
   * Pins frames in the name of a space. The caller then looks whether its entries still name them. Returns the records, for
   * unpin(); or -ENOMEM, and nothing is pinned.
   */
  pin(runs: readonly FrameRun[], space: number): number[] | number {
    const cells: number[] = []
    for (let first = 0; first < runs.length; first += RUNS) {
      const cell = this.#publish(runs.slice(first, first + RUNS), space)
      if (cell < 0) {
        this.unpin(cells)
        return cell
      }
      cells.push(cell)
      this.#mine++
    }
    return cells
  }

  #publish(runs: readonly FrameRun[], space: number): number {
    const frames = this.#frames
    const { cpu } = frames
    const cell = frames.allocCell(signature, sizeof)
    if (cell < 0) return cell
    cpu.plainStore(cell + spaceField, space)
    cpu.plainStore(cell + runCount, runs.length)
    runs.forEach(({ pfn, count }, i) => {
      cpu.plainStore(cell + runsField + 2 * i, pfn)
      cpu.plainStore(cell + runsField + 2 * i + 1, count)
    })
    frames.publishCell(cell) // one half of Dekker; the caller's loads of the entries follow
    return cell
  }

  /** Takes records back that pin() of this thread returned. */
  unpin(cells: readonly number[]): void {
    for (const cell of cells) {
      this.#free(cell)
      this.#mine--
    }
  }

  /** True while this thread has pinned anything: private pages are pinned by nobody else. */
  get hasOwn(): boolean {
    return this.#mine > 0
  }

  /** True if a frame, or one of `count` frames in a row, is pinned. To be asked after the last entry was changed. */
  isPinned(pfn: number, count = 1): boolean {
    for (const run of this.#runs()) if (overlaps(run, pfn, count)) return true
    return false
  }

  /** What is pinned now, to be asked for many frames: all of them left their last entry before. */
  snapshot(): PinnedFrames {
    return new PinnedFrames([...this.#runs()])
  }

  /** Frees the records of a space that is dead, and whose worker has exited. May be repeated. */
  releaseAll(space: number): void {
    const frames = this.#frames
    for (const cell of frames.cellsOf(signature)) {
      if (frames.cpu.plainLoad(cell + spaceField) === space) this.#free(cell)
    }
  }

  #free(cell: number): void {
    // Release: pairs with the load in Frames.cellsOf(). The last access of the view came before.
    if (this.#frames.unpublishCell(cell) === 0) this.#frames.freeCell(cell)
  }

  *#runs(): Generator<FrameRun> {
    const { cpu } = this.#frames
    for (const cell of this.#frames.cellsOf(signature)) {
      const how = cpu.plainLoad(cell + runCount)
      const count = Math.min(how & ~CHANGING, RUNS)
      for (let i = 0; i < count; i++) {
        const at = cell + runsField + 2 * i
        // Pairs with the store in HeldFrames.hold().
        const pfn = (how & CHANGING) === 0 ? cpu.plainLoad(at) : cpu.load(at)
        yield { pfn, count: cpu.plainLoad(at + 1) }
      }
    }
  }
}

/** Runs of pinned frames in order: a look-up is a search in them. */
export class PinnedFrames {
  readonly #runs: readonly FrameRun[]

  constructor(runs: FrameRun[]) {
    runs.sort((a, b) => a.pfn - b.pfn)
    const merged: { pfn: number; count: number }[] = []
    for (const { pfn, count } of runs) {
      const last = merged.at(-1)
      if (last !== undefined && pfn <= last.pfn + last.count) {
        last.count = Math.max(last.count, pfn + count - last.pfn)
      } else merged.push({ pfn, count })
    }
    this.#runs = merged
  }

  /** True if one of `count` frames from pfn on is pinned. */
  covers(pfn: number, count = 1): boolean {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#runs[middle].pfn + this.#runs[middle].count <= pfn) low = middle + 1
      else high = middle
    }
    return low < this.#runs.length && overlaps(this.#runs[low], pfn, count)
  }
}

function overlaps(run: FrameRun, pfn: number, count: number): boolean {
  return pfn < run.pfn + run.count && run.pfn < pfn + count
}
