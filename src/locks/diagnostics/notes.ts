/**
 * The notes of a memory whose locks are watched: statistics, the order in which locks are taken, and what was found.
 *
 *   Region 'pageframe: watched locks'
 *        ┌────────┬───────────────────────┬──────────────────────┬───────────────┐
 *        │ header │ classes, 4 KiB each   │ orders, 1 KiB each   │ reports, 2 KiB│
 *        └────────┴───────────────────────┴──────────────────────┴───────────────┘
 *
 * Notes are about *classes* of locks, as lockdep has them: all locks of one kind that have the same name, or, if they have
 * none, that were made at the same place of the program. So what is known of a lock outlives it, and ten thousand locks in
 * as many objects are one line. A lock's cell says its class (`spare`: its number, plus one), for those who get it in a
 * message and cannot know where it was made.
 *
 * Numbers are added to by everybody at any time. Everything else changes under the graph's lock (graph.ts), and is there
 * once the header counts it; so a death leaves a class, an order or a report whole, or not there.
 *
 * See: Documentation/locking/lockdep-design.rst in Linux.
 */

import type { Attachment } from '../../memory/attachment.ts'
import type { Region } from '../../memory/region.ts'
import { writeText } from '../../memory/superblock.ts'
import { PAGE_WORDS } from '../../words/constants.ts'
import { bucketCount } from '../../words/histogram.ts'
import { assert } from '../../words/assert.ts'
import { i32, layout, words } from '../../words/layout.ts'
import { withGraph } from './graph.ts'
import { readLine, writeLine } from './ledger.ts'

/** Of all histograms here: off by an eighth at most. */
export const SUB_BITS = 3
const BUCKETS = 304
assert(bucketCount(SUB_BITS) === BUCKETS, 'a histogram of locks has 304 buckets')

const TEXT_WORDS = 64
const STACK_WORDS = 112
const REPORT_WORDS = 511

export const LockNotes = layout('LockNotes', 64, {
  magic: i32,
  classes: i32,
  mostClasses: i32,
  orders: i32,
  mostOrders: i32,
  reports: i32,
  _spare: words(10),
})

export const LockClass = layout('LockClass', 4096, {
  kindBytes: i32,
  kind: words(16),
  isNamed: i32,
  nameBytes: i32,
  name: words(TEXT_WORDS),
  made: i32,
  acquisitions: i32,
  contended: i32,
  timeouts: i32,
  spins: i32,
  parks: i32,
  after: words(8),
  wait: words(BUCKETS),
  hold: words(BUCKETS),
  _spare: words(319),
})

/** `to` was taken while `from` was held. */
export const LockOrder = layout('LockOrder', 1024, {
  from: i32,
  to: i32,
  threadBytes: i32,
  thread: words(16),
  fromBytes: i32,
  fromStack: words(STACK_WORDS),
  toBytes: i32,
  toStack: words(STACK_WORDS),
  _spare: words(11),
})

export const MOST_REPORTS = 16
export const REPORT_BYTES = 2048

/** The class of all that have come when there was no room for more. */
export const OTHERS = 0

/** Where the notes of a memory lie, in words. */
export class Notes {
  readonly attachment: Attachment
  readonly at: number
  /** Keeps the region's handle. */
  readonly region: Region

  constructor(attachment: Attachment, region: Region) {
    this.attachment = attachment
    this.region = region
    this.at = region.bytes.byteOffset / 4
  }

  get classCount(): number {
    return this.attachment.cpu.load(this.at + LockNotes.classes)
  }

  get orderCount(): number {
    return this.attachment.cpu.load(this.at + LockNotes.orders)
  }

  classAt(index: number): number {
    return this.at + (1 + index) * PAGE_WORDS
  }

  orderAt(index: number): number {
    return (
      this.classAt(this.attachment.cpu.plainLoad(this.at + LockNotes.mostClasses)) + index * LockOrder.sizeof
    )
  }

