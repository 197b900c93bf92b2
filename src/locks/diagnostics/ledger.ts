/**
 * The ledger: what each thread holds and waits for, where it came to, and which of its tasks. Kept while locks are watched.
 *
 *   slot.ledger ──► chunk ┌───────┬───────┬───────┬── ... ──┐     16 KiB
 *                         │ chain │ entry │ entry │         │
 *                         └───┬───┴───────┴───────┴── ... ──┘
 *                             └──► the chunk before
 *
 *   state          the thread                                              lock, generation: which lock
 *   UNUSED         says nothing here                                       parent, parentSerial: the entry of the section
 *   BLOCKED        sleeps for the lock, or is about to                         whose code, or what it started, does this
 *   PENDING        a task of it waits for the lock                         serial: tells an entry from those before it in
 *   HELD           has the lock                                                the same place
 *   HELD_BY_TASK   a task of it has the lock                               isEndless: no time-out, no signal
 *
 * Written by its thread only. BLOCKED and PENDING are published under the graph's lock (graph.ts), so of those who close a
 * circle together one is last, and sees all. Everything else is for messages: who holds a lock is what the lock says.
 *
 * A thread that dies leaves its chunks as frames that it had allocated, which the reaper frees. Whoever reads them meanwhile
 * looks afterwards whether the thread still runs.
 */

import { readUtf8, writeUtf8 } from '../../host/text.ts'
import type { Attachment } from '../../memory/attachment.ts'
import { slotOf, ThreadSlot } from '../../threads/slot.ts'
import { PAGE_SIZE, PAGE_WORDS } from '../../words/constants.ts'
import { i32, layout, words } from '../../words/layout.ts'

const STACK_WORDS = 116

export const LedgerEntry = layout('LedgerEntry', 512, {
  state: i32,
  serial: i32,
  lock: i32,
  generation: i32,
  mode: i32,
  parent: i32,
  parentSerial: i32,
  isEndless: i32,
  chain: i32,
  _spare: words(2),
  stackBytes: i32,
  stack: words(STACK_WORDS),
})

const { state, serial, lock, generation, mode, parent, parentSerial, isEndless, chain, sizeof } = LedgerEntry
const { stackBytes, stack } = LedgerEntry

export const UNUSED = 0
export const BLOCKED = 1
export const PENDING = 2
export const HELD = 3
export const HELD_BY_TASK = 4

/** How a lock is held that can be held in more than one way. */
export const EXCLUSIVE = 0
export const READING = 1

const CHUNK_BYTES = 4 * PAGE_SIZE
const ENTRIES_IN_CHUNK = CHUNK_BYTES / 4 / sizeof
const MOST_CHUNKS = 1024

/** What an entry says. */
export interface Line {
  readonly lock: number
  readonly generation: number
  readonly mode: number
  /** The entry of the section that it is a part of, or 0. */
  readonly parent: number
  readonly isEndless: boolean
  readonly stack: string
}

/** This thread's part of the ledger of one memory. */
export class Ledger {
  readonly #attachment: Attachment
  readonly #spare: number[] = []
  #serials = 0

  constructor(attachment: Attachment) {
    this.#attachment = attachment
  }

