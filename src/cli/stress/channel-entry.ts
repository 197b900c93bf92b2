/** Channels: in the end everything that was sent has been received. */

import { Channel } from '../../channel/channel.ts'
import type { Entry } from './entry.ts'
import { whole } from './units.ts'

const CAPACITY_BYTES = 4096

export const channelEntry: Entry = {
  unit: 'messages',
  description: 'Channel for each pair of workers: every message once, in order, unchanged',
  workers: (asked) => Math.max(2, asked - (asked % 2)),
  whyNoKills: undefined,
  told: undefined,
  isFair: true,

  open({ board, load }) {
    const channels = Array.from(
      { length: load.workers / 2 },
      () => new Channel({ capacity: CAPACITY_BYTES, from: 'one', to: 'one' }),
    )
    return {
      things: { channels },
      audit() {
        const problems: string[] = []
        let received = 0
        for (let pair = 0; pair < channels.length; pair++) {
          const [sent, got] = [board.places[2 * pair].next, board.places[2 * pair + 1].next]
          received += got
          if (sent !== got) {
            problems.push(
              `worker ${2 * pair + 1} sent ${whole(sent)} messages, worker ${2 * pair + 2} received ${whole(got)}`,
            )
          }
        }
        return { problems, verified: `${whole(received)} messages, each once, in order, unchanged` }
      },
      close() {
        for (const channel of channels) channel.destroy()
      },
    }
  },
}
