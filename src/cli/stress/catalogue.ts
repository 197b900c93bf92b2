/** The catalogue: what can be tested, under which names, with how many workers, and what is looked at when all is over. */

import { PRIMITIVES, type PrimitiveName } from '../../../workers/stress/primitives.ts'
import type { Entry } from './entry.ts'
import { barrierEntry } from './barrier-entry.ts'
import { channelEntry } from './channel-entry.ts'
import { conditionEntry } from './condition-entry.ts'
import { exclusionEntry, futexEntry, mutexEntry, ownEntry, spinEntry } from './exclusion-entries.ts'
import { rwLockEntry } from './rwlock-entry.ts'
import { semaphoreEntry } from './semaphore-entry.ts'

const CATALOGUE: Readonly<Record<PrimitiveName, Entry>> = {
  mutex: mutexEntry,
  rwlock: rwLockEntry,
  semaphore: semaphoreEntry,
  condition: conditionEntry,
  barrier: barrierEntry,
  futex: futexEntry,
  spin: spinEntry,
  channel: channelEntry,
  peterson: exclusionEntry('peterson'),
  dekker: exclusionEntry('dekker'),
  own: ownEntry,
}

/** As people, stress-ng and Linux call them. */
const ALIASES: Readonly<Record<string, PrimitiveName>> = {
  mtx: 'mutex',
  sem: 'semaphore',
  cond: 'condition',
  ring: 'channel',
}

/** `mtx = mutex, ...`, for the help. */
export const aliases = Object.entries(ALIASES)
  .map(([alias, name]) => `${alias} = ${name}`)
  .join(', ')

export function entryOf(name: PrimitiveName): Entry {
  return CATALOGUE[name]
}

/** The primitive of a name or an alias. */
export function find(name: string): PrimitiveName | undefined {
  const known: readonly string[] = PRIMITIVES
  if (known.includes(name)) return name as PrimitiveName
  return Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined
}

export { PRIMITIVES }
