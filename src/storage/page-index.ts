/**
 * The page index: which frame holds which page of an object. A PageTable for each object, with the object's pages as page
 * numbers, and an entry (pfn, PRESENT) for each page that there is.
 *
 *   a thread that needs a page                          a thread that cuts the object, with its lock
 *   sequence, then pages: is it within?                 pages, then sequence: the object is shorter for everybody
 *   load the entry: none                                unmap what is mapped from the end on
 *   link a frame of zeroes (paging/link.ts)             take what lies from the end on, into limbo (paging/limbo.ts)
 *   map it; sequence has moved? unmap it, look again
 *
 * So an insertion needs no lock. One that comes too late leaves a page of zeroes behind the end, which nobody maps
 * (shm-object.ts, invariant 3).
 *
 * Invariants
 *  1. A frame in an entry is OWNED by the object, its index the page; or is about to be.
 *  2. The tables of an index stay as long as the object does: whoever has found an entry may use its address, and no
 *     insertion goes into a table that was unlinked.
 */

import type { Cpu } from '../host/cpu.ts'
import type { Frames } from '../frames/frames.ts'
import { LP64 } from '../paging/addresses.ts'
import type { Volley } from '../paging/limbo.ts'
import { linkFrame } from '../paging/link.ts'
import { isPresent, pfnOf, PRESENT, pteOf, TABLE_ENTRIES } from '../paging/pte.ts'
import { PageTable } from '../paging/table.ts'
import { ShmObject } from './shm-object.ts'

const { generation, root } = ShmObject

/** Pages that an index can have; more than any object does. */
const ALL_PAGES = 2 ** 36

export class PageIndex {
  declare private readonly frames: Frames
  declare private readonly cpu: Cpu
  readonly #tables = new Map<number, PageTable>()
  /** The lowest table that was used last: of which object, for which 512 pages. It stays while the object does. */
  private lastObject = 0
  private lastGeneration = 0
  private lastGroup = 0
  private lastTable = 0

  constructor(frames: Frames) {
    this.frames = frames
    this.cpu = frames.cpu
  }

  /**
   * The frame of a page. Inside the kernel, and the frame stays only until that is left, unless it is mapped.
   * 0 if there is none and `make` is false; -ENOMEM.
   */
  pageAt(objectAt: number, page: number, make: boolean): number {
    const { cpu } = this
    const at = this.entryOf(objectAt, page, make)
    if (at <= 0) return at
    for (;;) {
      // Acquire: pairs with the compareExchange in insertPage(). The page's zeroes have arrived.
      const entry = cpu.load(at)
      if (isPresent(entry)) return pfnOf(entry)
      if (!make) return 0
      if (entry === 0) {
        const pfn = insertPage(this.frames, at, objectAt, page)
        if (pfn !== 0) return pfn
      } else {
        this.frames.thread.awaitChange(at, entry) // somebody is taking the page that was here
      }
    }
  }

  /** Word index of the entry of a page; 0 where no table is and `make` is false, -ENOMEM. */
  private entryOf(objectAt: number, page: number, make: boolean): number {
    const group = page >>> 9
    const age = this.cpu.plainLoad(objectAt + generation)
    if (objectAt === this.lastObject && group === this.lastGroup && age === this.lastGeneration) {
      return this.lastTable + (page & (TABLE_ENTRIES - 1))
    }
    const table = this.tableOf(objectAt)
    const at = make ? table.ensure(page) : table.find(page)
    if (at > 0) {
      this.lastObject = objectAt
      this.lastGeneration = age
      this.lastGroup = group
      this.lastTable = at - (page & (TABLE_ENTRIES - 1))
    }
    return at
  }

  /** Visits every page that there is in [from, to). Inside the kernel. */
  visit(
    objectAt: number,
    visitor: (page: number, pfn: number, entryAt: number) => void,
    from = 0,
    to = ALL_PAGES,
  ): void {
    this.tableOf(objectAt).visit(from, to, (at, page, entry) => {
      if (isPresent(entry)) visitor(page, pfnOf(entry), at)
    })
  }

  /** Takes every page from `first` on into a volley. The object's lock is held, and nothing new maps these pages. */
  cut(objectAt: number, first: number, volley: Volley): void {
    this.frames.enterKernel()
    try {
      this.visit(objectAt, (_page, pfn, at) => volley.take(at, pteOf(pfn, PRESENT)), first)
    } finally {
      this.frames.leaveKernel()
    }
  }

  /** The object ends, and has no page any more: its tables are retired. */
  clear(objectAt: number): void {
    this.tableOf(objectAt).clear()
    this.lastObject = 0
  }

  tableOf(objectAt: number): PageTable {
    let table = this.#tables.get(objectAt)
    if (table === undefined) {
      table = new PageTable(this.frames, LP64, objectAt + root, objectAt)
      this.#tables.set(objectAt, table)
    }
    return table
  }
}

/** Links a new page of zeroes where there is none. Its pfn; 0 if another thread was first; -ENOMEM. */
export function insertPage(frames: Frames, entryAt: number, objectAt: number, page: number): number {
  const pfn = frames.allocFrame()
  if (pfn < 0) return pfn
  return linkFrame(frames, pfn, entryAt, 0, pteOf(pfn, PRESENT), objectAt, page) ? pfn : 0
}