  /** Writes a new entry. 0 if memory is out: then it is not noted. */
  add(what: number, line: Line): number {
    if (this.#spare.length === 0 && !this.#addChunk()) return 0
    const { cpu } = this.#attachment
    const at = this.#spare.pop() ?? 0
    cpu.plainStore(at + serial, (this.#serials = (this.#serials + 1) | 0))
    cpu.plainStore(at + lock, line.lock)
    cpu.plainStore(at + generation, line.generation)
    cpu.plainStore(at + mode, line.mode)
    cpu.plainStore(at + parent, line.parent)
    cpu.plainStore(at + parentSerial, line.parent === 0 ? 0 : cpu.plainLoad(line.parent + serial))
    cpu.plainStore(at + isEndless, line.isEndless ? 1 : 0)
    writeLine(this.#attachment, at + stackBytes, at + stack, STACK_WORDS, line.stack)
    cpu.store(at + state, what) // publishes it
    return at
  }

  /** What was waited for is held now. 0 is no entry. */
  change(at: number, what: number): void {
    if (at !== 0) this.#attachment.cpu.store(at + state, what)
  }

  remove(at: number): void {
    if (at === 0) return
    this.#attachment.cpu.store(at + state, UNUSED)
    this.#spare.push(at)
  }

  #addChunk(): boolean {
    const { cpu, frames, thread } = this.#attachment
    const pfn = frames.allocRun(CHUNK_BYTES)
    if (pfn < 0) return false
    const chunk = pfn * PAGE_WORDS
    cpu.plainStore(chunk + chain, cpu.plainLoad(thread.at + ThreadSlot.ledger))
    cpu.store(thread.at + ThreadSlot.ledger, chunk)
    for (let i = ENTRIES_IN_CHUNK - 1; i > 0; i--) this.#spare.push(chunk + i * sizeof)
    return true
  }
}

// ── reading, by any thread ────────────────────────────────────────────────────────────────────────────────────────

/** The entries of a thread that are in one of some states. */
export function* entriesOf(
  attachment: Attachment,
  tid: number,
  wanted: readonly number[],
): Generator<number> {
  const { cpu, map, words } = attachment
  let chunk = cpu.load(slotOf(map.slotsAt, tid) + ThreadSlot.ledger)
  for (let left = MOST_CHUNKS; isInside(chunk) && left > 0; left--) {
    for (let i = 1; i < ENTRIES_IN_CHUNK; i++) {
      if (wanted.includes(cpu.load(chunk + i * sizeof + state))) yield chunk + i * sizeof
    }
    chunk = cpu.load(chunk + chain)
  }

  function isInside(at: number): boolean {
    return at > 0 && at + CHUNK_BYTES / 4 <= words.length
  }
}

/** The entry in which a thread notes that it holds a lock, or 0. */
export function holdEntryOf(attachment: Attachment, tid: number, lockAt: number): number {
  for (const entry of entriesOf(attachment, tid, [HELD, HELD_BY_TASK])) {
    if (attachment.cpu.load(entry + lock) === lockAt) return entry
  }
  return 0
}

/** The entry in which a thread notes that it, or a task of it, waits for a lock, or 0. */
export function waitEntryOf(attachment: Attachment, tid: number, lockAt: number): number {
  for (const entry of entriesOf(attachment, tid, [BLOCKED, PENDING])) {
    if (attachment.cpu.load(entry + lock) === lockAt) return entry
  }
  return 0
}

/** True if an entry was written by code of a section, or by what that started. `hold` is the section's entry. */
export function isPartOf({ cpu, words }: Attachment, entry: number, hold: number): boolean {
  let at = entry
  for (let left = 100; left > 0; left--) {
    const above = cpu.load(at + parent)
    if (above <= 0 || above + sizeof > words.length) return false
    if (cpu.load(above + serial) !== cpu.load(at + parentSerial)) return false
    if (above === hold) return true
    at = above
  }
  return false
}

/** The lines of the stack that an entry was written with. */
export function stackOf(attachment: Attachment, entry: number): string[] {
  if (entry === 0) return []
  const text = readLine(attachment, entry + stackBytes, entry + stack, STACK_WORDS)
  return text === '' ? [] : text.split('\n')
}

/** Writes as much of a text as fits into some words, whole characters, and how many bytes that was. */
export function writeLine(
  { cpu, bytes }: Attachment,
  lengthAt: number,
  at: number,
  capacityWords: number,
  text: string,
): void {
  const into = bytes.subarray(at * 4, (at + capacityWords) * 4)
  cpu.store(lengthAt, writeUtf8(into, text))
}

/** A text that writeLine has written. */
export function readLine(
  { cpu, bytes }: Attachment,
  lengthAt: number,
  at: number,
  capacityWords: number,
): string {
  const length = Math.max(0, Math.min(cpu.load(lengthAt), capacityWords * 4))
  return readUtf8(bytes.slice(at * 4, at * 4 + length))
}
