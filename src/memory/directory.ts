/**
 * The name directory: by which name which object is found, in each memory.
 *
 *   superblock.heads ┌───┬───┬─ ... ─┐     NameEntry ┌────────┬────────────┬──────┬──────┬──────┬────────┬────────┬─────┐
 *                    │   │ ● │       │               │ status │ generation │ next │ head │ kind │ object │ awaits │ ... │
 *                    └───┴─┬─┴─ ... ─┘               └────────┴────────────┴──┬───┴──────┴──────┴────────┴────────┴─────┘
 *                          └────────► entry ─────────────────► entry ◄────────┘
 *
 *   status of a linked entry   the name is
 *   tid                        reserved: that thread makes the object, with no lock held (naming.ts)
 *   -generation                bound to `object`, for ever or until destroy()
 *
 * Each kind of object has names of its own: a Mutex 'jobs' and a Channel 'jobs' are two things.
 *
 * Invariants
 *  1. superblock.directory (a robust RawMutex) is held while a chain is read or changed, and while a named object is
 *     destroyed. Nothing is allocated meanwhile: whoever is asked for memory may open names.
 *  2. A chain is changed by one store, so a death leaves it whole. head, kind and the name are written before an entry is
 *     linked, and never again.
 *  3. The object of a bound entry is LIVE and points back. destroy: object unpublished, entry unlinked, entry freed. If the
 *     lock's holder died in between, the next one finds a bound entry whose object is not LIVE, and completes that.
 *
 * Lock order: the directory comes above every other lock of the kernel.
 */

import { lock, markConsistent, tryLock, unlock } from '../sync/mutex.ts'
import { MustNotBlock } from '../threads/live-thread.ts'
import { EDEADLK, ENOTRECOVERABLE, EOWNERDEAD, ErrnoError, ETIMEDOUT } from '../words/errno.ts'
import { i32, layout, signatureOf, words } from '../words/layout.ts'
import { rangeError, typeError } from '../words/usage.ts'
import type { Attachment } from './attachment.ts'
import { DIRECTORY_BUCKETS, Superblock } from './superblock.ts'

const NAME_WORDS = 32
const NAME_CAPACITY_BYTES = NAME_WORDS * 4
const LONGEST_CHAIN = 1_000_000

export const NameEntry = layout('NameEntry', 160, {
  status: i32,
  generation: i32,
  next: i32,
  head: i32,
  kind: i32,
  object: i32,
  awaits: i32,
  nameBytes: i32,
  name: words(NAME_WORDS),
})

const { status, next, head, kind, object, nameBytes, name } = NameEntry

/** The word of a shared object that points at its entry: see object.ts. */
export const objectEntry = 2

/** A name of one kind of object, as it is looked for: its bytes in whole words, and the word that its chain begins at. */
export interface Key {
  readonly kind: number
  readonly length: number
  readonly words: Int32Array
  readonly head: number
}

/** The key of a name. Throws if it is none. */
export function keyOf(kindSignature: number, text: unknown, call: string): Key {
  if (typeof text !== 'string') throw typeError(call, 'name', 'a string', text)
  const bytes = new TextEncoder().encode(text)
  if (bytes.length === 0 || bytes.length > NAME_CAPACITY_BYTES) {
    throw rangeError(
      `${call}: a name takes 1 to ${NAME_CAPACITY_BYTES} bytes of UTF-8, '${text.slice(0, 40)}' has ${bytes.length}`,
    )
  }
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4)
  padded.set(bytes)
  // From the bytes: two texts that are the same in UTF-8 (a lone surrogate is U+FFFD there) are one name.
  const hash = signatureOf(String.fromCharCode(...bytes))
  return {
    kind: kindSignature,
    length: bytes.length,
    words: new Int32Array(padded.buffer),
    head: Superblock.heads + (((hash ^ kindSignature) >>> 8) % DIRECTORY_BUCKETS),
  }
}

/** Runs `work` with the directory locked. */
export function withDirectory<T>(attachment: Attachment, work: () => T): T {
  const got = lock(attachment.lot, Superblock.directory, Infinity)
  if (got === -EDEADLK) throw new ErrnoError(got, 'open', 'the name directory is in use by this thread')
  if (got < 0) throw new ErrnoError(got, 'open', `the name directory of memory '${attachment.label}' is torn`)
  return heldDirectory(attachment, got, work)
}

/** The same for the reaper, which must not wait: throws MustNotBlock. A directory that is torn is left alone. */
export function withDirectoryFree(attachment: Attachment, work: () => void): void {
  const got = tryLock(attachment.lot, Superblock.directory)
  if (got === -ETIMEDOUT) throw new MustNotBlock()
  if (got !== -ENOTRECOVERABLE) heldDirectory(attachment, got, work)
}

