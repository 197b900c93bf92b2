/**
 * Objects that a program keeps in memory of its own, by address, as C keeps a pthread_mutex_t or a sem_t.
 *
 *   word   0      1       2       3      4                            15
 *        ┌──────┬───────┬───────┬──────┬─────────────────────────────────┐
 *        │ tag  │ flags │ users │ held │ raw: the primitive's own (sync) │    64 bytes, or less
 *        └──────┴───────┴───────┴──────┴─────────────────────────────────┘
 *
 *   tag     what it is. 0: memory of zeroes, which stands for an object of the default kind, as PTHREAD_MUTEX_INITIALIZER
 *           does; DESTROYED: what was one
 *   flags   of a mutex: its type, and ROBUST
 *   users   of a mutex: who has locked it (glibc: __nusers)
 *   held    of a robust mutex, its owner's: its place in the list of held ones (held-mutexes.ts)
 *
 * They lie in memory that the program writes to as it likes. A wrong word there makes waits go wrong and nothing else, with
 * one exception: a condition notes where its mutex lies as a word of the machine's memory (sync/condition.ts), so a program
 * that writes over one while others wait for it may harm them all. One Node process is one trust domain (SECURITY.md).
 */

import type { Cpu } from '../../host/cpu.ts'
import { EINVAL } from '../../words/errno.ts'
import { i32, layout, words } from '../../words/layout.ts'
import type { SyncWords } from './words.ts'

export const ProcessObject = layout('ProcessObject', 64, {
  tag: i32,
  flags: i32,
  users: i32,
  held: i32,
  raw: words(12),
})

const { tag, raw, sizeof } = ProcessObject

export const MUTEX = 0x70660001
export const SEMAPHORE = 0x70660002
export const CONDITION = 0x70660003
export const RWLOCK = 0x70660004
export const BARRIER = 0x70660005
export const SPIN_LOCK = 0x70660006
const DESTROYED = 0x7066000f

/** Bytes of an object whose raw part has so many words. */
export function bytesWith(rawWords: number): number {
  return (raw + rawWords) * 4
}

/** True if what lies at a word may be used as an object of that kind. */
export function isOf({ cpu }: { readonly cpu: Cpu }, at: number, kind: number): boolean {
  const seen = cpu.plainLoad(at + tag)
  return seen === kind || seen === 0
}

/** Makes an object, whatever was there. The tag comes last. -EINVAL: not aligned. */
export function makeObject(
  sync: SyncWords,
  address: number,
  kind: number,
  rawWords: number,
  build: (at: number) => void,
): number {
  return sync.withHeld(address, bytesWith(rawWords), (at) => {
    sync.cpu.fill(at * 4, 0, Math.min(bytesWith(rawWords), sizeof * 4))
    build(at)
    sync.cpu.store(at + tag, kind)
    return 0
  })
}

/** What was an object is none any more; twice if you like. -EINVAL: not aligned, or of another kind; or what `check` says. */
export function endObject(
  sync: SyncWords,
  address: number,
  kind: number,
  rawWords: number,
  check: (at: number) => number = () => 0,
): number {
  return sync.withHeld(address, bytesWith(rawWords), (at) => {
    if (sync.cpu.plainLoad(at + tag) === DESTROYED) return 0
    if (!isOf(sync, at, kind)) return -EINVAL
    const refused = check(at)
    if (refused === 0) sync.cpu.store(at + tag, DESTROYED)
    return refused
  })
}
