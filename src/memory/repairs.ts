/**
 * The reaper's steps of the kinds that live on this floor. Upper floors hand theirs to the supervisor's bundle beside these.
 */

import type { KindRepair } from './reaper.ts'
import { REGION } from './region.ts'

export const memoryRepairs: readonly KindRepair[] = [
  {
    signature: REGION.layout.signature,
    unfinished: (attachment, at) => {
      REGION.demolish(attachment, at)
    },
  },
]
