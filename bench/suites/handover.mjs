/** A block of memory handed to another thread, which touches one word and says so. */

import { Channel } from 'pageframe'
import { compileCpu } from 'pageframe/internals'
import { crew } from '../crew.mjs'
import { runSuite } from '../harness.mjs'

const KIB = 1024
const MIB = 1024 * KIB
const WASM_PAGE = 64 * KIB

/** Blocks of the floor's memory: as with a ring, each trip takes another. */
const BLOCKS = 2

const sizes = [
  { name: '64B', sizeBytes: 64, samples: 400 },
  { name: '1KiB', sizeBytes: KIB, samples: 400 },
  { name: '64KiB', sizeBytes: 64 * KIB, samples: 200 },
  { name: '1MiB', sizeBytes: MIB, samples: 50, goals: { postMessage: { atLeast: 50 } } },
  { name: '16MiB', sizeBytes: 16 * MIB, samples: 5, goals: { 'handover-64B': { atMost: 1.5 } } },
]

await runSuite('handover', sizes.map(row))

/** `samples`: of the messages, one a trip. */
function row({ name, sizeBytes, samples, goals }) {
  return {
    name: `handover-${name}`,
    unit: 'us',
    goals,
    async contenders() {
      const spinning = { sizeBytes, samples: 100, perSample: 500 }
      const wasmPages = Math.ceil((BLOCKS * sizeBytes) / WASM_PAGE) + 1
      const memory = new WebAssembly.Memory({ initial: wasmPages, maximum: wasmPages, shared: true })
      const blocks = new Channel({ capacity: Math.max(64 * KIB, 4 * sizeBytes), from: 'one', to: 'one' })
      const answers = new Channel({ capacity: 64 * KIB, from: 'one', to: 'one' })
      const message = (way) =>
        crew('handover-message.mjs', { sizeBytes, samples, way, name: `handover-${name}` })
      return {
        floor: await crew('handover-floor.mjs', {
          ...spinning,
          memory,
          module: compileCpu(),
          blocks: BLOCKS,
        }),
        ours: await crew('handover-channel.mjs', { ...spinning, blocks, answers }),
        postMessage: await message('clone'),
        'postMessage-transfer': await message('transfer'),
        BroadcastChannel: await message('broadcast'),
      }
    },
  }
}
