/**
 * The graph's lock: superblock.lockGraph, a RawMutex. Whoever has it may publish a wait in the ledger and look where that
 * leads, and may add to the notes. Nothing is waited for and nothing allocated meanwhile.
 *
 * It is robust: what is written under it is there with its last store, or not there, so whoever comes after a death goes on.
 *
 * Lock order: below every lock of users, and below the directory; above the buckets of the lot.
 */

import type { Attachment } from '../../memory/attachment.ts'
import { Superblock } from '../../memory/superblock.ts'
import { lock, markConsistent, unlock } from '../../sync/mutex.ts'
import { EOWNERDEAD, ErrnoError } from '../../words/errno.ts'

export function withGraph<T>({ lot, label }: Attachment, work: () => T): T {
  const got = lock(lot, Superblock.lockGraph, Infinity)
  if (got < 0) throw new ErrnoError(got, 'lock', `the notes about the locks of memory '${label}' are torn`)
  if (got === EOWNERDEAD) markConsistent(lot, Superblock.lockGraph)
  try {
    return work()
  } finally {
    unlock(lot, Superblock.lockGraph)
  }
}
