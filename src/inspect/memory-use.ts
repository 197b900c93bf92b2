/**
 * MemoryUse: what the pages of a mapping, or of all of them, take. The counts of /proc/PID/smaps, in bytes.
 *
 *   rss            pages that have a frame                 Every resident byte is in exactly one of
 *   pss            the same, each divided by the number      sharedClean   sharedDirty     2 entries or more name the frame
 *                  of entries that name its frame            privateClean  privateDirty    one does
 *
 * Shares are kept in units of 1/4096 byte and rounded down, as Linux does, so that the texts agree to the last digit.
 *
 * See: proc_pid_smaps(5); smaps_account() of fs/proc/task_mmu.c.
 */

import { PAGE_SIZE } from '../words/constants.ts'
import type { MapCounts, ResidentPage } from './resident.ts'

export interface MemoryUse {
  readonly rss: number
  /** May be a fraction of a byte. So may the shares of it below. */
  readonly pss: number
  /** Of pss: written through the entries that are counted here. */
  readonly pssDirty: number
  /** Of pss: private pages. */
  readonly pssAnon: number
  /** Of pss: pages of files. There are none yet. */
  readonly pssFile: number
  /** Of pss: pages of shared memory. */
  readonly pssShmem: number
  readonly sharedClean: number
  readonly sharedDirty: number
  readonly privateClean: number
  readonly privateDirty: number
  readonly referenced: number
  /** Pages that belong to the process alone, whatever is mapped there. */
  readonly anonymous: number
  /** Of pss: in mappings that are locked. */
  readonly locked: number
}

/** Parts of a byte that pss is kept in. */
const SHARES = 4096

type Counts = { -readonly [K in keyof MemoryUse]: MemoryUse[K] }

export class MemoryUseCounter {
  readonly #counts: Counts = {
    rss: 0,
    pss: 0,
    pssDirty: 0,
    pssAnon: 0,
    pssFile: 0,
    pssShmem: 0,
    sharedClean: 0,
    sharedDirty: 0,
    privateClean: 0,
    privateDirty: 0,
    referenced: 0,
    anonymous: 0,
    locked: 0,
  }

  add({ pfn, isPrivate, isAccessed, isDirty }: ResidentPage, mapCounts: MapCounts, isLocked: boolean): void {
    const counts = this.#counts
    // What was unmapped between the two looks has one entry: the one that was just seen.
    const entries = isPrivate ? 1 : Math.max(1, mapCounts.get(pfn) ?? 1)
    const share = Math.floor((PAGE_SIZE * SHARES) / entries) / SHARES
    counts.rss += PAGE_SIZE
    counts.pss += share
    counts[isPrivate ? 'pssAnon' : 'pssShmem'] += share
    if (isLocked) counts.locked += share
    if (isDirty) counts.pssDirty += share
    if (isPrivate) counts.anonymous += PAGE_SIZE
    if (isAccessed) counts.referenced += PAGE_SIZE
    if (entries > 1) counts[isDirty ? 'sharedDirty' : 'sharedClean'] += PAGE_SIZE
    else counts[isDirty ? 'privateDirty' : 'privateClean'] += PAGE_SIZE
  }

  /** What was added so far. */
  result(): MemoryUse {
    return { ...this.#counts }
  }
}