  #reportAt(index: number): number {
    const { cpu } = this.attachment
    const reports = this.orderAt(cpu.plainLoad(this.at + LockNotes.mostOrders))
    return reports + (index % MOST_REPORTS) * (REPORT_BYTES / 4)
  }

  // ── classes ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The class of a kind with a name, or made at a place; made if it is new. */
  classOf(kind: string, name: string, isNamed: boolean): number {
    const { attachment, at } = this
    return (
      this.#find(kind, name, isNamed) ??
      withGraph(attachment, () => {
        const late = this.#find(kind, name, isNamed)
        if (late !== undefined) return late
        const count = this.classCount
        if (count === attachment.cpu.load(at + LockNotes.mostClasses)) return OTHERS
        this.#writeClass(count, kind, name, isNamed)
        attachment.cpu.store(at + LockNotes.classes, count + 1) // the commit
        return count
      })
    )
  }

  #find(kind: string, name: string, isNamed: boolean): number | undefined {
    const wanted = trimmed(name)
    for (let index = this.classCount - 1; index > OTHERS; index--) {
      const found = this.describe(index)
      if (found.name === wanted && found.kind === kind && found.isNamed === isNamed) return index
    }
    return undefined
  }

  #writeClass(index: number, kind: string, name: string, isNamed: boolean): void {
    const { attachment } = this
    const at = this.classAt(index)
    writeText(attachment.cpu, at + LockClass.kindBytes, at + LockClass.kind, kind)
    writeLine(attachment, at + LockClass.nameBytes, at + LockClass.name, TEXT_WORDS, trimmed(name))
    attachment.cpu.store(at + LockClass.isNamed, isNamed ? 1 : 0)
  }

  describe(index: number): ClassName {
    const { attachment } = this
    const at = this.classAt(index)
    return {
      kind: readLine(attachment, at + LockClass.kindBytes, at + LockClass.kind, 16),
      name: readLine(attachment, at + LockClass.nameBytes, at + LockClass.name, TEXT_WORDS),
      isNamed: attachment.cpu.load(at + LockClass.isNamed) === 1,
    }
  }

  /** Adds one to a word of a class. */
  count(index: number, field: number, more = 1): void {
    if (more !== 0) this.attachment.cpu.add(this.classAt(index) + field, more)
  }

  // ── orders ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether one of class `to` has been taken while one of class `from` was held. */
  isKnown(from: number, to: number): boolean {
    return (this.attachment.cpu.load(this.#bitWord(from, to)) & (1 << (to & 31))) !== 0
  }

  #bitWord(from: number, to: number): number {
    return this.classAt(from) + LockClass.after + (to >>> 5)
  }

  /** Notes it, and says how many had been before. -1 if it is known by now, or there is no room. The graph's lock is held. */
  addOrderLocked(order: SeenOrder): number {
    const { attachment, at } = this
    const { cpu } = attachment
    const count = this.orderCount
    if (this.isKnown(order.from, order.to) || count === cpu.load(at + LockNotes.mostOrders)) return -1
    const place = this.orderAt(count)
    cpu.store(place + LockOrder.from, order.from)
    cpu.store(place + LockOrder.to, order.to)
    writeLine(attachment, place + LockOrder.threadBytes, place + LockOrder.thread, 16, order.thread)
    writeLine(
      attachment,
      place + LockOrder.fromBytes,
      place + LockOrder.fromStack,
      STACK_WORDS,
      order.fromStack,
    )
    writeLine(attachment, place + LockOrder.toBytes, place + LockOrder.toStack, STACK_WORDS, order.toStack)
    cpu.store(at + LockNotes.orders, count + 1) // the commit; the bit is a hint that saves the look
    cpu.or(this.#bitWord(order.from, order.to), 1 << (order.to & 31))
    return count
  }

  /** All, or the first so many. They stay where they are. */
  *orders(count = this.orderCount): Generator<SeenOrder> {
    const { attachment } = this
    const { cpu } = attachment
    for (let index = 0; index < count; index++) {
      const place = this.orderAt(index)
      yield {
        from: cpu.load(place + LockOrder.from),
        to: cpu.load(place + LockOrder.to),
        thread: readLine(attachment, place + LockOrder.threadBytes, place + LockOrder.thread, 16),
        fromStack: readLine(
          attachment,
          place + LockOrder.fromBytes,
          place + LockOrder.fromStack,
          STACK_WORDS,
        ),
        toStack: readLine(attachment, place + LockOrder.toBytes, place + LockOrder.toStack, STACK_WORDS),
      }
    }
  }

  // ── reports ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Keeps the text of a deadlock; the last sixteen are kept. The graph's lock is held. */
  addReportLocked(text: string): void {
    const { attachment, at } = this
    const count = attachment.cpu.load(at + LockNotes.reports)
    const place = this.#reportAt(count)
    writeLine(attachment, place, place + 1, REPORT_WORDS, text)
    attachment.cpu.store(at + LockNotes.reports, count + 1)
  }

  /** The texts of the deadlocks that were found, the oldest first. */
  reports(): string[] {
    const count = this.attachment.cpu.load(this.at + LockNotes.reports)
    const texts: string[] = []
    for (let index = Math.max(0, count - MOST_REPORTS); index < count; index++) {
      const place = this.#reportAt(index)
      texts.push(readLine(this.attachment, place, place + 1, REPORT_WORDS))
    }
    return texts
  }
}

export interface ClassName {
  readonly kind: string
  /** The name of its locks, or where they were made. */
  readonly name: string
  readonly isNamed: boolean
}

export interface SeenOrder {
  readonly from: number
  readonly to: number
  readonly thread: string
  readonly fromStack: string
  readonly toStack: string
}

/** What fits: a name that is cut is the same each time. */
function trimmed(name: string): string {
  const most = TEXT_WORDS * 4
  return name.slice(0, /^[ -~]*$/.test(name) ? most : most / 3)
}
