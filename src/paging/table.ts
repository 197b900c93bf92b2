/**
 * Page tables: a tree of frames from a root word down to the entries of pages.
 *
 *   root word           level 3           level 2           level 1           level 0
 *   ┌────────────┐     ┌─────────┐       ┌─────────┐       ┌─────────┐       ┌─────────┐
 *   │ pfn │ P    │ ──► │ 512     │ ──►   │ 512     │ ──►   │ 512     │ ──►   │ 512 pte │ ──► frame
 *   └────────────┘     └─────────┘       └─────────┘       └─────────┘       └─────────┘
 *      ilp32 has no level 3
 *
 * Written by            many, by compareExchange: links by the link protocol (link.ts), entries of pages (level 0) likewise.
 *                       Tables are unlinked by one: the mutator of the space (its process; while that is made, the parent;
 *                       after its death the reaper), or whoever holds the lock of the object that the table is an index of.
 * Read by               everybody, inside the kernel (frames/retire.ts): a table that is unlinked is retired, and is freed
 *                       when nobody can be walking it.
 *
 * Invariants
 *  1. A table is linked when it is all zero, and unlinked when it is all zero again (or its space ends): whoever walks
 *     into it finds nothing, or what is mapped.
 *  2. A linked table is OWNED by its space or object (`owner` of the constructor), with its level as Frame.index; or
 *     FLOATING, for the moment until the thread that linked it has owned it, or that thread's reaper.
 */

import type { Cpu } from '../host/cpu.ts'
import type { Frames } from '../frames/frames.ts'
import { PAGE_WORDS } from '../words/constants.ts'
import { indexAt, pagesAt, type AddressLayout } from './addresses.ts'
import { linkFrame } from './link.ts'
import { isPresent, pfnOf, PRESENT, pteOf, TABLE_ENTRIES } from './pte.ts'
import { stepOf, type WalkStep } from './walk.ts'

/** No page lies 512 or less behind it. */
const NOWHERE = -2 * TABLE_ENTRIES

/** Lowest tables whose places are remembered: those of 128 MiB in a row. (Processors: paging-structure caches.) */
const REMEMBERED = 64
const NO_TABLES = new Int32Array(REMEMBERED)
const NO_FIRSTS = new Float64Array(REMEMBERED).fill(NOWHERE)

/** What a visit sees: the word index of an entry that is not none, its page, what it holds. */
export type EntryVisitor = (at: number, vpn: number, pte: number) => void

/** What prune() is about. */
interface Pruned {
  readonly from: number
  readonly to: number
  readonly floor: number
  readonly ceiling: number
}

export class PageTable {
  readonly layout: AddressLayout
  declare private readonly frames: Frames
  declare private readonly cpu: Cpu
  /** The root word: 0, or the first table. */
  declare private readonly rootAt: number
  declare private readonly owner: number
  declare private readonly isOwn: boolean
  /** Where the lowest tables are that were used, by their first pages, if this is the only one that unlinks tables. */
  declare private readonly tables: Int32Array
  declare private readonly firsts: Float64Array

  /**
   * `owner` is the word index of the space's object, for Frame.object. `isOwn`: tables are unlinked by way of this and of
   * nothing else while it is in use, so it may remember where they are.
   */
  constructor(frames: Frames, layout: AddressLayout, rootAt: number, owner: number, isOwn = false) {
    this.frames = frames
    this.cpu = frames.cpu
    this.layout = layout
    this.rootAt = rootAt
    this.owner = owner
    this.isOwn = isOwn
    this.tables = isOwn ? new Int32Array(REMEMBERED) : NO_TABLES
    this.firsts = isOwn ? new Float64Array(REMEMBERED).fill(NOWHERE) : NO_FIRSTS
  }

  /** Word index of the entry of a page, or 0 where no table covers it. Changes nothing; inside the kernel, or the mutator. */
  find(vpn: number): number {
    const row = rowOf(vpn)
    const index = vpn - this.firsts[row]
    return index >= 0 && index < TABLE_ENTRIES ? this.tables[row] + index : this.descend(vpn)
  }

  private descend(vpn: number): number {
    let at = this.rootAt
    for (let level = this.layout.levels - 1; level >= 0; level--) {
      const link = this.cpu.load(at)
      if (!isPresent(link)) return 0
      at = pfnOf(link) * PAGE_WORDS + indexAt(vpn, level)
    }
    this.remember(vpn, at)
    return at
  }

  private remember(vpn: number, at: number): void {
    if (!this.isOwn) return
    const index = indexAt(vpn, 0)
    this.firsts[rowOf(vpn)] = vpn - index
    this.tables[rowOf(vpn)] = at - index
  }

  /** What find() passes on its way: a step for each table, as far as there are any. */
  walk(vpn: number): WalkStep[] {
    const steps: WalkStep[] = []
    let link = this.cpu.load(this.rootAt)
    for (let level = this.layout.levels - 1; level >= 0 && isPresent(link); level--) {
      const index = indexAt(vpn, level)
      const entry = this.cpu.load(pfnOf(link) * PAGE_WORDS + index)
      steps.push(stepOf(level, pfnOf(link), index, entry))
      link = entry
    }
    return steps
  }