/**
 * The same for work that no object may be destroyed meanwhile: done also if the directory is torn, since then none is. Of the
 * records and chunks of the dead, which the reaper does away with, whoever destroys something looks at none meanwhile.
 */
export function whileNothingEnds(attachment: Attachment, work: () => void): void {
  const got = tryLock(attachment.lot, Superblock.directory)
  if (got === -ETIMEDOUT) throw new MustNotBlock()
  if (got === -ENOTRECOVERABLE) work()
  else heldDirectory(attachment, got, work)
}

function heldDirectory<T>(attachment: Attachment, got: number, work: () => T): T {
  const { lot } = attachment
  try {
    if (got === EOWNERDEAD) {
      completeUnbinds(attachment)
      markConsistent(lot, Superblock.directory)
    }
    return work()
  } finally {
    unlock(lot, Superblock.directory)
  }
}

/** The last holder died: invariant 3. What it had reserved is the reaper's (naming.ts). */
function completeUnbinds(attachment: Attachment): void {
  for (const entry of [...attachment.frames.cellsOf(NameEntry.signature)]) {
    if (!hasObject(attachment, entry)) unbindLocked(attachment, entry)
  }
}

/** True if the object of an entry is there and points back. */
export function hasObject({ cpu, frames }: Attachment, entry: number): boolean {
  const at = cpu.load(entry + object)
  return at !== 0 && frames.isLiveCell(at) && cpu.load(at + objectEntry) === entry
}

/** The entry of a name, reserved or bound, or 0. The directory is locked. */
export function entryLocked({ cpu }: Attachment, key: Key): number {
  let entry = cpu.load(key.head)
  while (entry !== 0 && !matches(cpu, entry, key)) entry = cpu.load(entry + next)
  return entry
}

function matches(cpu: Attachment['cpu'], entry: number, key: Key): boolean {
  if (cpu.plainLoad(entry + kind) !== key.kind || cpu.plainLoad(entry + nameBytes) !== key.length)
    return false
  return key.words.every((word, i) => cpu.plainLoad(entry + name + i) === word)
}

/** Writes a name into an entry that is nobody else's yet. */
export function inscribe({ cpu }: Attachment, entry: number, key: Key): void {
  cpu.plainStore(entry + kind, key.kind)
  cpu.plainStore(entry + head, key.head)
  cpu.plainStore(entry + nameBytes, key.length)
  key.words.forEach((word, i) => {
    cpu.plainStore(entry + name + i, word)
  })
}

/** Puts an entry into its chain; the directory is locked and has no such name. */
export function linkLocked({ cpu }: Attachment, entry: number): void {
  const chain = cpu.plainLoad(entry + head)
  cpu.store(entry + next, cpu.load(chain))
  cpu.store(chain, entry)
}

/** Takes an entry out of its chain, if it is there; the directory is locked. */
export function unlinkLocked({ cpu }: Attachment, entry: number): void {
  if (cpu.plainLoad(entry + head) === 0) return // its maker died before it was inscribed
  let before = cpu.plainLoad(entry + head)
  while (cpu.load(before) !== entry && cpu.load(before) !== 0) before = cpu.load(before) + next
  if (cpu.load(before) === entry) cpu.store(before, cpu.load(entry + next))
}

/** Frees the entry of an object that was unpublished; the directory is locked. 0 is no entry. */
export function unbindLocked(attachment: Attachment, entry: number): void {
  if (entry === 0) return
  unlinkLocked(attachment, entry)
  attachment.frames.unpublishCell(entry) // in no chain by now: if this thread dies, the reaper frees it
  attachment.frames.freeCell(entry)
}

/** The name in an entry; undefined for 0. */
export function nameOf(attachment: Attachment, entry: number): string | undefined {
  if (entry === 0) return undefined
  const length = Math.min(attachment.cpu.load(entry + nameBytes), NAME_CAPACITY_BYTES)
  const start = (entry + name) * 4
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(attachment.bytes.slice(start, start + length))
}

export interface Named {
  readonly entry: number
  readonly name: string
  readonly kind: number
  readonly object: number
  /** The thread that has reserved the name, or 0: it is bound. */
  readonly maker: number
}

/** Every name of the directory, with its kind's signature and its object. */
export function* names(attachment: Attachment): Generator<Named> {
  const { cpu } = attachment
  for (let i = 0; i < DIRECTORY_BUCKETS; i++) {
    let left = LONGEST_CHAIN // a chain that is torn into a ring ends too
    for (
      let entry = cpu.load(Superblock.heads + i);
      entry !== 0 && left-- > 0;
      entry = cpu.load(entry + next)
    ) {
      yield {
        entry,
        name: nameOf(attachment, entry) ?? '',
        kind: cpu.load(entry + kind),
        object: cpu.load(entry + object),
        maker: Math.max(0, cpu.load(entry + status)),
      }
    }
  }
}
