/**
 * Poison: a memory that cannot be trusted any more refuses, everywhere, with an error that says why.
 *
 * The word is set once, by whoever learned it first, and everybody is rung. Blocked waits look at it when they are rung
 * and once a second; what opens, attaches, allocates or goes to sleep looks at it first.
 */

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
  [POISON_SUPERVISOR_DIED]: 'its supervisor died, so the death of a thread would go unnoticed',
  [POISON_CHECK_FAILED]: 'its check failed after the death of a thread',
}

/** Sets the reason, unless there is one already, and rings everybody. */
export function poisonEverybody(attachment: { readonly cpu: Cpu; readonly lot: Lot }, reason: number): void {
  if (attachment.cpu.compareExchange(Superblock.poison, SOUND, reason) === SOUND)
    attachment.lot.ringEverybody()
}

/** Throws if the memory is destroyed (ESTALE) or poisoned (ENOTRECOVERABLE). */
export function assertSound(cpu: Cpu, memoryName: string): void {
  const error = poisonOf(cpu, memoryName)
  if (error !== undefined) throw error
}

/** What assertSound() would throw. */
export function poisonOf(cpu: Cpu, memoryName: string): ErrnoError | undefined {
  const reason = cpu.load(Superblock.poison)
  return reason === SOUND ? undefined : poisonError(reason, memoryName)
}

function poisonError(reason: number, memoryName: string): ErrnoError {
  if (reason === POISON_DESTROYED) {
    return new ErrnoError(ESTALE, 'memory', `memory '${memoryName}' was destroyed`)
  }
  const why = reasons[reason]
  return new ErrnoError(
    ENOTRECOVERABLE,
    'memory',
    `memory '${memoryName}' is poisoned: ${why}. Make a new one`,
  )
}
