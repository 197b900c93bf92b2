/**
 * The name directory: by which name which object is found, in each memory.
 *
 *   superblock.heads ┌───┬───┬─ ... ─┐        NameEntry  ┌────────┬────────────┬──────┬──────┬────────┬───────┬──────┐
 *                    │   │ ● │       │                   │ status │ generation │ next │ kind │ object │ bytes │ name │
 *                    └───┴─┬─┴─ ... ─┘                   └────────┴────────────┴──┬───┴──────┴────────┴───────┴──────┘
 *                          └────────► entry ──────────────────────► entry ◄───────┘
 *
 * Each kind of object has names of its own: a Mutex 'jobs' and a Channel 'jobs' are two things.
 *
 * Invariants
 *  1. superblock.directory (a robust RawMutex) is held while the directory is read or changed, and while a named object
 *     is made or destroyed: so exactly one thread creates.
 *  2. bind: entry written, object.entry = entry, entry LIVE, object LIVE, entry linked. unbind: object unpublished, entry
 *     unlinked, entry freed. So when the holder has died, the next one can tell what it finds apart: a LIVE entry in no
 *     chain whose object is LIVE and points back is linked (the bind is completed), any other is freed; an entry in a
 *     chain whose object is not LIVE is unlinked and freed (the unbind is completed).
 *
 * Lock order: the directory comes above every other lock of the kernel.
 */

import { lock, markConsistent, unlock } from '../sync/mutex.ts'
import { EDEADLK, EOWNERDEAD, ErrnoError } from '../words/errno.ts'
import { i32, layout, signatureOf, words } from '../words/layout.ts'
import { rangeError, typeError } from '../words/usage.ts'
import type { Attachment } from './attachment.ts'
import { DIRECTORY_BUCKETS, Superblock } from './superblock.ts'

const NAME_WORDS = 32
const NAME_CAPACITY_BYTES = NAME_WORDS * 4

export const NameEntry = layout('NameEntry', 160, {
  status: i32,
  generation: i32,
  next: i32,
  kind: i32,
  object: i32,
  nameBytes: i32,
  name: words(NAME_WORDS),
  _spare0: i32,
  _spare1: i32,
})

const { next, kind, object, nameBytes, name } = NameEntry

/** The word of a shared object that points at its entry: see object.ts. */
export const objectEntry = 2

/** Runs `work` with the directory locked. */
export function withDirectory<T>(attachment: Attachment, work: () => T): T {
  const { lot } = attachment
  const got = lock(lot, Superblock.directory, Infinity)
  if (got === -EDEADLK) throw new ErrnoError(got, 'open', 'the name directory is in use by this thread')
  if (got < 0) throw new ErrnoError(got, 'open', `the name directory of memory '${attachment.label}' is torn`)
  try {
    if (got === EOWNERDEAD) {
      repairDirectory(attachment)
      markConsistent(lot, Superblock.directory)
    }
    return work()
  } finally {
    unlock(lot, Superblock.directory)
  }
}

/** The object of a name, or 0. The directory is locked. */
export function lookUp(attachment: Attachment, kindSignature: number, text: string, call: string): number {
  const bytes = encode(text, call)
  const { cpu } = attachment
  let entry = cpu.load(headOf(kindSignature, bytes))
  while (entry !== 0 && !matches(attachment, entry, kindSignature, bytes)) entry = cpu.load(entry + next)
  return entry === 0 ? 0 : cpu.load(entry + object)
}

/**
 * Binds a new name to an object that is being made, and publishes both; the directory is locked and has no such name.
 * Returns the entry, or -ENOMEM with nothing changed.
 */
export function bind(attachment: Attachment, kindSignature: number, text: string, at: number): number {
  const { cpu, frames } = attachment
  const entry = frames.allocCell(NameEntry.signature, NameEntry.sizeof)
  if (entry < 0) return entry
  const bytes = encode(text, 'open')
  attachment.bytes.set(bytes, (entry + name) * 4)
  cpu.store(entry + nameBytes, bytes.length)
  cpu.store(entry + kind, kindSignature)
  cpu.store(entry + object, at)
  cpu.store(at + objectEntry, entry)
  frames.publishCell(entry)
  frames.publishCell(at)
  link(attachment, entry)
  return entry
}

