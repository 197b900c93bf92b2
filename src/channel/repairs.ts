/** The reaper's steps for channels, for the supervisor's bundle. */

import type { KindRepair } from '../memory/reaper.ts'
import { CHANNEL_SIGNATURE, check, demolish, raw } from './kind.ts'
import { repairChannel } from './repair.ts'

export const channelRepairs: readonly KindRepair[] = [
  {
    signature: CHANNEL_SIGNATURE,
    afterDeath: (attachment, at, dead) => {
      repairChannel(attachment.lot, at + raw, dead)
    },
    unfinished: demolish,
    check,
  },
]
