/** faults(): how often a process met a page that was not there, or not for writing. */

import type { ProcessView } from '../machine/process-view.ts'
import { SpaceState } from '../space/space-state.ts'
import { withText, type Texted } from './text.ts'
import { lookAt } from './where.ts'

export interface Faults {
  /** Without I/O: what is new, what is copied, what is there already. */
  readonly minor: number
  /** With I/O. */
  readonly major: number
}

/** Counted since the process began; modulo 2^32. As a text: two lines of GNU time's report. */
export function faults(process: ProcessView): Faults & Texted {
  const counts = lookAt('faults()', process, ({ attachment: { cpu } }) => ({
    minor: cpu.load(process.spaceAt + SpaceState.minorFaults) >>> 0,
    major: cpu.load(process.spaceAt + SpaceState.majorFaults) >>> 0,
  }))
  return withText(counts, textOf)
}

function textOf({ minor, major }: Faults): string {
  return `Major (requiring I/O) page faults: ${major}\nMinor (reclaiming a frame) page faults: ${minor}\n`
}
