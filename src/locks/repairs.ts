/**
 * The reaper's steps for locks. A robust mutex that a dead thread holds says so itself, by the id in its word; so the
 * reaper asks every mutex there is, a few nanoseconds each, and locking costs nothing more for being robust.
 */

import type { KindRepair } from '../memory/reaper.ts'
import { releaseDead } from '../sync/mutex.ts'
import { spinReleaseDead } from '../sync/spin-lock.ts'
import { BarrierObject, barrierProblems, breakBarrier } from './barrier-kind.ts'
import { MutexObject, mutexProblems } from './mutex-kind.ts'
import { dropSections, epochAfterDeath, EpochObject } from './epoch-kind.ts'
import { dropEntries, rwLockAfterDeath, RwLockObject, rwLockProblems } from './rwlock-kind.ts'
import { seqLockAfterDeath, SeqLockObject } from './seqlock-kind.ts'
import { SpinLockObject, spinLockProblems } from './spin-lock-kind.ts'

const { raw, isRobust } = MutexObject

export const lockRepairs: readonly KindRepair[] = [
  {
    signature: MutexObject.signature,
    afterDeath: ({ cpu, lot }, at, dead) => {
      if (cpu.load(at + isRobust) === 1) releaseDead(lot, at + raw, dead)
    },
    check: mutexProblems,
  },
  {
    signature: RwLockObject.signature,
    afterDeath: rwLockAfterDeath,
    unfinished: dropEntries,
    check: rwLockProblems,
  },
  { signature: SeqLockObject.signature, afterDeath: seqLockAfterDeath },
  { signature: EpochObject.signature, afterDeath: epochAfterDeath, unfinished: dropSections },
  {
    signature: SpinLockObject.signature,
    afterDeath: ({ lot }, at, dead) => {
      spinReleaseDead(lot, at + SpinLockObject.raw, dead)
    },
    check: spinLockProblems,
  },
  { signature: BarrierObject.signature, afterDeath: breakBarrier, check: barrierProblems },
]
