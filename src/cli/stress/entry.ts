/** An entry of the catalogue: what there is to know of a primitive, and what a run does with it. */

import type { Board } from '../../../workers/stress/board.ts'
import type { Load } from './load.ts'

/** What there is to know of a primitive before and after the workers have had it. */
export interface Entry {
  /** What an operation is, in the plural. */
  readonly unit: string
  readonly description: string
  /** The number of workers that it takes where so many were asked for. */
  workers(asked: number): number
  /** Why workers cannot be killed; undefined if they can. */
  readonly whyNoKills: string | undefined
  /** Who is told of a death inside: whoever comes next, or, of a writer's death, the next writer; undefined: nobody. */
  readonly told: 'owner' | 'writer' | undefined
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
  /** Deaths inside of which nobody was told, since nobody came in after them. Known after the audit. */
  readonly untold?: number
  close(): void
}

/** What a run has to do with while its workers are at it. */
export interface Site {
  readonly load: Load
  readonly board: Board
  /** Makes everybody come out and stand still, then does something, then lets them go on. */
  readonly atRest: (work: () => void) => Promise<void>
}
