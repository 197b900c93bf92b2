/** The catalogue: what can be tested, under which names, with how many workers, and what is looked at when all is over. */

import { PRIMITIVES, type PrimitiveName } from '../../../workers/stress/primitives.ts'
import type { Site } from './site.ts'
import { barrierEntry } from './barrier-entry.ts'
import { channelEntry } from './channel-entry.ts'
import { conditionEntry } from './condition-entry.ts'
import { exclusionEntry, futexEntry, mutexEntry, ownEntry, spinEntry } from './exclusion-entries.ts'
import { rwLockEntry } from './rwlock-entry.ts'
import { semaphoreEntry } from './semaphore-entry.ts'

/** What there is to know of a primitive before and after the workers have had it. */
export interface Entry {
  /** What an operation is, in the plural. */
  readonly unit: string
  readonly description: string
  /** The number of workers that it takes where so many were asked for. */
  workers(asked: number): number
  /** Why workers cannot be killed; undefined if they can. */
  readonly whyNoKills: string | undefined
  /** True where whoever waits comes first sooner or later, so that one who does not is a failure. */
  readonly isFair: boolean
  open(site: Site): Exhibit
}

/** What is tested, for one run. */
export interface Exhibit {
  readonly things: object
  /** While the workers are on their way out: wakes who cannot know. */
  letOut?(): void
  /** After each death. */
  afterDeath?(place: number, state: number): Promise<void>
  /** At rest: what is not as it must be. `deaths`: what the killed were about. */
  audit(deaths: readonly number[]): { readonly problems: readonly string[]; readonly verified: string }
  /** Permits that were given back for the dead. */
  readonly permits?: number
  close(): void
}

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
