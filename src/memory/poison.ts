/**
 * Poison: a memory that cannot be trusted any more refuses, everywhere, with an error that says why.
 *
 * The word is set once, by whoever learned it first, and everybody is rung. Waits look at it when their bell is set
 * ASLEEP and when they are rung, and blocked ones once a second, when they also ask whether the supervisor is there; what
 * opens, attaches, allocates or goes to sleep looks at it first. Objects that threads have met already end, so that even an
 * uncontended lock refuses.
 */

import type { Frames } from '../frames/frames.ts'
import type { Cpu } from '../host/cpu.ts'
import type { Lot } from '../sync/lot.ts'
import { ENOTRECOVERABLE, ErrnoError, ESTALE } from '../words/errno.ts'
import {
  POISON_CHECK_FAILED,
  POISON_DESTROYED,
  POISON_SUPERVISOR_DIED,
  SOUND,
  Superblock,
} from './superblock.ts'

const reasons: Readonly<Record<number, string>> = {
  [POISON_SUPERVISOR_DIED]:
    'its supervisor died, so the death of a thread would go unnoticed. That is so for every memory: end the process',
  [POISON_CHECK_FAILED]: 'its check failed after the death of a thread. Make a new one',
}

/** Sets the reason, unless there is one already, and rings everybody. */
export function poisonEverybody({ cpu, lot, frames }: Poisonable, reason: number): void {
  const earlier = cpu.compareExchange(Superblock.poison, SOUND, reason)
  if (earlier === SOUND) lot.ringEverybody()
  // Also if another thread was first, which may be in the middle of it: behind this call nothing lives, for this thread.
  // What a torn memory holds is left as it is, to be looked at.
  if ((earlier === SOUND ? reason : earlier) !== POISON_CHECK_FAILED) frames.endAll()
}

interface Poisonable {
  readonly cpu: Cpu
  readonly lot: Lot
  readonly frames: Frames
}

/** Throws if the memory is destroyed (ESTALE) or poisoned (ENOTRECOVERABLE). */
export function assertSound(cpu: Cpu, label: string): void {
  const error = poisonOf(cpu, label)
  if (error !== undefined) throw error
}

/** What assertSound() would throw. */
export function poisonOf(cpu: Cpu, label: string): ErrnoError | undefined {
  const reason = cpu.load(Superblock.poison)
  return reason === SOUND ? undefined : poisonError(reason, label)
}

function poisonError(reason: number, label: string): ErrnoError {
  if (reason === POISON_DESTROYED) return destroyedError(label)
  const why = reasons[reason]
  return new ErrnoError(ENOTRECOVERABLE, 'access', `memory '${label}' is poisoned: ${why}`)
}

/** The error of a memory that is no more. */
export function destroyedError(label: string): ErrnoError {
  return new ErrnoError(ESTALE, 'access', `memory '${label}' was destroyed`)
}