  /**
   * As find(); tables that are missing are made, by any number of threads. Whoever is not the one that unlinks tables is
   * inside the kernel. -ENOMEM: those that were made stay, empty.
   */
  ensure(vpn: number): number {
    return this.find(vpn) || this.make(vpn)
  }

  private make(vpn: number): number {
    let at = this.rootAt
    for (let level = this.layout.levels - 1; level >= 0; level--) {
      let link = this.cpu.load(at)
      if (!isPresent(link)) {
        link = this.makeTable(at, level)
        if (link < 0) return link
      }
      at = pfnOf(link) * PAGE_WORDS + indexAt(vpn, level)
    }
    this.remember(vpn, at)
    return at
  }

  private makeTable(at: number, level: number): number {
    const { frames, cpu } = this
    for (;;) {
      const pfn = frames.allocFrame()
      if (pfn < 0) return pfn
      const link = pteOf(pfn, PRESENT)
      if (linkFrame(frames, pfn, at, 0, link, this.owner, level)) return link
      // Somebody else was faster: his table is as good. Unless it is gone again.
      const theirs = cpu.load(at)
      if (isPresent(theirs)) return theirs
    }
  }

  /**
   * Visits every entry that is not none in [from, to), in the order of addresses. Skips what no table covers without
   * looking at each page.
   */
  visit(from: number, to: number, visitor: EntryVisitor): void {
    const link = this.cpu.load(this.rootAt)
    if (isPresent(link)) this.visitTable(link, this.layout.levels - 1, 0, from, to, visitor)
  }

  private visitTable(
    link: number,
    level: number,
    base: number,
    from: number,
    to: number,
    visitor: EntryVisitor,
  ): void {
    const tableAt = pfnOf(link) * PAGE_WORDS
    const each = pagesAt(level)
    const [first, last] = indices(base, each, from, to)
    for (let index = first; index < last; index++) {
      const entry = this.cpu.load(tableAt + index)
      if (entry === 0) continue
      const vpn = base + index * each
      if (level === 0) visitor(tableAt + index, vpn, entry)
      else this.visitTable(entry, level - 1, vpn, from, to, visitor)
    }
  }

  /**
   * Unlinks and retires the tables on the way to [from, to), where the caller has emptied every entry, if they cover nothing
   * but [floor, ceiling), where nothing is mapped either (Linux: free_pgtables). The mutator only. The root table stays.
   */
  prune(from: number, to: number, floor = from, ceiling = to): void {
    const link = this.cpu.load(this.rootAt)
    if (isPresent(link)) this.pruneTable(link, this.layout.levels - 1, 0, { from, to, floor, ceiling })
  }

  private pruneTable(link: number, level: number, base: number, range: Pruned): void {
    if (level === 0) return
    const tableAt = pfnOf(link) * PAGE_WORDS
    const each = pagesAt(level)
    const [first, last] = indices(base, each, range.from, range.to)
    for (let index = first; index < last; index++) {
      const entry = this.cpu.load(tableAt + index)
      if (!isPresent(entry)) continue
      const vpn = base + index * each
      this.pruneTable(entry, level - 1, vpn, range)
      if (vpn >= range.floor && vpn + each <= range.ceiling) this.unlink(tableAt + index, entry)
    }
  }

  /** The space ends: unlinks and retires every table. Nothing is mapped any more. */
  clear(): void {
    const link = this.cpu.load(this.rootAt)
    if (!isPresent(link)) return
    const all = { from: 0, to: pagesAt(this.layout.levels) }
    this.pruneTable(link, this.layout.levels - 1, 0, { ...all, floor: all.from, ceiling: all.to })
    this.unlink(this.rootAt, link)
  }

  private unlink(at: number, link: number): void {
    if (this.isOwn) this.firsts.fill(NOWHERE)
    // Pairs with the loads in find(): whoever read the link before is inside the kernel, and waited for.
    this.cpu.compareExchange(at, link, 0)
    this.frames.retireFrame(pfnOf(link))
  }

  /** Tables that there are, by level. */
  countTables(): readonly number[] {
    const counts = new Array<number>(this.layout.levels).fill(0)
    const count = (link: number, level: number): void => {
      counts[level]++
      if (level === 0) return
      for (let index = 0; index < TABLE_ENTRIES; index++) {
        const entry = this.cpu.load(pfnOf(link) * PAGE_WORDS + index)
        if (isPresent(entry)) count(entry, level - 1)
      }
    }
    const link = this.cpu.load(this.rootAt)
    if (isPresent(link)) count(link, this.layout.levels - 1)
    return counts
  }
}

function rowOf(vpn: number): number {
  return (vpn * (1 / TABLE_ENTRIES)) & (REMEMBERED - 1)
}

/** The entries, first and behind the last, that a range of pages concerns in a table whose first page is `base`. */
function indices(base: number, each: number, from: number, to: number): [number, number] {
  const first = Math.max(0, Math.floor((from - base) / each))
  return [first, Math.min(TABLE_ENTRIES, Math.ceil((to - base) / each))]
}
