/**
 * What a read-write lock is made of, and what happens when two threads ask for different ones.
 *
 *   RwLockObject   0 .. 3            4 .. 15
 *                ┌─────────────────┬───────────┐
 *                │ object header   │ RawRwLock │     128 bytes: a line of its own, which readers do not write
 *                └─────────────────┴───────────┘
 */

import type { Attachment } from '../memory/attachment.ts'
import { runningThreads } from '../memory/check.ts'
import {
  objectHeader,
  type Found,
  type Holder,
  type Kind,
  type Met,
  type Own,
  type Place,
} from '../memory/kind.ts'
import { dropReads, readersOf } from '../sync/readers.ts'
import { releaseDeadRw } from '../sync/rwlock.ts'
import { initRwLock, PREFER_WRITERS, RawRwLock, WRITERS, writerOf } from '../sync/rwlock-word.ts'
import { EEXIST, ErrnoError } from '../words/errno.ts'
import { layout, newLine, words } from '../words/layout.ts'
import { oneOf, present } from '../words/usage.ts'

export const RwLockObject = layout('RwLock', 128, {
  ...objectHeader,
  raw: words(RawRwLock.sizeof),
  _end: newLine,
})

const { raw } = RwLockObject

const PREFERENCES = ['readers', 'writers'] as const

export interface RwLockOptions extends Place {
  /**
   * Who goes first when both wait. 'writers', if absent: a reader waits while a writer waits, so that readers who come and
   * go cannot keep writers out for ever; writers can keep readers out. 'readers': the other way round.
   */
  prefer?: (typeof PREFERENCES)[number]
}

export function rwLockKind<X extends Met>(make: (found: Found) => X): Kind<RwLockOptions, X> {
  return {
    name: 'RwLock',
    layout: RwLockObject,
    read,
    build,
    compare,
    demolish: dropEntries,
    noMemory,
    make,
    holders,
    check: rwLockProblems,
  }
}

function read(call: string, { prefer }: RwLockOptions): Own<RwLockOptions> {
  if (prefer !== undefined) oneOf(call, 'prefer', prefer, PREFERENCES)
  return present<Own<RwLockOptions>>({ prefer })
}

function build({ cpu }: Attachment, at: number, { prefer = 'writers' }: RwLockOptions): number {
  initRwLock(cpu, at + raw, prefer === 'writers' ? PREFER_WRITERS : 0)
  return 0
}

function compare({ cpu }: Attachment, at: number, name: string, { prefer }: RwLockOptions): void {
  const theirs = (cpu.load(at + raw + RawRwLock.flags) & PREFER_WRITERS) === 0 ? 'readers' : 'writers'
  if (prefer === undefined || prefer === theirs) return
  throw new ErrnoError(
    EEXIST,
    'open',
    `RwLock '${name}' exists and prefers ${theirs}; this thread asked for ${prefer}`,
  )
}

/** A lock that is destroyed while somebody reads: what comes to lie there is not read by him. */
export function dropEntries({ lot }: Attachment, at: number): void {
  dropReads(lot, at + raw + RawRwLock.flags, at + raw, 1)
}

/** Whether they are tasks is not to be seen. Readers keep a new one out only if they keep a writer waiting who goes first. */
function holders({ cpu, lot }: Attachment, at: number, forReader = false): readonly Holder[] {
  const word = at + raw
  const writer = writerOf(lot, word)
  const found: Holder[] = writer === 0 ? [] : [{ tid: writer, isAsync: false, mode: 'write' }]
  const writersFirst =
    (cpu.load(word + RawRwLock.flags) & PREFER_WRITERS) !== 0 && (cpu.load(word) & WRITERS) !== 0
  if (forReader && !writersFirst) return found
  for (const tid of readersOf(lot, word + RawRwLock.flags, word, word)) {
    found.push({ tid, isAsync: false, mode: 'read' })
  }
  return found
}

/** A writer that waits keeps new readers out. */
export function writersGoFirst({ cpu }: Attachment, at: number): boolean {
  return (cpu.load(at + raw + RawRwLock.flags) & PREFER_WRITERS) !== 0
}

function noMemory(attachment: Attachment, { name }: RwLockOptions): string {
  return attachment.noMemory(name === undefined ? 'RwLock' : `RwLock '${name}'`, RwLockObject.sizeof * 4)
}

/** The reaper: a dead reader reads no more; what a dead writer held goes on with notice. */
export function rwLockAfterDeath({ lot }: Attachment, at: number, dead: number): void {
  releaseDeadRw(lot, at + raw, dead)
}

/** What does not add up in a read-write lock at rest. */
export function* rwLockProblems(attachment: Attachment, at: number): Generator<string> {
  const tid = writerOf(attachment.lot, at + raw)
  if (tid !== 0 && !runningThreads(attachment).has(tid)) {
    yield `a RwLock at ${at} is held by a writer (${tid}) that does not run`
  }
}
