/**
 * Names of shared memory objects, as shm_open(3) takes them. They stand in the objects themselves (NAMED): a name is found
 * by walking over them, under the lock of the name space.
 *
 * What is a name is glibc's business: slashes at the front are dropped, and what is left must be one component of a path.
 * '.' and '..' are directories there, which we have none of: they are no names.
 *
 * See: posix/shm-directory.c in glibc 2.36; shm_open(3).
 */

import { lock, markConsistent, releaseDead, tryLock, unlock } from '../sync/mutex.ts'
import { MustNotBlock } from '../threads/live-thread.ts'
import { slotIndexOf, SUPERVISOR_SLOT } from '../threads/slot.ts'
import { assert } from '../words/assert.ts'
import { EINVAL, ENAMETOOLONG, EOWNERDEAD, ETIMEDOUT } from '../words/errno.ts'
import { NAME_MAX, NAMED, ShmObject } from '../storage/shm-object.ts'
import type { IpcKernel } from './descriptors.ts'

const { flags, nameBytes, name: nameAt } = ShmObject

/** glibc has room for `sem.` before a name: what is longer than that with it does not come before the kernel. */
const ROOM = NAME_MAX + 4

/** A name as it is looked for: its bytes, in whole words. */
export interface ShmName {
  readonly length: number
  readonly words: Int32Array
}

/**
 * The name in a text, or
 *  -EINVAL        it is empty but for slashes, has one inside, has a NUL, is '.' or '..', or longer than 259 bytes
 *  -ENAMETOOLONG  longer than 255 bytes
 */
export function nameIn(text: string): ShmName | number {
  const component = text.replace(/^\/+/, '')
  if (component === '' || component === '.' || component === '..') return -EINVAL
  if (/[/\0]/.test(component)) return -EINVAL
  const bytes = new TextEncoder().encode(component)
  if (bytes.length > ROOM) return -EINVAL
  if (bytes.length > NAME_MAX) return -ENAMETOOLONG
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4)
  padded.set(bytes)
  return { length: bytes.length, words: new Int32Array(padded.buffer) }
}

/** Names an object that this thread builds. */
export function inscribe({ attachment: { cpu } }: IpcKernel, at: number, name: ShmName): void {
  name.words.forEach((word, i) => {
    cpu.plainStore(at + nameAt + i, word)
  })
  cpu.plainStore(at + nameBytes, name.length)
}

/** The live object of a name, or 0. The names are locked. */
export function findLocked({ attachment: { cpu }, objects }: IpcKernel, name: ShmName): number {
  for (const at of objects.all()) {
    if ((cpu.load(at + flags) & NAMED) === 0 || cpu.load(at + nameBytes) !== name.length) continue
    if (name.words.every((word, i) => cpu.load(at + nameAt + i) === word)) return at
  }
  return 0
}

/** The name that an object has or had, without a slash; undefined for one that never had any. */
export function nameOf({ attachment: { cpu } }: IpcKernel, at: number): string | undefined {
  const length = Math.min(cpu.load(at + nameBytes), NAME_MAX)
  if (length === 0) return undefined
  const words = Int32Array.from({ length: Math.ceil(length / 4) }, (_, i) => cpu.load(at + nameAt + i))
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array(words.buffer, 0, length))
}

/**
 * Runs `work` with the name space locked. A death in it leaves nothing to repair: an object gets its name by being
 * published, and loses it by one store under its own lock.
 */
export function withNames<T>({ attachment }: IpcKernel, namesLockAt: number, work: () => T): T {
  const { lot, thread } = attachment
  const isSupervisor = slotIndexOf(thread.tid) === SUPERVISOR_SLOT
  const got = isSupervisor ? tryLock(lot, namesLockAt) : lock(lot, namesLockAt, Infinity)
  if (got === -ETIMEDOUT) throw new MustNotBlock()
  assert(got >= 0, 'the lock of the names is sound, and not held by who wants it')
  if (got === EOWNERDEAD) markConsistent(lot, namesLockAt)
  try {
    return work()
  } finally {
    unlock(lot, namesLockAt)
  }
}

/** The reaper: a dead thread no longer has the names locked. */
export function repairNames({ attachment: { lot } }: IpcKernel, namesLockAt: number, dead: number): void {
  releaseDead(lot, namesLockAt, dead)
}
