/** 64-byte records from one thread to one other, as many as will go. */

import { Channel, Region } from 'pageframe'
import { compileCpu } from 'pageframe/internals'
import { crew } from '../crew.mjs'
import { runSuite } from '../harness.mjs'
import { native } from '../native.mjs'
import { peer } from '../peers.mjs'
import { mean } from '../stats.mjs'

const SLOT_BYTES = 64
const SLOTS = 1024
const RING_BYTES = SLOTS * SLOT_BYTES
const PER_SAMPLE = 4096

/** Records a round: a twentieth of a second for each, lest the machine change meanwhile. */
const MANY = 256 * PER_SAMPLE
const SOME = 64 * PER_SAMPLE
const FEW = 6 * PER_SAMPLE

await runSuite('channel', [
  row('channel-64-batch', 64, {
    postMessage: { atLeast: 60 },
    'ringbuf.js': { atLeast: 8 },
    native: { atMost: 2 },
  }),
  row('channel-64-single', 1, { postMessage: { atLeast: 30 }, native: { atMost: 6 } }),
])

function row(name, batch, goals) {
  return {
    name,
    unit: 'ns',
    goals,
    repeat: 3,
    value: mean, // of samples that follow each other without a gap: the time of the round
    async contenders() {
      const data = { batch, perSample: PER_SAMPLE, records: MANY }
      const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true })
      const ring = new Region({ size: RING_BYTES }).bytes
      const channel = new Channel({ ring, from: 'one', to: 'one' })
      return {
        floor: await crew('ring-floor.mjs', { ...data, memory, module: compileCpu(), slots: SLOTS }),
        ours: await crew('ring-channel.mjs', { ...data, channel, buffer: ring.buffer }),
        native: native('ring', MANY, SLOTS),
        'ringbuf.js': await peer('ringbuf.js', ({ RingBuffer }) =>
          crew('ring-ringbuf.mjs', {
            ...data,
            records: SOME,
            buffer: RingBuffer.getStorageForCapacity(RING_BYTES, Uint8Array),
          }),
        ),
        postMessage: await crew('ring-post-message.mjs', { ...data, records: FEW }),
      }
    },
  }
}