function link(attachment: Attachment, entry: number): void {
  const { cpu } = attachment
  const head = headOf(cpu.load(entry + kind), nameBytesOf(attachment, entry))
  cpu.store(entry + next, cpu.load(head))
  cpu.store(head, entry)
}

/** Takes an entry out and frees it; the directory is locked. 0 is no entry. */
export function unbind(attachment: Attachment, entry: number): void {
  if (entry === 0) return
  const { cpu, frames } = attachment
  let before = headOf(cpu.load(entry + kind), nameBytesOf(attachment, entry))
  while (cpu.load(before) !== entry && cpu.load(before) !== 0) before = cpu.load(before) + next
  if (cpu.load(before) === entry) cpu.store(before, cpu.load(entry + next))
  frames.unpublishCell(entry) // out of every chain by now: if this thread dies, the reaper frees it
  frames.freeCell(entry)
}

/** The last holder died: invariant 2. */
function repairDirectory(attachment: Attachment): void {
  const { cpu, frames } = attachment
  const linked = new Set([...names(attachment)].map((each) => each.entry))
  for (const entry of [...frames.cellsOf(NameEntry.signature)]) {
    const at = cpu.load(entry + object)
    const isWanted = frames.isLiveCell(at) && cpu.load(at + objectEntry) === entry
    if (isWanted && !linked.has(entry)) link(attachment, entry)
    else if (!isWanted) unbind(attachment, entry)
  }
}

/** The name in an entry; undefined for 0. */
export function nameOf(attachment: Attachment, entry: number): string | undefined {
  if (entry === 0) return undefined
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(nameBytesOf(attachment, entry))
}

function nameBytesOf(attachment: Attachment, entry: number): Uint8Array {
  const length = Math.min(attachment.cpu.load(entry + nameBytes), NAME_CAPACITY_BYTES)
  const start = (entry + name) * 4
  return attachment.bytes.slice(start, start + length)
}

export interface Named {
  readonly entry: number
  readonly name: string
  readonly kind: number
  readonly object: number
}

/** Every name of the directory, with its kind's signature and its object. */
export function* names(attachment: Attachment): Generator<Named> {
  const { cpu } = attachment
  for (let i = 0; i < DIRECTORY_BUCKETS; i++) {
    for (let entry = cpu.load(Superblock.heads + i); entry !== 0; entry = cpu.load(entry + next)) {
      const text = nameOf(attachment, entry) ?? ''
      yield { entry, name: text, kind: cpu.load(entry + kind), object: cpu.load(entry + object) }
    }
  }
}

/** From the bytes: two texts that are the same in UTF-8 (a lone surrogate is U+FFFD there) are one name. */
function headOf(kindSignature: number, bytes: Uint8Array): number {
  const hash = signatureOf(String.fromCharCode(...bytes))
  return Superblock.heads + (((hash ^ kindSignature) >>> 8) % DIRECTORY_BUCKETS)
}

function matches(attachment: Attachment, entry: number, kindSignature: number, bytes: Uint8Array): boolean {
  const { cpu } = attachment
  if (cpu.load(entry + kind) !== kindSignature || cpu.load(entry + nameBytes) !== bytes.length) return false
  const start = (entry + name) * 4
  return bytes.every((byte, i) => attachment.bytes[start + i] === byte)
}

function encode(text: unknown, call: string): Uint8Array {
  if (typeof text !== 'string') throw typeError(call, 'name', 'a string', text)
  const bytes = new TextEncoder().encode(text)
  if (bytes.length === 0 || bytes.length > NAME_CAPACITY_BYTES) {
    throw rangeError(
      `${call}: a name takes 1 to ${NAME_CAPACITY_BYTES} bytes of UTF-8, '${text.slice(0, 40)}' has ${bytes.length}`,
    )
  }
  return bytes
}
