/** A site: what a run has to do with while its workers are at it. */

import type { Board } from '../../../workers/stress/board.ts'
import type { Load } from './load.ts'

export interface Site {
  readonly load: Load
  readonly board: Board
  /** Makes everybody come out and stand still, then does something, then lets them go on. */
  readonly atRest: (work: () => void) => Promise<void>
}
